"""See search. Runs by itself, too, where NORMKIT_LIBRARY says which library and --peers none."""

import argparse
import itertools
import json
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples"))
from ctypes_numpy import Normalization, lib  # noqa: E402  the wrapper that examples/ shows

EPSILON = 1e-5
OUTPUTS = ("y", "mean", "rstd", "dx", "dgamma", "dbeta")

# Name: (format, shape from the number of statistics' parts and the length of runs, reduced axes).
LAYERS = {
    "batch BCS": ("BCS", lambda n, run: (32, n, run), (0, 2)),
    "batch BSC": ("BSC", lambda n, run: (32, run, n), (0, 1)),
    "batch BC": ("BC", lambda n, run: (16 * run, n), (0,)),
    "instance BCS": ("BCS", lambda n, run: (4, n, 8 * run), (2,)),
    "instance BSC": ("BSC", lambda n, run: (4, 8 * run, n), (1,)),
    "layer BC": ("BC", lambda n, run: (n, 16 * run), (1,)),
    "layer BCS": ("BCS", lambda n, run: (n, 16, run), (1, 2)),
    "group BCS": ("BCS", lambda n, run: (n, 8, run), None),
    "group BSC": ("BSC", lambda n, run: (n, run, 8), None),
    "rms BC": ("BC", lambda n, run: (n, 16 * run), (1,)),
    "rms BCS": ("BCS", lambda n, run: (n, 16, run), (1,)),
}
GROUPS = 4


def normal(rng, shape):
    return rng.standard_normal(shape)


KINDS = {  # of x and dy; those of x with an offset have none of dy and the other way round
    "normal": lambda rng, shape: (normal(rng, shape), normal(rng, shape)),
    "behind a ReLU": lambda rng, shape: (np.maximum(normal(rng, shape), 0), normal(rng, shape)),
    "heavy tails": lambda rng, shape: (normal(rng, shape) ** 3, normal(rng, shape) ** 3),
    "trend": lambda rng, shape: (
        np.linspace(0, 1e4, int(np.prod(shape))).reshape(shape) + normal(rng, shape),
        normal(rng, shape),
    ),
    "outlier": lambda rng, shape: (outlier(rng, shape), outlier(rng, shape)),
    "x + 10^4": lambda rng, shape: (1e4 + normal(rng, shape), normal(rng, shape)),
    "x + 10^6": lambda rng, shape: (1e6 + normal(rng, shape), normal(rng, shape)),
    "dy + 100": lambda rng, shape: (normal(rng, shape), 100 + normal(rng, shape)),
    "dy + 10^4": lambda rng, shape: (normal(rng, shape), 1e4 + normal(rng, shape)),
}


def outlier(rng, shape):
    values = normal(rng, shape)
    values.flat[0] = 1e6
    return values


class Exact:
    """Everything in long double, and the bounds of docs/numerics.md."""

    def __init__(self, case, x, dy, gamma, beta):
        wide = np.longdouble if case.dtype == np.float64 else np.float64
        self.case = case
        f64 = case.dtype == np.float64
        u = 2.0**-53 if f64 else 2.0**-24
        most = (8 if f64 else 4) * u
        x, dy = (case.split(a).astype(wide) for a in (x, dy))
        gamma, beta = (case.split_parameters(a).astype(wide) for a in (gamma, beta))
        axes = case.reduced
        over = {"axis": axes, "keepdims": True}
        mean = x.mean(**over) if case.center else np.zeros((1,) * x.ndim, wide)
        variance = ((x - mean) ** 2).mean(**over)
        rstd = 1 / np.sqrt(variance + EPSILON)
        xhat = (x - mean) * rstd
        w = gamma * dy
        mean_w = w.mean(**over) if case.center else 0 * rstd
        mean_w_xhat = (w * xhat).mean(**over)
        self.values = {
            "y": gamma * xhat + (0 if case.name == "rms" else beta),
            "mean": mean,
            "rstd": rstd,
            "dx": rstd * (w - mean_w - xhat * mean_w_xhat),
            "dgamma": case.sum_parameters(dy * xhat),
            "dbeta": case.sum_parameters(dy),
        }
        of_mean = abs(mean) * rstd if f64 else 0 * rstd
        s = (1 + abs(xhat)) * (1 + of_mean)
        # A part that all dy of a statistic have in common does not show.
        mean_dy = dy.mean(**over)
        hidden = (abs(mean_dy) > 30 * dy.std(**over)) & (case.one_parameter and not f64)
        v = abs(np.where(hidden, w - mean_w, w))
        d = abs(np.where(hidden, dy - mean_dy, dy))
        self.bounds = {
            "y": most * (abs(gamma) * (1 + abs(xhat) + of_mean) + abs(beta)),
            # Of y, what an error of the mean or of rstd moves: a part of its bound.
            "mean": most * (1 + of_mean) / rstd,
            "rstd": most * (1 + of_mean) * rstd,
            "dx": most * rstd * (v + v.mean(**over) + s * (v * s).mean(**over)),
            "dgamma": most * case.sum_parameters(d * s),
            "dbeta": most * case.sum_parameters(d) + u * abs(self.values["dbeta"]),
        }

    def share(self, name, got):
        """The largest error of `got` as a share of the bound."""
        exact, bound = self.values[name], self.bounds[name]
        if np.asarray(got).size == exact.size:
            got = np.asarray(got).reshape(exact.shape)
        else:
            got = self.case.split(got)
        error = abs(got - exact)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(error == 0, 0, error / bound)
        return float(np.nan_to_num(share, nan=np.inf).max())


class Case:
    def __init__(self, layer, run, dtype, elements):
        self.layer, self.run, self.dtype = layer, run, np.dtype(dtype)
        self.name, self.format = layer.split()
        make = LAYERS[layer][1]
        self.shape = make(max(2, elements // int(np.prod(make(1, run)))), run)
        self.group = self.name == "group"
        self.channel = self.format.index("C")
        self.center = self.name != "rms"
        channels = self.shape[self.channel]
        self.inner = (GROUPS, channels // GROUPS) if self.group else (channels,)
        # With the channels split: B, ..., G, C, ...
        if self.group:
            kept = {0, self.channel}
            self.reduced = tuple(i for i in range(len(self.shape) + 1) if i not in kept)
        else:
            self.reduced = LAYERS[layer][2]
        self.one_parameter = self.center and self.channel not in self.reduced and not self.group
        self.parameters = channels

    def split(self, array):
        shape = self.shape[: self.channel] + self.inner + self.shape[self.channel + 1 :]
        return np.asarray(array).reshape(shape)

    def split_parameters(self, array):
        shape = [1] * self.channel + list(self.inner) + [1] * (len(self.shape) - self.channel - 1)
        return array.reshape(shape)

    def sum_parameters(self, array):
        channels = range(self.channel, self.channel + len(self.inner))
        axes = tuple(i for i in range(array.ndim) if i not in channels)
        return array.sum(axis=axes).reshape(-1)

    def data(self, seed, kind):
        rng = np.random.default_rng([seed, self.run, list(KINDS).index(kind)])
        x, dy = (a.astype(self.dtype) for a in KINDS[kind](rng, self.shape))
        gamma = rng.normal(1, 0.5, self.parameters).astype(self.dtype)
        beta = rng.normal(0, 1, self.parameters).astype(self.dtype)
        return x, dy, gamma, beta


def normkit(case, x, dy, gamma, beta):
    groups = {"num_groups": GROUPS} if case.group else {}
    norm = Normalization(case.name, case.format, case.shape, case.dtype, epsilon=EPSILON, **groups)
    y = norm.forward(x, gamma, None if case.name == "rms" else beta)
    got = dict(zip(("dx", "dgamma", "dbeta"), norm.backward(x, dy, gamma)))
    got = {"y": y, "mean": norm.mean, "rstd": norm.rstd, **got}
    if case.name == "rms":
        del got["mean"], got["dbeta"]
    return got


def torch_results(case, x, dy, gamma, beta):
    """PyTorch's; channels moved to where it wants them, which its kernels do not see."""
    import torch
    from torch.nn import functional as F

    t = [torch.from_numpy(a.copy()) for a in (x, gamma, beta)]
    for a in t:
        a.requires_grad_(True)
    tx, tg, tb = t
    first = tx.movedim(case.channel, 1) if case.name != "layer" else tx
    if case.name == "batch":
        y = F.batch_norm(first, None, None, tg, tb, True, 0, EPSILON)
    elif case.name == "instance":
        y = F.instance_norm(first, None, None, tg, tb, True, 0, EPSILON)
    elif case.name == "group":
        y = F.group_norm(first, GROUPS, tg, tb, EPSILON)
    elif case.layer == "layer BC":
        y = F.layer_norm(tx, (case.shape[1],), tg, tb, EPSILON)
    elif case.layer == "rms BC":
        y = F.rms_norm(tx, (case.shape[1],), tg, EPSILON)
    else:
        return {}
    if case.name != "layer":
        y = y.movedim(1, case.channel)
    inputs = [tx, tg] if case.name == "rms" else [tx, tg, tb]
    gradients = torch.autograd.grad(y, inputs, torch.from_numpy(dy))
    return {"y": y.detach().numpy(), **{n: g.numpy() for n, g in zip(("dx", "dgamma", "dbeta"), gradients)}}


def search(arguments):
    """One dictionary a case and kind of data; forever, or for as long or as often as was asked."""
    end = time.monotonic() + arguments.seconds if arguments.seconds else np.inf
    for round_number in itertools.count():
        if round_number == arguments.rounds:
            return
        for dtype, run, layer, kind in itertools.product(
            arguments.dtypes, arguments.runs, arguments.layers, KINDS
        ):
            if time.monotonic() > end:
                return
            case, seed = Case(layer, run, dtype, arguments.elements), arguments.seed + round_number
            data = case.data(seed, kind)
            exact = Exact(case, *data)
            results = {"normkit": normkit(case, *data)}
            if "torch" in arguments.peers:
                results["torch"] = torch_results(case, *data)
            shares = {
                who: {name: exact.share(name, got[name]) for name in OUTPUTS if name in got}
                for who, got in results.items()
            }
            yield {"layer": layer, "shape": case.shape, "dtype": dtype, "run": run, "data": kind,
                   "seed": seed, "shares": shares}  # fmt: skip


def table(found, column):
    """The largest shares by `column` (layer, data, run): normkit's, then PyTorch's."""
    worst = {}
    for line in found:
        for who, shares in line["shares"].items():
            row = worst.setdefault((line["dtype"], line[column]), {}).setdefault(who, {})
            for name, share in shares.items():
                row[name] = max(row.get(name, 0), share)

    def text(row, name):
        return f"{row[name]:.3g}" if name in row else ""

    lines = [f"| dtype | {column} | " + " | ".join(f"{n} | PyTorch" for n in OUTPUTS) + " |"]
    lines.append("|" + "---|" * (2 + 2 * len(OUTPUTS)))
    for (dtype, value), row in worst.items():
        own, theirs = row["normkit"], row.get("torch", {})
        cells = [f"{text(own, n)} | {text(theirs, n)}" for n in OUTPUTS]
        lines.append(f"| {dtype} | {value} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="benchmarks/peers/search",
        description="The largest errors found, as shares of the bounds of docs/numerics.md: layers, runs and "
        "kinds of data in turn, about half a million elements each.",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first round (default 1)")
    parser.add_argument("--seconds", type=float, help="how long to search (default: rounds)")
    parser.add_argument("--rounds", type=int, help="how often, each with the next seed (default 1)")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"],
                        choices=["float32", "float64"], help="(default both)")  # fmt: skip
    parser.add_argument("--runs", nargs="+", type=int, default=[1, 2, 3, 5, 8, 16, 31, 64],
                        help="lengths (default 1 2 3 5 8 16 31 64)")  # fmt: skip
    parser.add_argument("--elements", type=int, default=1 << 19, help="of x, about (default 524288)")
    parser.add_argument("--layers", nargs="+", default=list(LAYERS), choices=list(LAYERS))
    parser.add_argument("--peers", nargs="+", default=["torch"], choices=["torch", "none"])
    parser.add_argument("--json", metavar="FILE", help="a JSON line a case")
    arguments = parser.parse_args()
    if arguments.seconds is None and arguments.rounds is None:
        arguments.rounds = 1
    return arguments


def main():
    arguments = parse_arguments()
    lib.normkit_set_num_threads(0)
    found = []
    with open(arguments.json or "/dev/null", "w") as lines:
        for line in search(arguments):
            found.append(line)
            print(json.dumps(line), file=lines, flush=True)
            for name, share in line["shares"]["normkit"].items():
                if share > 1:
                    print(f"{line['layer']} {line['dtype']} {line['shape']}, {line['data']}, seed "
                          f"{line['seed']}: {name} is off by {share:.2f} of its bound")  # fmt: skip
    for column in ("layer", "data", "run"):
        print(f"\n{table(found, column)}")


if __name__ == "__main__":
    main()
