"""Modules of normkit.torch beside PyTorch's in one process, in turns; the fastest of calls."""

import argparse
import copy
import json
import os
import re
import statistics
import subprocess
import time

import modules_networks
import normkit.torch as nt
import torch

SMALL_BYTES = 64 << 10
TURN = 4  # calls


def cells():
    """(layer, shape as PyTorch has it, channels last, groups) of the project's table, each once, f32."""
    command = [os.environ["NORMKIT_PROGRAM"], "bench", "--table", "--list"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = {}
    for cell in map(json.loads, lines):
        if cell["dtype"] != "f32" or cell["op"] == "inference":
            continue
        shape, last = tuple(cell["shape"]), cell["format"] == "BSSC"
        if last:
            shape = (shape[0], shape[3], shape[1], shape[2])
        found[cell["layer"], shape, last, cell.get("num_groups", 0), cell["format"]] = None
    return list(found)


def module(library, layer, shape, groups, fmt):
    """The module that computes the cell: layer normalization of images is group normalization of one group."""
    if layer == "batch":
        name = "BatchNorm2d" if len(shape) == 4 else "BatchNorm1d"
        return getattr(library, name)(shape[1])
    if layer == "instance":
        return library.InstanceNorm2d(shape[1], affine=True)
    if layer == "group" or (layer == "layer" and len(shape) == 4):
        return library.GroupNorm(max(groups, 1), shape[1])
    if layer == "layer":
        return library.LayerNorm(shape[-1])
    return library.RMSNorm(shape[-1])


def fastest(calls, seconds):
    """Milliseconds of the fastest of each call, measured in turns: others may use the machine.

    The first call of a turn is not counted, for it finds the caches as the others left them.
    """
    for call in calls:
        call(), call()
    times = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 2 * TURN:
        for call, kept in zip(calls, times):
            call()
            for _ in range(TURN):
                begin = time.perf_counter()
                call()
                kept.append(time.perf_counter() - begin)
    return [1e3 * min(kept) for kept in times]


def step(network, x, dy):
    parameters = [p for p in network.parameters()]

    def call():
        torch.autograd.grad(network(x), [x, *parameters], dy)

    return call


def geometric_mean(values):
    return statistics.geometric_mean(values) if values else float("nan")


def table(args):
    columns = ["eager", "compiled"][: 1 + args.compiled]
    print("| module | shape | normkit ms | " + " | ".join(f"PyTorch {c} | ratio" for c in columns) + " |")
    print("|---" * (3 + 2 * len(columns)) + "|")
    ratios = {column: [] for column in columns}
    for layer, shape, last, groups, fmt in cells():
        title = f"{layer}{' channels last' if last else ''}"
        if args.only and not re.search(args.only, title):
            continue
        memory = torch.channels_last if last else torch.contiguous_format
        x = torch.randn(shape).contiguous(memory_format=memory).requires_grad_()
        dy = torch.randn(shape).contiguous(memory_format=memory)
        theirs = module(torch.nn, layer, shape, groups, fmt)
        networks = [module(nt, layer, shape, groups, fmt), theirs]
        if args.compiled:
            torch._dynamo.reset()
            networks.append(torch.compile(copy.deepcopy(theirs), dynamic=False))
        own, *others = fastest([step(n, x, dy) for n in networks], args.seconds)
        row = f"| {title} | {list(shape)} | {own:.3f} |"
        for column, other in zip(columns, others):
            row += f" {other:.3f} | {other / own:.2f} |"
            if x.numel() * 4 > SMALL_BYTES:
                ratios[column].append(other / own)
        print(row, flush=True)
    for column, found in ratios.items():
        print(f"PyTorch {column} over normkit, {len(found)} cells above 64 KB: geometric mean "
              f"{geometric_mean(found):.2f}, least {min(found, default=float('nan')):.2f}")  # fmt: skip


def microseconds(call, count=2000):
    call()
    begin = time.perf_counter()
    for _ in range(count):
        call()
    return 1e6 * (time.perf_counter() - begin) / count


def calls(args):
    """What a call costs where there is nothing to compute."""
    print("| [8,64] f32, us | without autograd | forward | forward and backward |\n|---|---|---|---|")
    x, dy = torch.randn(8, 64), torch.randn(8, 64)
    given = x.clone().requires_grad_()
    for name, arguments in [("LayerNorm", (64,)), ("RMSNorm", (64,)), ("GroupNorm", (4, 64)), ("BatchNorm1d", (64,))]:
        pair = [getattr(library, name)(*arguments) for library in (nt, torch.nn)]
        found = []
        for kind in (lambda m: (lambda: m(x)), lambda m: (lambda: m(given)), lambda m: (lambda: m(given).backward(dy))):
            with torch.set_grad_enabled(len(found) > 0):
                turns = [[microseconds(kind(m)) for m in pair] for _ in range(15)]
            found.append([min(column) for column in zip(*turns)])
        print(f"| {name} | " + " | ".join(f"{a:.1f} / {b:.1f} = {a / b:.2f}" for a, b in found) + " |", flush=True)


def networks(args):
    """Outputs, gradients and time of a step before and after replace."""
    print("| network | swapped | outputs | gradients, f64 | f32 from f64: PyTorch | normkit | the same elements through ReLUs: "
          "PyTorch | normkit | PyTorch ms | normkit ms | ratio |")  # fmt: skip
    print("|---" * 11 + "|")
    for name, build in modules_networks.NETWORKS.items():
        c = modules_networks.compare(build)
        theirs, own = fastest(c.steps, args.seconds * 4)
        errors = (c.output, c.gradient, c.theirs_from_f64, c.own_from_f64, c.theirs_alike, c.own_alike)
        print(f"| {name} | {c.swapped} | {' | '.join(f'{e:.1e}' for e in errors)} | "
              f"{theirs:.1f} | {own:.1f} | {theirs / own:.2f} |", flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help="a pattern of titles")
    parser.add_argument("--seconds", type=float, default=1.0, help="a cell")
    parser.add_argument("--compiled", action="store_true", help="PyTorch compiled as well: seconds a cell more")
    parser.add_argument("--parts", nargs="+", default=["calls", "table", "networks"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for part in args.parts:
        {"calls": calls, "table": table, "networks": networks}[part](args)


if __name__ == "__main__":
    main()
