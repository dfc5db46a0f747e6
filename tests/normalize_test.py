"""`normkit normalize` against an oracle in extended precision, within the contract's bounds.

With u = 2^-24 and `spread` = 1 + |xhat|:

  y        4 u (|gamma| spread + |beta|)
  dx       4 u rstd (|w| + E|w| + spread E[|w| spread]),  w = gamma * dy
  dscale   4 u sum(|dy| spread)
  doffset  4 u sum|dy|

The bound of y is the numerics contract. The others follow from it: each of the three terms of dx =
rstd (w - E[w] - xhat E[w xhat]) is formed from xhat, whose own error is u spread, with at most three
more roundings, and the sums are sums of such terms, added in f64. Outputs in 16 bits have to be the
correctly rounded value of something within the bound.

The bound of dx asks that gamma rstd^2 is a normal number of f32, which it is for deviations up to 1e17.

Arrays of f64, of which the contract says nothing: sums and arithmetic have the same precision there,
so u = 64 * 2^-53; the mean is one double and so off by 2^-53 |mean|, and the variance is merged from
such means, so `spread` grows by the factor 1 + |mean| rstd.

The statistics themselves: 2^-43 |mean| + 2^-22 std for the mean and four times that times std for the
variance (f64: 2^-43 std): deviations from a shift are added in f32 within a block, blocks in f64.
"""

import collections
import zlib

import ml_dtypes
import numpy as np
import pytest

import oracle
from oracle import Layer

LAYERS = [
    Layer("batch"),
    Layer("instance"),
    Layer("layer"),
    Layer("layer", operation_dimension="auto"),
    Layer("layer", operation_dimension="channel-only"),
    Layer("layer", operation_dimension="spatial-channel"),
    Layer("group", num_groups=3),
    Layer("group", num_groups="all-channels"),
    Layer("group", num_groups="channel-wise"),
    Layer("rms"),
    Layer("group-rms", num_groups=3),
]
# The table of the toolbox's formats, in the orders in which their memory is found.
FORMATS = ("BC CT TC BCT BTC TBC BCS BSC BCSS BSSC BCSSS BSSSC TBCS BTCS BTSC BCTS TBCSS BTCSS BTSSC "
           "BTCSSS BTSSSC").split()  # fmt: skip
DTYPES = {
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
}
# Beyond it f16 is infinite; the others take the contract's 1e6.
LARGEST_MEAN = {"f32": 1e6, "f64": 1e6, "f16": 3e4, "bf16": 1e6}

worst = collections.defaultdict(float)  # (dtype, output) -> the largest error / bound seen


@pytest.fixture(scope="module", autouse=True)
def report():
    yield
    for (dtype, output), fraction in sorted(worst.items()):
        print(f"\nworst error / bound: {dtype} {output} {fraction:.3f}", end="")


def name(layer):
    return "-".join(str(part) for part in vars(layer).values() if part)


def generator(*key):
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def parameter_dtype(dtype):
    return np.float64 if dtype == np.float64 else np.float32


def save(path, array):
    np.save(path, array)
    return path


def load(path, dtype):
    array = np.load(path)
    if dtype.kind == "V":
        assert array.dtype.itemsize == 2, f"{path}: {array.dtype}"
        return array.view(dtype)
    assert array.dtype == dtype, f"{path}: {array.dtype}, expected {dtype}"
    return array


class Case:
    """Random arrays of one format and dtype, their files, and a run of the program on them."""

    def __init__(self, normkit, folder, layer, fmt, dtype_name, rng, shape=None):
        self.normkit, self.folder, self.layer, self.format = normkit, folder, layer, fmt
        self.dtype_name, self.dtype = dtype_name, DTYPES[dtype_name]
        sizes = {"B": rng.integers(1, 7), "T": rng.integers(1, 9), "C": 3 * rng.integers(1, 8)}
        side = 12 if fmt.count("S") < 3 else 7
        self.shape = shape or [int(sizes.get(a, 0) or rng.integers(1, side)) for a in fmt]
        channels = self.shape[fmt.index("C")]
        self.epsilon = float(f"1e{rng.integers(-7, -1)}")
        mean = rng.choice([0, 1, -30, 1e3, -1e4, 1e5, LARGEST_MEAN[dtype_name]])
        mean = np.clip(mean, -LARGEST_MEAN[dtype_name], LARGEST_MEAN[dtype_name])
        deviations = rng.choice([1, 1, 30]) * rng.standard_normal(self.shape)
        self.x = (mean + deviations).astype(self.dtype)
        self.dy = rng.standard_normal(self.shape).astype(self.dtype)
        parameter = parameter_dtype(self.dtype)
        self.gamma = rng.normal(0, 2, channels).astype(parameter)
        self.beta = rng.normal(0, 2, channels).astype(parameter)
        self.oracle = oracle.Normalization(layer, fmt, self.shape, self.epsilon)
        self.label = f"{name(layer)} {dtype_name} {fmt} {self.shape} mean {mean} eps {self.epsilon}"

    def run(self, threads, *extra):
        """The outputs by name."""
        f = self.folder
        args = [save(f / "x.npy", self.x), *self.layer.options(), "--format", self.format]
        args += ["--epsilon", repr(self.epsilon), "--threads", threads, "-o", f / "y.npy", *extra]
        args += ["--scale", save(f / "gamma.npy", self.gamma)]
        args += ["--offset", save(f / "beta.npy", self.beta), "--dy", save(f / "dy.npy", self.dy)]
        outputs = {"y": self.dtype, "dx": self.dtype}
        outputs |= dict.fromkeys(["dscale", "doffset"], parameter_dtype(self.dtype))
        if "--mean" not in extra and "--variance" not in extra:
            outputs |= dict.fromkeys(["stats-mean", "stats-variance"], np.float64)
        for output in list(outputs)[1:]:
            args += [f"--{output}", f / f"{output}.npy"]
        done = self.normkit("normalize", *args)
        *warnings, description = done.stderr.splitlines()
        expected = "one value per statistic" if self.warns(extra) else ""
        said = expected in "".join(warnings) if expected else not warnings
        assert done.stdout == "" and said, f"{self.label}: {done.stdout}{done.stderr}"
        assert description == self.describes(extra), self.label
        return {key: load(f / f"{key}.npy", np.dtype(dtype)) for key, dtype in outputs.items()}

    def given(self, extra):
        return "--mean" in extra or "--variance" in extra

    def warns(self, extra):
        """Of a layer that has nothing to learn from."""
        return self.oracle.reduced_count() == 1 and not self.given(extra)

    def describes(self, extra):
        """The line that says what was reduced."""
        number, values = self.oracle.num_statistics(), self.oracle.reduced_count()
        dimension = self.layer.operation_dimension or "batch-excluded"
        if dimension == "auto":
            dimension = self.layer.automatic(self.format)
        name = self.layer.name + ("" if dimension == "batch-excluded" else f"/{dimension}")
        return (
            f"normkit: {name} normalization of {self.dtype_name} {self.format} "
            f"[{','.join(map(str, self.shape))}]: {number} statistic{'s' * (number != 1)} over "
            f"{self.oracle.reduced_letters() or 'nothing'} of {values} value{'s' * (values != 1)}"
            f"{' each' * (number != 1)}{', given' * self.given(extra)}"
        )

    def check(self, got, given=None):
        """Holds the outputs against the oracle."""
        o = self.oracle
        u = 4 * (2.0**-47 if self.dtype == np.float64 else 2.0**-24)
        mean, variance = given or o.statistics(self.x)
        rstd = o.rstd(variance)
        y, xhat = o.forward(self.x, self.gamma, self.beta, mean, variance)
        gamma, beta = abs(o.parameters(self.gamma)), abs(o.parameters(self.beta))
        spread = 1 + abs(xhat)
        if self.dtype == np.float64:
            spread = spread * (1 + abs(mean) * rstd)
        self.within("y", got["y"], y, u * (gamma * spread + beta))

        dx, dgamma, dbeta = o.backward(xhat, self.dy, self.gamma, variance, given is not None)
        dy = abs(o.wide(self.dy))
        w = gamma * dy
        terms = w
        if given is None:
            terms = w + o.mean_over_reduced(w) + spread * o.mean_over_reduced(w * spread)
        self.within("dx", got["dx"], dx, u * rstd * terms)
        self.within("dscale", got["dscale"], dgamma, u * o.sum_per_channel(dy * spread))
        self.within("doffset", got["doffset"], dbeta, u * o.sum_per_channel(dy))
        if given is None:
            std = np.sqrt(variance)
            unit = 2.0**-43 * abs(mean) + (2.0**-43 if self.dtype == np.float64 else 2.0**-22) * std
            self.within("stats-mean", got["stats-mean"], mean, unit)
            slack = 4 * unit * std + 2.0**-60 * self.epsilon
            self.within("stats-variance", got["stats-variance"], variance, slack)

    def within(self, output, got, exact, bound):
        assert got.size == exact.size, f"{self.label}: {output} has {got.shape}"
        got = got.reshape(exact.shape)
        bound = np.broadcast_to(bound, exact.shape)
        if got.dtype.itemsize == 2:  # what of the way to the bound rounding cannot explain
            # Nextafter: the way to 16 bits leads through f64, and two roundings are not one.
            low, high = (v.astype(np.float64) for v in (exact - bound, exact + bound))
            low = np.nextafter(low, -np.inf).astype(got.dtype)
            high = np.nextafter(high, np.inf).astype(got.dtype)
            ok = (low <= got) & (got <= high)
            centre = exact.astype(np.float64).astype(got.dtype)
            fraction = float(np.mean(got != centre))
        else:
            error = abs(got.astype(oracle.WIDE) - exact)
            ok = error <= bound  # false for NaN
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(error == 0, 0, error / bound)
            fraction = float(np.max(ratio, initial=0))
        key = f"{output} not the nearest" if got.dtype.itemsize == 2 else output
        worst[self.dtype_name, key] = max(worst[self.dtype_name, key], fraction)
        if not ok.all():
            i = np.unravel_index(np.argmin(ok), ok.shape)
            raise AssertionError(
                f"{self.label}: {output}{list(map(int, i))} is {got[i]!r}, exact {exact[i]!r}, "
                f"allowed {bound[i]!r} ({(~ok).sum()} of {ok.size} outside, worst {fraction:.2f})"
            )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", LAYERS, ids=name)
def test_training_statistics_and_gradients(normkit, tmp_path, layer, dtype):
    for fmt in FORMATS:
        case = Case(normkit, tmp_path, layer, fmt, dtype, generator(layer, fmt, dtype))
        case.check(case.run(threads=2))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
def test_activations(normkit, tmp_path, activation, dtype):
    for layer, fmt in [(Layer("batch"), "BCSS"), (Layer("layer"), "BTC"), (Layer("rms"), "BSC")]:
        rng = generator("activation", activation, layer, fmt, dtype)
        case = Case(normkit, tmp_path, layer, fmt, dtype, rng)
        case.x = rng.standard_normal(case.shape).astype(case.dtype)
        extra = ["--activation", activation]
        extra += ["--negative-slope", "0.125"] if activation == "leaky-relu" else []
        extra += ["--activation-alpha", oracle.ELU_ALPHA] if activation == "elu" else []
        got = case.run(2, *extra)
        mean, variance = case.oracle.statistics(case.x)
        z, xhat = case.oracle.forward(case.x, case.gamma, case.beta, mean, variance)
        z = z.astype(np.float64)
        value, slope = oracle.ACTIVATIONS[activation]
        dz = case.oracle.wide(case.dy).astype(np.float64) * slope(z)
        dx, dgamma, dbeta = case.oracle.backward(xhat, dz.reshape(case.shape), case.gamma, variance)
        unit = 2e-6 if dtype == "f32" else 1e-13
        for output, exact in {"y": value(z), "dx": dx, "dscale": dgamma, "doffset": dbeta}.items():
            exact = np.asarray(exact).reshape(got[output].shape)
            scale = 20 + 20 * float(np.max(abs(exact), initial=0)) + float(np.max(abs(xhat))) * 20
            assert np.allclose(got[output], exact, rtol=0, atol=unit * scale), (case.label, output)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", LAYERS, ids=name)
def test_given_statistics(normkit, tmp_path, layer, dtype):
    for fmt in FORMATS[::2]:
        rng = generator("given", layer, fmt, dtype)
        case = Case(normkit, tmp_path, layer, fmt, dtype, rng)
        mean, variance = case.oracle.statistics(case.x)
        # Not far from those of x, but not those.
        mean = np.asarray(mean + rng.normal(0, 1, mean.shape) * case.oracle.centered)
        variance = np.asarray(variance * rng.uniform(0.5, 2, variance.shape) + 0.1)
        mean, variance = (v.astype(parameter_dtype(case.dtype)) for v in (mean, variance))
        extra = ["--variance", save(tmp_path / "variance.npy", variance)]
        if layer.name not in ("rms", "group-rms"):
            extra += ["--mean", save(tmp_path / "mean.npy", mean)]
        got = case.run(2, *extra)
        case.check(got, (case.oracle.given(mean), case.oracle.given(variance)))


@pytest.mark.parametrize("layer", LAYERS, ids=name)
def test_same_bytes_for_any_number_of_threads(normkit, tmp_path, layer):
    shapes = {"BCSS": [4, 48, 28, 23], "BSSC": [4, 28, 23, 48]}
    shapes |= {"TC": [97, 1203], "BTC": [7, 50, 513]}
    for (fmt, shape), dtype in zip(shapes.items(), DTYPES):
        case = Case(normkit, tmp_path, layer, fmt, dtype, generator("threads", layer, fmt), shape)
        one = case.run(threads=1)
        case.check(one)
        for threads in [2, 3, 5, 8]:
            for output, array in case.run(threads).items():
                same = array.tobytes() == one[output].tobytes()
                assert same, f"{case.label}: {output} with {threads} threads"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", LAYERS, ids=name)
def test_a_constant_gives_exactly_beta(normkit, tmp_path, layer, dtype):
    if layer.name in ("rms", "group-rms"):
        pytest.skip("subtracts no mean")
    for fmt in ["BC", "BSSC", "BTCS"]:
        case = Case(normkit, tmp_path, layer, fmt, dtype, generator("constant", layer, fmt))
        case.x[:] = 1234.567
        got = case.run(threads=2)
        axis = fmt.index("C")
        beta = case.beta.reshape([-1 if i == axis else 1 for i in range(len(fmt))])
        assert (got["y"] == np.broadcast_to(beta, got["y"].shape).astype(case.dtype)).all()


HARD = {
    "trend": lambda rng, shape: np.linspace(0, 1e4, int(np.prod(shape))).reshape(shape),
    "outlier first": lambda rng, shape: np.where(
        np.arange(np.prod(shape)).reshape(shape) == 0, 1e6, rng.standard_normal(shape)
    ),
    "mean 1e4": lambda rng, shape: 1e4 + rng.standard_normal(shape),
    "mean 1e6": lambda rng, shape: 1e6 + rng.standard_normal(shape),
    "tiny": lambda rng, shape: 1e-20 * rng.standard_normal(shape),
    "huge": lambda rng, shape: 1e15 * rng.standard_normal(shape),
}


@pytest.mark.parametrize("data", HARD)
@pytest.mark.parametrize("layer", LAYERS, ids=name)
def test_hard_data(normkit, tmp_path, layer, data):
    shapes = {"BCSS": [3, 24, 21, 47], "BSSC": [3, 21, 47, 24], "TC": [9, 4099 * 3]}
    for fmt, shape in shapes.items():
        rng = generator(data, layer, fmt)
        case = Case(normkit, tmp_path, layer, fmt, "f32", rng, shape)
        case.x = HARD[data](rng, shape).astype(np.float32)
        case.label += f" {data}"
        case.check(case.run(threads=2))
