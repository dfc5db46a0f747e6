"""LSTM, GRU, the LSTM with layer normalization inside, self-attention layers and blocks of a transformer: normkit beside PyTorch, in turns. Milliseconds of a forward pass and of a training pass (forward
and backward to the parameters) over sequences of one length and of many."""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys

from report import RealTime, add_options, keep_row, machine, show

ROUNDS = 5
LAYERS = ["lstm", "gru", "layer-norm-lstm", "attention", "transformer"]
SIZES = {"T50_B64_C64_H100": (50, 64, 64, 100), "T200_B32_C256_H256": (200, 32, 256, 256),
         "T30_B1_C128_H128": (30, 1, 128, 128)}  # fmt: skip


def lengths_of(steps, batch, packed):
    """Equal ones, or from a quarter of the steps to all, in no order."""
    if not packed:
        return [steps] * batch
    return [steps - (i * 7919 % batch) * (3 * steps // 4) // max(1, batch - 1) for i in range(batch)]


class Worker:
    """A process that waits for its turns."""

    def __init__(self, command, threads, reads_line):
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)  # fmt: skip
        self.version = self.process.stdout.readline().strip() if reads_line else ""

    def times(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def measure(layer, size, packed, threads, seconds, realtime):
    steps, batch, channels, hidden = SIZES[size]
    lengths = ",".join(map(str, lengths_of(steps, batch, packed)))
    case = [layer, lengths, str(channels), str(hidden), str(threads)]
    here = os.path.dirname(os.path.abspath(__file__))
    workers = {
        "normkit": Worker([os.environ["NORMKIT_RECURRENT_PEER"], *case], threads, False),
        "pytorch": Worker([sys.executable, os.path.join(here, "recurrent_torch.py"), *case], threads, True),
    }
    times = {(name, what): [] for name in workers for what in ("forward", "training")}
    with RealTime(realtime, [worker.process.pid for worker in workers.values()]):
        for worker in workers.values():
            worker.times(0)
        for _ in range(ROUNDS):
            for name, worker in workers.items():
                for what, values in worker.times(seconds / ROUNDS).items():
                    times[name, what].append(statistics.median(values))
    for worker in workers.values():
        worker.end()
    medians = {f"{name} {what}": statistics.median(values) for (name, what), values in times.items()}
    return {"layer": layer, "size": size, "lengths": "uneven" if packed else "equal",
            "threads": threads, "ms": medians, "version": workers["pytorch"].version}  # fmt: skip


def to_table(rows):
    lines = [["layer", "size", "lengths", "threads", "forward ms", "PyTorch", "ratio", "training ms",
              "PyTorch", "ratio"]]  # fmt: skip
    for row in rows:
        cells = []
        for what in ("forward", "training"):
            own, peer = row["ms"][f"normkit {what}"], row["ms"][f"pytorch {what}"]
            cells += [f"{own:.3f}", f"{peer:.3f}", f"{peer / own:.2f}"]
        lines.append([row["layer"], row["size"], row["lengths"], str(row["threads"]), *cells])
    return lines


def parse_arguments():
    parser = argparse.ArgumentParser(prog="benchmarks/peers/recurrent", description=__doc__)
    parser.add_argument("--layers", nargs="+", default=LAYERS, choices=LAYERS)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    add_options(parser, "each peer and cell")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    rows = []
    for layer, size, packed, threads in itertools.product(
        arguments.layers, arguments.sizes, (False, True), arguments.threads
    ):
        if packed and SIZES[size][1] == 1:
            continue
        rows.append(measure(layer, size, packed, threads, arguments.seconds, arguments.realtime))
        keep_row(arguments, rows)
    lines = to_table(rows)
    show(arguments, f"{machine()}; PyTorch {rows[0]['version']}", lines)


if __name__ == "__main__":
    main()
