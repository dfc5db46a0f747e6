"""Measures normkit and its peers on the same arrays and prints one table of ratios."""

import argparse
import json
import math
import os
import re
import statistics
import sys
import time

import numpy as np

from cells import Arrays, all_cells
from peer_native import Ggml, NormKit, OneDnn
from peer_onnx import OnnxRuntime, OpenVino
from peer_torch import PyTorch
from report import RealTime, machine, to_markdown, to_text

try:
    from peer_jax import Jax
except ImportError:
    Jax = None

ROUNDS = 3  # every peer is measured this many times in turn, against a machine that changes
HOT_CALLS = 50  # calls of a hot cell that are timed together
# Threads of the peer before may still be spinning for work.
PAUSE = 0.05


def peers_by_name():
    peers = [NormKit(), PyTorch(compiled=False), PyTorch(compiled=True), OnnxRuntime(), OpenVino(),
             OneDnn()]  # fmt: skip
    peers += [Jax()] if Jax else []
    peers += [Ggml()] if "NORMKIT_GGML_PEER" in os.environ else []
    return {peer.name: peer for peer in peers}


def other_builds(pairs, taken):
    """normkit of other sources (NAME=FOLDER): beside it, and no peers."""
    builds = {}
    for pair in pairs:
        name, _, folder = pair.partition("=")
        if not name or not folder or name in taken or name in builds:
            sys.exit(f"--builds is '{pair}', expected NAME=FOLDER with a name of its own, as before=../before")
        try:
            builds[name] = NormKit.of_sources(name, folder)
        except OSError as error:
            sys.exit(f"--builds: {error}")
    return builds


def times_of(calls, cell, seconds):
    """Milliseconds of single calls, over at least `seconds` and three calls."""
    calls[0](), calls[1 % len(calls)]()
    times = []
    together = HOT_CALLS if cell.hot else 1
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        call = calls[len(times) % len(calls)]
        start = time.perf_counter()
        for _ in range(together):
            call()
        times.append((time.perf_counter() - start) * 1e3 / together)
    return times


def prepare(peer, cell, arrays, exact):
    """The peer's calls; None where it has none, or where they do not do what normkit does."""
    try:
        prepared = peer.prepare(cell, arrays)
        if prepared is None:
            return None
        calls, result = prepared
        arrays.y[0].fill(np.nan)  # not what normkit left there
        calls[0]()
    except Exception as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        print(f"{peer.name}: {cell}: {line[:200]}", file=sys.stderr)
        return None
    got = (result() if result else arrays.y[0]).astype(np.float32).reshape(-1)
    if exact is not None:
        tolerance = 1e-3 if cell.dtype == "f32" else 0.1
        error = float(np.max(abs(got - exact) / (1 + abs(exact))))
        if not error < tolerance:
            print(f"{peer.name}: {cell}: off by {error:.2g}, left out", file=sys.stderr)
            return None
    return calls


def measure_cell(peers, builds, cell, threads, seconds, realtime):
    """A row: milliseconds by peer, and the streaming bandwidth beside them."""
    normkit, peers = peers["normkit"], peers | builds
    for peer in peers.values():
        peer.set_threads(threads)
    with realtime:
        arrays = Arrays(cell)
        before = normkit.streaming_bandwidth(threads)
    calls, _ = normkit.prepare(cell, arrays)
    calls[0]()
    exact = arrays.y[0].astype(np.float32).reshape(-1)
    prepared = {"normkit": calls}
    for name, peer in peers.items():
        if name == "normkit":
            continue
        calls = prepare(peer, cell, arrays, exact)
        if calls is not None:
            prepared[name] = calls
    times = {name: [] for name in prepared}
    with realtime:
        for _ in range(ROUNDS):
            for name, calls in prepared.items():
                peers[name].set_threads(threads)
                time.sleep(PAUSE)
                times[name] += times_of(calls, cell, seconds / ROUNDS)
        after = normkit.streaming_bandwidth(threads)
    return {
        "cell": str(cell),
        "op": cell.op,
        "layer": cell.layer,
        "shape": cell.shape,
        "format": cell.format,
        "dtype": cell.dtype,
        "hot": cell.hot,
        "threads": threads,
        "bytes": cell.bytes,
        "limit_gbps": max(before, after),
        "builds": list(builds),
        "ms": {name: statistics.median(values) for name, values in times.items()},
    }


def fraction(row, name):
    """Of the streaming bandwidth."""
    return row["bytes"] / row["ms"][name] / 1e6 / row["limit_gbps"]


def best_peer(row):
    others = {name: ms for name, ms in row["ms"].items() if name not in ("normkit", *row["builds"])}
    return min(others, key=others.get) if others else None


def to_table(rows, names):
    """Rows of text: the fraction of the limit normkit reaches, then how many times its time each peer
    takes."""
    others = [name for name in names if name != "normkit"]
    header = ["cell", "threads", "limit GB/s", "normkit ms", "of limit", *others, "best peer"]
    lines = [header]
    for row in rows:
        own = row["ms"]["normkit"]
        ratios = [f"{row['ms'][n] / own:.2f}" if n in row["ms"] else "-" for n in others]
        best = best_peer(row)
        lines.append(
            [row["cell"], str(row["threads"]), f"{row['limit_gbps']:.1f}", f"{own:.4g}"]
            + [f"{fraction(row, 'normkit'):.2f}", *ratios]
            + [f"{row['ms'][best] / own:.2f} ({best})" if best else "-"]
        )
    return lines


def ratios_of(rows, over, under):
    """Times of over(row)'s by those of under(row)'s, by cell, where both were measured."""
    pairs = [(row, over(row), under(row)) for row in rows]
    return {f"{row['cell']}, {row['threads']} threads": row["ms"][a] / row["ms"][b]
            for row, a, b in pairs if a in row["ms"] and b in row["ms"]}  # fmt: skip


def geometric_mean(ratios):
    return math.exp(statistics.fmean(map(math.log, ratios.values())))


def summary(rows):
    """The geometric mean of the best peer's time over normkit's, and the cells that are behind; the same of other builds of
    normkit, and their times over normkit's."""
    ratios = ratios_of(rows, best_peer, lambda row: "normkit")
    text = ""
    if ratios:
        behind = [f"{cell} ({ratio:.2f})" for cell, ratio in ratios.items() if ratio < 1]
        text = f"{len(ratios)} cells: the best peer of each takes {geometric_mean(ratios):.2f} times as long as normkit "
        text += f"(geometric mean). Peers are ahead in {len(behind)}"
        text += (": " + ", ".join(behind) if behind else "") + "."
    for name in rows[0]["builds"]:
        times = ratios_of(rows, lambda row: name, lambda row: "normkit")
        if not times:
            text += f"\n\n{name}: measured in no cell."
            continue
        text += f"\n\n{name}: {geometric_mean(times):.2f} times normkit's time in {len(times)} cells"
        slower = [f"{cell} ({ratio:.2f})" for cell, ratio in times.items() if ratio < 0.97]
        text += f"; faster by more than 3 % in {len(slower)}" + (": " + ", ".join(slower) if slower else "") + "."
        ratios = ratios_of(rows, best_peer, lambda row: name)
        if ratios:
            behind = sum(ratio < 1 for ratio in ratios.values())
            text += f" The best peer took {geometric_mean(ratios):.2f} times as long as it, and was ahead in {behind}."
    return text.lstrip()


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="benchmarks/peers/run",
        description="normkit, PyTorch, ONNX Runtime, OpenVINO, oneDNN, JAX and ggml on the same "
        "arrays: one table of ratios.",
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="(default 1 2)")
    parser.add_argument("--only", default="", metavar="REGEX",
                        help="cells whose name matches, as '^layer .* f32'")  # fmt: skip
    parser.add_argument("--short", dest="table", action="store_const", const="--short", default="--table",
                        help="the table of short runs, short statistics and small work instead")  # fmt: skip
    parser.add_argument("--unusual", dest="table", action="store_const", const="--unusual",
                        help="the table of unusual widths, volumes, large maps and few channels instead")  # fmt: skip
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="these instead of all")
    parser.add_argument("--builds", nargs="+", default=[], metavar="NAME=FOLDER",
                        help="normkit of other sources, built in their build/release, in the same run")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=0.6,
                        help="of every peer and cell (default 0.6)")  # fmt: skip
    parser.add_argument("--realtime", action="store_true",
                        help="go before other work of the machine while measuring (as root)")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="print the names of the cells")
    parser.add_argument("--json", metavar="FILE", help="a JSON line a cell, as measured")
    parser.add_argument("--md", metavar="FILE", help="the table as Markdown")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    cells = [cell for cell in all_cells(arguments.table) if re.search(arguments.only, str(cell))]
    if arguments.list:
        print("\n".join(map(str, cells)))
        return
    if not cells:
        sys.exit(f"no cell matches '{arguments.only}' (see --list)")
    peers = peers_by_name()
    for name in arguments.peers or []:
        if name not in peers:
            sys.exit(f"no peer is called '{name}', expected some of {', '.join(peers)}")
    if arguments.peers:
        peers = {n: p for n, p in peers.items() if n == "normkit" or n in arguments.peers}
    builds = other_builds(arguments.builds, peers)
    versions = ", ".join(f"{peer.name} {peer.version()}" for peer in (peers | builds).values())
    print(machine(), versions, sep="\n", file=sys.stderr)
    realtime = RealTime(arguments.realtime)
    rows = []
    total = len(cells) * len(arguments.threads)
    for threads in arguments.threads:
        for cell in cells:
            if sys.stderr.isatty():
                print(f"\r\033[K{len(rows) + 1}/{total} {cell}", end="", file=sys.stderr, flush=True)
            rows.append(measure_cell(peers, builds, cell, threads, arguments.seconds, realtime))
            if arguments.json:
                with open(arguments.json, "a" if len(rows) > 1 else "w") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    lines = to_table(rows, peers | builds)
    print(to_text(lines))
    print(summary(rows))
    if arguments.md:
        with open(arguments.md, "w") as file:
            file.write(f"{machine()}; {versions}.\n\n{to_markdown(lines)}\n{summary(rows)}\n")


if __name__ == "__main__":
    main()
