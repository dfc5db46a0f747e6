"""What a network learns with the defaults: normkit's beside PyTorch's own, the same network, data,
mini-batches and epochs, over several seeds. One table of the validation accuracy."""

import argparse
import collections
import io
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np

import defaults_torch
from report import to_markdown, to_text

HERE = pathlib.Path(__file__).resolve().parent
NORMS = ["none", "batch", "layer", "instance", "group:8", "rms"]
FRACTION = 0.15  # held out, as normkit train does

Part = collections.namedtuple("Part", "pixels labels classes")


def build_reader(folder):
    """The program that reads data as normkit does."""
    root, build = HERE.parents[1], pathlib.Path(os.environ["NORMKIT_LIBRARY"]).parents[1]
    program = folder / "pixels"
    command = ["g++", "-std=c++20", "-O1", f"-I{root}/include", f"-I{build}/include",
               HERE / "pixels.cc", "-o", program, os.environ["NORMKIT_LIBRARY"],
               f"-Wl,-rpath,{build}/lib"]  # fmt: skip
    subprocess.run(command, check=True)
    return program


def read(reader, source, seed):
    """(to train on, to validate on): what normkit train takes with this seed."""
    command = [reader, source, str(FRACTION), str(seed)]
    file = io.BytesIO(subprocess.run(command, check=True, capture_output=True).stdout)

    def take(dtype, count):
        return np.frombuffer(file.read(count * np.dtype(dtype).itemsize), dtype).copy()

    def part():
        *shape, classes = map(int, take(np.int64, 5))
        labels = take(np.int64, shape[0])
        return Part(take(np.float32, int(np.prod(shape))).reshape(shape), labels, classes)

    return part(), part()


def normkit(network, norm, source, batch, epochs, seed, extra, folder):
    command = [os.environ["NORMKIT_PROGRAM"], "train", "--data", source, "--network", network, "--norm",
               norm, "--mini-batch-size", batch, "--max-epochs", epochs, "--seed", seed,
               "--validation-fraction", FRACTION, "--threads", 1, "--json", "--output",
               tempfile.mkdtemp(dir=folder), *extra]  # fmt: skip
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout)
    return result["validation_accuracy"], result["validation_loss"]


def measure(arguments, folder, done):
    """A dictionary a run, as it ends; none of those that are done."""
    reader = build_reader(folder)
    for source, seed in itertools.product(arguments.data, range(1, arguments.seeds + 1)):
        data = read(reader, source, seed)
        for network, norm in itertools.product(arguments.networks, arguments.norms):
            case, sizes = (network, norm), (arguments.batch, arguments.epochs, seed)
            for peer in arguments.peers:
                facts = {"data": source, "network": network, "norm": norm, "seed": seed, "peer": peer}
                if any(facts.items() <= run.items() for run in done):
                    continue
                if peer == "normkit":
                    result = normkit(*case, source, *sizes, arguments.options, folder)
                else:
                    result = defaults_torch.train(*case, data, *sizes)
                yield {**facts, **dict(zip(("accuracy", "loss"), result))}


def mean_and_error(values):
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0
    return statistics.mean(values), error


def to_table(runs):
    """A line a case: both means, and normkit's lead with its standard error over the seeds."""
    cases = {}
    for run in runs:
        key = run["data"], run["network"], run["norm"]
        cases.setdefault(key, {}).setdefault(run["peer"], {})[run["seed"]] = run["accuracy"]
    lines = [["data", "network", "norm", "seeds", "normkit", "PyTorch", "lead"]]
    for key, peers in cases.items():
        own, theirs = peers.get("normkit", {}), peers.get("torch", {})
        both = own.keys() & theirs.keys()
        lead = mean_and_error([own[seed] - theirs[seed] for seed in both]) if both else None
        lines.append(
            [pathlib.PurePath(key[0]).name, *key[1:], str(len(own.keys() | theirs.keys()))]
            + ["{:.2f} ± {:.2f}".format(*mean_and_error(list(p.values()))) if p else ""
               for p in (own, theirs)]
            + ["{:+.2f} ± {:.2f}".format(*lead) if lead else ""]
        )  # fmt: skip
    return lines


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="benchmarks/peers/defaults",
        description="Validation accuracy in percent, mean and standard error over the seeds, of networks "
        "trained with the defaults of normkit train and with PyTorch's own: its layers' initialization, "
        "Adam with a rate of 1e-3. Each network sees the same data with the same seed in both.",
    )
    parser.add_argument("--data", nargs="+", default=["digits:2000"], metavar="SOURCE",
                        help="as in normkit train (default digits:2000)")  # fmt: skip
    parser.add_argument("--networks", nargs="+", default=["small-cnn"],
                        choices=["small-cnn", "resnet-tiny"], help="(default small-cnn)")  # fmt: skip
    parser.add_argument("--norms", nargs="+", default=NORMS, metavar="NORM",
                        help=f"(default {' '.join(NORMS)})")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=8, help="1 to this (default 8)")
    parser.add_argument("--epochs", type=int, default=10, help="(default 10)")
    parser.add_argument("--batch", type=int, default=64, help="(default 64)")
    parser.add_argument("--peers", nargs="+", default=["normkit", "torch"], choices=["normkit", "torch"],
                        help="(default both)")  # fmt: skip
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[],
                        help="further options of normkit train; last")  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="a JSON line a run, appended; those that stand "
                        "there already are not repeated")  # fmt: skip
    parser.add_argument("--md", metavar="FILE", help="the table as Markdown")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    runs = []
    if arguments.json and os.path.exists(arguments.json):
        with open(arguments.json) as file:
            runs = [json.loads(line) for line in file]
    with tempfile.TemporaryDirectory() as folder:
        for run in measure(arguments, pathlib.Path(folder), list(runs)):
            runs.append(run)
            print("{data} {network} {norm} seed {seed} {peer}: {accuracy:.2f} %".format(**run),
                  file=sys.stderr)  # fmt: skip
            if arguments.json:
                with open(arguments.json, "a") as file:
                    file.write(json.dumps(run) + "\n")
    lines = to_table(runs)
    print(to_text(lines))
    if arguments.md:
        with open(arguments.md, "w") as file:
            file.write(to_markdown(lines))


if __name__ == "__main__":
    main()
