"""Training steps of whole networks: normkit beside PyTorch at each of its settings, with the same
network, batch and threads, in turns. One table of milliseconds, ratios and peak memory."""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys

from report import RealTime, add_options, keep_row, machine, show
from training_networks import CLASSES, DEPTH, NETWORKS, SETTINGS

ROUNDS = 3  # every peer is measured this many times in turn, against a machine that changes


def untuned():
    """The environment without what tunes PyTorch's allocator."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "THP_"))}


class Torch:
    """A process that waits for its turns."""

    def __init__(self, network, setting, batch, threads, tuned):
        environment = {**(os.environ if tuned else untuned()), "OMP_NUM_THREADS": str(threads)}
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "training_torch.py")
        self.process = subprocess.Popen(
            [sys.executable, script, network, setting, str(batch), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        self.facts = json.loads(self.process.stdout.readline())

    def times(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def normkit(network, batch, threads, seconds):
    size = ",".join(map(str, NETWORKS[network]))
    unet, depth = network.startswith("unet"), DEPTH if network.endswith("-3d") else 0
    command = [os.environ["NORMKIT_PROGRAM"], "bench", "--network", network.removesuffix("-3d"), "--input", size,
               "--norm", "instance" if unet else "batch", "--depth", str(depth), "--mini-batch-size", str(batch), "--classes", str(CLASSES), "--threads", str(threads), "--seconds",
               str(seconds), "--json"]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=untuned())
    return json.loads(done.stdout)


def least_memory(network, setting, batch, threads):
    """Peak bytes where glibc's allocator works as it comes, and gives memory back. Fills the caches of
    compilers, too."""
    worker = Torch(network, setting, batch, threads, tuned=False)
    worker.end()
    return worker.facts["peak_bytes"]


def take_turns(network, batch, threads, workers, seconds, realtime):
    """Milliseconds by name, and what normkit says of its last turn."""
    times = {name: [] for name in ("normkit", *workers)}
    with RealTime(realtime, [worker.process.pid for worker in workers.values()]):
        for _ in range(ROUNDS):
            own = normkit(network, batch, threads, seconds / ROUNDS)
            times["normkit"].append(own["step_ms"])
            for name, worker in workers.items():
                times[name].append(statistics.median(worker.times(seconds / ROUNDS)))
    return {name: statistics.median(values) for name, values in times.items()}, own


def measure(network, batch, threads, seconds, settings, realtime):
    """A row: milliseconds and peak bytes by name."""
    case = (network, batch, threads)
    peaks = {name: least_memory(network, name, batch, threads) for name in settings}
    workers = {name: Torch(network, name, batch, threads, tuned=True) for name in settings}
    ms, own = take_turns(*case, workers, seconds, realtime)
    for name, worker in workers.items():
        worker.end()
        if worker.facts["learnables"] != own["learnables"]:
            sys.exit(f"{network}: PyTorch's has {worker.facts['learnables']} learnables, normkit's "
                     f"{own['learnables']}: not the same network")  # fmt: skip
        peaks[name] = min(peaks[name], worker.facts["peak_bytes"])
    return {
        **dict(zip(("network", "batch", "threads"), case)),
        "ms": ms,
        "peak_bytes": {"normkit": own["peak_bytes"], **peaks},
        "arena_bytes": own["arena_bytes"],
        "version": next(iter(workers.values())).facts["version"],
    }


def to_table(rows, settings):
    lines = [["network", "batch", "threads", "normkit ms", *(f"{s} ms" for s in settings), "best",
              "normkit MB", *(f"{s} MB" for s in settings), "of the best's", "of the least"]]  # fmt: skip
    for row in rows:
        ms, peak = row["ms"], row["peak_bytes"]
        best = min(settings, key=ms.get)
        least = min(settings, key=peak.get)
        lines.append(
            [row["network"], str(row["batch"]), str(row["threads"]), f"{ms['normkit']:.2f}"]
            + [f"{ms[s]:.2f}" for s in settings]
            + [f"{ms[best] / ms['normkit']:.2f} ({best})", f"{peak['normkit'] / 1e6:.0f}"]
            + [f"{peak[s] / 1e6:.0f}" for s in settings]
            + [f"{peak['normkit'] / peak[s]:.2f}" for s in (best, least)]
        )
    return lines


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="benchmarks/peers/training",
        description="A training step (forward, cross-entropy, backward, update) in normkit and "
        "PyTorch: milliseconds, and peak memory (normkit: of the whole process; PyTorch: over what "
        "it has after import).",
    )
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS),
                        metavar="NAME", help=f"of PyTorch: {', '.join(SETTINGS)} (default all)")  # fmt: skip
    parser.add_argument("--batch", type=int, nargs="+", default=[64], help="(default 64)")
    add_options(parser, "every setting")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    rows = []
    for network, batch, threads in itertools.product(
        arguments.networks, arguments.batch, arguments.threads
    ):
        row = measure(
            network, batch, threads, arguments.seconds, arguments.settings, arguments.realtime
        )
        rows.append(row)
        keep_row(arguments, rows)
    lines = to_table(rows, arguments.settings)
    show(arguments, f"{machine()}; PyTorch {rows[0]['version']}", lines)


if __name__ == "__main__":
    main()
