"""See search. Runs by itself, too, where NORMKIT_LIBRARY says which library and --peers none."""

import argparse
import itertools
import json
import pathlib
import sys
import time

import ml_dtypes
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples"))
from ctypes_numpy import Normalization, lib  # noqa: E402  the wrapper that examples/ shows

EPSILON = 1e-5
OUTPUTS = ("y", "mean", "rstd", "dx", "dgamma", "dbeta")
DTYPES = {"float32": np.float32, "float64": np.float64, "bfloat16": ml_dtypes.bfloat16,
          "float16": np.float16}  # fmt: skip
GROUPS = 4

# What the rows of the table of normalizations reduce; "c": the channels of a group.
REDUCES = {"batch": "BTS", "layer": "CTS", "layer/channel-only": "C", "layer/spatial-channel": "CS",
           "instance": "TS", "group": "cTS", "rms": "C", "group-rms": "cTS", "l2": "C", "scale": "C",
           "mean-only": "C"}  # fmt: skip
NOT_CENTERED = ("rms", "group-rms", "l2", "scale")

# "Row format": the shape from the number of statistics' parts and the length of runs.
LAYERS = {
    "batch BCS": lambda n, run: (32, n, run),
    "batch BCSS": lambda n, run: (16, n, 2, run),
    "batch BSC": lambda n, run: (32, run, n),
    "batch BTC": lambda n, run: (8, 4 * run, n),
    "batch BC": lambda n, run: (16 * run, n),
    "instance BCS": lambda n, run: (4, n, 8 * run),
    "instance BCSS": lambda n, run: (4, n, 8, run),
    "instance BSC": lambda n, run: (4, 8 * run, n),
    "layer BC": lambda n, run: (n, 16 * run),
    "layer BCS": lambda n, run: (n, 16, run),
    "layer BTC": lambda n, run: (n, 8, 2 * run),
    "layer/channel-only BTC": lambda n, run: (4, n, 16 * run),
    "layer/channel-only BCSS": lambda n, run: (n, 16, 2, run),
    "layer/spatial-channel BCSS": lambda n, run: (n, 8, 2, run),
    "layer/spatial-channel BTC": lambda n, run: (4, n, 16 * run),
    "group BCS": lambda n, run: (n, 8, run),
    "group BCSS": lambda n, run: (n, 8, 2, run),
    "group BSC": lambda n, run: (n, run, 8),
    "group BTC": lambda n, run: (n, run, 16),
    "group-rms BCS": lambda n, run: (n, 8, run),
    "group-rms BSC": lambda n, run: (n, run, 8),
    "rms BC": lambda n, run: (n, 16 * run),
    "rms BCS": lambda n, run: (n, 16, run),
    "rms BTC": lambda n, run: (4, n, 16 * run),
    "l2 BC": lambda n, run: (n, 16 * run),
    "l2 BCS": lambda n, run: (n, 16, run),
    "scale BC": lambda n, run: (n, 16 * run),
    "scale BTC": lambda n, run: (4, n, 16 * run),
    "mean-only BC": lambda n, run: (n, 16 * run),
    "mean-only BCS": lambda n, run: (n, 16, run),
}


def normal(rng, shape):
    return rng.standard_normal(shape)


KINDS = {  # of x and dy; those of x with an offset have none of dy and the other way round
    "normal": lambda rng, shape: (normal(rng, shape), normal(rng, shape)),
    "behind a ReLU": lambda rng, shape: (np.maximum(normal(rng, shape), 0), normal(rng, shape)),
    "dy behind a ReLU": lambda rng, shape: (normal(rng, shape), np.maximum(normal(rng, shape), 0)),
    "heavy tails": lambda rng, shape: (normal(rng, shape) ** 3, normal(rng, shape) ** 3),
    "trend": lambda rng, shape: (
        np.linspace(0, 1e4, int(np.prod(shape))).reshape(shape) + normal(rng, shape),
        normal(rng, shape),
    ),
    "outlier": lambda rng, shape: (outlier(rng, shape), outlier(rng, shape)),
    "x + 100": lambda rng, shape: (100 + normal(rng, shape), normal(rng, shape)),
    "x + 10^4": lambda rng, shape: (1e4 + normal(rng, shape), normal(rng, shape)),
    "x + 10^6": lambda rng, shape: (1e6 + normal(rng, shape), normal(rng, shape)),
    "dy + 100": lambda rng, shape: (normal(rng, shape), 100 + normal(rng, shape)),
    "dy + 10^4": lambda rng, shape: (normal(rng, shape), 1e4 + normal(rng, shape)),
}
# Offsets beside which types of 16 bits hold nothing.
BEYOND_16_BITS = ("x + 10^4", "x + 10^6", "dy + 10^4")


def outlier(rng, shape):
    values = normal(rng, shape)
    values.flat[0] = 3e4  # within float16
    return values


def kinds_of(dtype):
    return [kind for kind in KINDS if np.dtype(dtype).itemsize > 2 or kind not in BEYOND_16_BITS]


def rounding_to(dtype, values):
    """Half the distance between neighbours in a dtype of 16 bits; of others 0."""
    if dtype.itemsize > 2:
        return 0
    bits, least = (11, -14) if dtype == np.float16 else (8, -126)
    exponent = np.maximum(np.frexp(abs(values) * (1 + 1e-6))[1] - 1, least)
    return np.ldexp(1.0, exponent - bits)


class Exact:
    """Everything in long double, and the bounds of docs/numerics.md."""

    def __init__(self, case, x, dy, gamma, beta):
        f64 = case.dtype == np.float64
        wide = np.longdouble if f64 else np.float64
        self.case = case
        u = 2.0**-53 if f64 else 2.0**-24
        most = (8 if f64 else 4) * u
        x, dy = (case.split(a).astype(wide) for a in (x, dy))
        gamma, beta = (case.split_parameters(a).astype(wide) for a in (gamma, beta))
        over = {"axis": case.reduced, "keepdims": True}
        n = np.prod([x.shape[i] for i in case.reduced])
        mean = x.mean(**over) if case.center else np.zeros((1,) * x.ndim, wide)
        variance = ((x - mean) ** 2).mean(**over)
        unit = 1  # of xhat, which is in units of its root mean square
        if case.row in ("l2", "scale"):
            variance, unit = variance * n, 1 / np.sqrt(n)
        rstd = 1 / np.sqrt(variance + EPSILON)
        if case.row == "mean-only":
            rstd, unit = 1 + 0 * rstd, 1 / rstd
        xhat = (x - mean) * rstd
        w = gamma * dy
        mean_w = w.mean(**over) if case.center else 0 * rstd
        # Without what w have in common, which is not in it but for rounding; a sum, of l2.
        through = ((w - mean_w) * xhat).mean(**over) / unit**2
        if case.row == "mean-only":
            through = 0 * rstd
        self.values = {
            "y": gamma * xhat + (beta if case.has_beta else 0),
            "mean": mean,
            "rstd": rstd,
            "dx": rstd * (w - mean_w - xhat * through),
            "dgamma": case.sum_parameters(dy * xhat),
            "dbeta": case.sum_parameters(dy),
        }
        of_mean = abs(mean) * rstd if f64 else 0 * rstd
        s = (1 + abs(xhat) / unit) * (1 + of_mean / unit)
        # A part that all dy of a statistic have in common does not show.
        mean_dy = dy.mean(**over)
        hidden = (abs(mean_dy) > 30 * dy.std(**over)) & (case.one_parameter and not f64)
        of_f64 = 2.0**-53 * (1 + abs(mean) * rstd)  # which carries sums of it
        v = abs(np.where(hidden, w - mean_w, w)) + hidden * of_f64 * abs(w)
        d = abs(np.where(hidden, dy - mean_dy, dy)) + hidden * of_f64 * abs(dy)
        last = (v * s).mean(**over) * s if case.row != "mean-only" else 3 * v.max(**over) / n
        self.bounds = {
            "y": most * (abs(gamma) * (unit + abs(xhat) + of_mean) + abs(beta)),
            # Of y, what an error of the mean or of rstd moves: a part of its bound.
            "mean": most * (unit + of_mean) / rstd,
            "rstd": most * (1 + of_mean) * rstd,
            "dx": most * rstd * (v + v.mean(**over) + last),
            "dgamma": most * case.sum_and_most(d * s * unit),
            "dbeta": most * case.sum_and_most(d) + u * abs(self.values["dbeta"]),
        }
        for name in ("y", "dx"):
            self.bounds[name] += rounding_to(case.dtype, self.values[name])

    def share(self, name, got):
        """The largest error of `got` as a share of the bound."""
        exact, bound = self.values[name], self.bounds[name]
        got = np.asarray(got).astype(exact.dtype)
        got = got.reshape(exact.shape) if got.size == exact.size else self.case.split(got)
        error = abs(got - exact)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(error == 0, 0, error / bound)
        return float(np.nan_to_num(share, nan=np.inf).max())


class Case:
    def __init__(self, layer, run, dtype, elements):
        self.layer, self.run, self.dtype = layer, run, np.dtype(DTYPES[dtype])
        self.row, self.format = layer.split()
        make = LAYERS[layer]
        self.shape = make(max(2, elements // int(np.prod(make(1, run)))), run)
        self.groups = GROUPS if "c" in REDUCES[self.row] else 0
        self.channel = self.format.index("C")
        self.center = self.row not in NOT_CENTERED
        self.has_beta = self.center
        channels = self.shape[self.channel]
        self.inner = (GROUPS, channels // GROUPS) if self.groups else (channels,)
        # With the channels split: B, ..., G, C, ...
        labels = self.format.replace("C", "Gc") if self.groups else self.format
        self.reduced = tuple(i for i, label in enumerate(labels) if label in REDUCES[self.row])
        self.one_parameter = self.center and not set("Cc") & set(REDUCES[self.row])
        self.parameters = 1 if self.row == "scale" else channels

    def split(self, array):
        shape = self.shape[: self.channel] + self.inner + self.shape[self.channel + 1 :]
        return np.asarray(array).reshape(shape)

    def split_parameters(self, array):
        inner = list(self.inner) if self.parameters > 1 else [1]
        shape = [1] * self.channel + inner + [1] * (len(self.shape) - self.channel - 1)
        return array.reshape(shape)

    def over_parameters(self, reduce, array):
        channels = range(self.channel, self.channel + len(self.inner))
        kept = channels if self.parameters > 1 else ()
        return reduce(array, axis=tuple(i for i in range(array.ndim) if i not in kept)).reshape(-1)

    def sum_parameters(self, array):
        return self.over_parameters(np.sum, array)

    def sum_and_most(self, array):
        return self.sum_parameters(array) + 3 * self.over_parameters(np.max, array)

    def data(self, seed, kind):
        rng = np.random.default_rng([seed, self.run, list(KINDS).index(kind)])
        x, dy = (a.astype(self.dtype) for a in KINDS[kind](rng, self.shape))
        parameters = np.float64 if self.dtype == np.float64 else np.float32
        gamma = rng.normal(1, 0.5, self.parameters).astype(parameters)
        beta = rng.normal(0, 1, self.parameters).astype(parameters)
        return x, dy, gamma, beta


def normkit(case, x, dy, gamma, beta):
    layer, _, dimension = case.row.partition("/")
    norm = Normalization(layer, case.format, case.shape, case.dtype, epsilon=EPSILON,
                         num_groups=case.groups, operation_dimension=dimension or None)  # fmt: skip
    y = norm.forward(x, gamma, beta if case.has_beta else None)
    got = dict(zip(("dx", "dgamma", "dbeta"), norm.backward(x, dy, gamma)))
    got = {"y": y, "mean": norm.mean, "rstd": norm.rstd, **got}
    if not case.has_beta:
        del got["mean"], got["dbeta"]
    if case.row == "mean-only":
        del got["rstd"]
    return got


def to_torch(array):
    import torch

    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(array.copy())


def torch_y(case, x, gamma, beta):
    """What has no function of its own by the operations one would write it with."""
    import torch
    from torch.nn import functional as F

    first = x.movedim(case.channel, 1)
    last = x.movedim(case.channel, -1)
    size = (case.shape[case.channel],)
    if case.row == "batch":
        return F.batch_norm(first, None, None, gamma, beta, True, 0, EPSILON).movedim(1, case.channel)
    if case.row == "instance":
        return F.instance_norm(first, None, None, gamma, beta, True, 0, EPSILON).movedim(1, case.channel)
    if case.row in ("group", "layer") and x.dim() > 2:
        return F.group_norm(first, case.groups or 1, gamma, beta, EPSILON).movedim(1, case.channel)
    if case.row == "layer/spatial-channel" and "T" not in case.format:
        return F.group_norm(first, 1, gamma, beta, EPSILON).movedim(1, case.channel)
    if case.row.startswith("layer"):
        return F.layer_norm(last, size, gamma, beta, EPSILON).movedim(-1, case.channel)
    if case.row == "rms":
        return F.rms_norm(last, size, gamma, EPSILON).movedim(-1, case.channel)
    if case.row == "mean-only":
        return ((last - last.mean(-1, keepdim=True)) * gamma + beta).movedim(-1, case.channel)
    if case.row == "group-rms":
        parts = first.unflatten(1, case.inner)
        over = tuple(range(2, parts.dim()))
        parts = parts * torch.rsqrt(parts.square().mean(over, keepdim=True) + EPSILON)
        return (parts.flatten(1, 2).movedim(1, -1) * gamma).movedim(-1, case.channel)
    scale = torch.rsqrt(last.square().sum(-1, keepdim=True) + EPSILON)
    return (last * scale * gamma).movedim(-1, case.channel)


def torch_results(case, x, dy, gamma, beta):
    """PyTorch's; channels moved to where it wants them, which its kernels do not see."""
    import torch

    x, dy, gamma, beta = (to_torch(a) for a in (x, dy, gamma, beta))
    inputs = [x, gamma] + ([beta] if case.has_beta else [])
    for tensor in inputs:
        tensor.requires_grad_(True)
    y = torch_y(case, x, gamma, beta)
    gradients = torch.autograd.grad(y, inputs, dy.to(y.dtype))
    tensors = {"y": y.detach(), **dict(zip(("dx", "dgamma", "dbeta"), gradients))}
    return {name: tensor.to(torch.float64).numpy() for name, tensor in tensors.items()}


def search(arguments):
    """One dictionary a case and kind of data; forever, or for as long or as often as was asked."""
    end = time.monotonic() + arguments.seconds if arguments.seconds else np.inf
    for round_number in itertools.count():
        if round_number == arguments.rounds:
            return
        for dtype, run, layer, kind in itertools.product(
            arguments.dtypes, arguments.runs, arguments.layers, arguments.data
        ):
            if time.monotonic() > end:
                return
            if kind not in kinds_of(DTYPES[dtype]):
                continue
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

    def cell(row, who, name):
        return f"{row[who][name]:.3g}" if name in row.get(who, ()) else ""

    columns = [(who, name) for name in OUTPUTS for who in ("normkit", "torch")
               if any(name in row.get(who, ()) for row in worst.values())]  # fmt: skip
    titles = [name if who == "normkit" else "PyTorch" for who, name in columns]
    lines = [f"| dtype | {column} | " + " | ".join(titles) + " |", "|" + "---|" * (2 + len(columns))]
    for (dtype, value), row in worst.items():
        lines.append(f"| {dtype} | {value} | " + " | ".join(cell(row, *c) for c in columns) + " |")
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
                        choices=list(DTYPES), help="(default float32 float64)")  # fmt: skip
    parser.add_argument("--runs", nargs="+", type=int, default=[1, 2, 3, 5, 8, 16, 31, 64],
                        help="lengths (default 1 2 3 5 8 16 31 64)")  # fmt: skip
    parser.add_argument("--elements", type=int, default=1 << 19, help="of x, about (default 524288)")
    parser.add_argument("--layers", nargs="+", default=list(LAYERS), choices=list(LAYERS))
    parser.add_argument("--data", nargs="+", default=list(KINDS), choices=list(KINDS))
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
