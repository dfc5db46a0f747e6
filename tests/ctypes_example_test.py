"""examples/ctypes_numpy.py runs, and its wrapper computes what NumPy does."""

import collections
import gc
import importlib.util
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import oracle
from conftest import ROOT

EXAMPLE = ROOT / "examples/ctypes_numpy.py"


@pytest.fixture(scope="module", params=["library", "norm_library"])
def example(request):
    os.environ["NORMKIT_LIBRARY"] = str(request.getfixturevalue(request.param))
    spec = importlib.util.spec_from_file_location("ctypes_numpy", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_runs_and_is_right(library):
    environment = os.environ | {"NORMKIT_LIBRARY": str(library)}
    command = [sys.executable, str(EXAMPLE)]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert float(re.search(r"largest error of y +(\S+)", done.stdout)[1]) < 2e-6
    gradients = re.findall(r"([+-]\S+)  difference quotient ([+-]\S+)", done.stdout)
    assert len(gradients) == 9
    for analytic, quotient in gradients:
        assert float(analytic) == pytest.approx(float(quotient), abs=1e-5)
    assert done.stdout.endswith(
        "error: group normalization: 4 groups do not divide 6 channels of BCSS [4,6,5,5]\n"
    )


def test_no_copy_is_made(example):
    """Outputs are the caller's arrays, and in place means in place."""
    x = np.random.default_rng(1).standard_normal((16, 12), dtype=np.float32)
    norm = example.Normalization("layer", "BC", x.shape)
    y = np.empty_like(x)
    assert norm.forward(x, out=y) is y
    expected = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    assert abs(y - expected).max() < 2e-6
    assert norm.forward(x, out=x) is x and np.array_equal(x, y)


def test_batch_normalization_with_everything(example):
    rng = np.random.default_rng(2)
    x, dy = rng.standard_normal((2, 10, 4))
    gamma, beta = rng.standard_normal((2, 4))
    norm = example.Normalization("batch", "BC", x.shape, np.float64, epsilon=1e-3, activation="relu")
    mean, variance = x.mean(0), x.var(0)
    xhat = (x - mean) / np.sqrt(variance + 1e-3)
    y = norm.forward(x, gamma, beta)
    assert np.allclose(y, np.maximum(gamma * xhat + beta, 0), rtol=0, atol=1e-13)
    assert np.allclose(norm.mean, mean, rtol=0, atol=1e-14)
    assert np.allclose(norm.variance, variance, rtol=0, atol=1e-14)

    _, dgamma, dbeta = norm.backward(x, dy, gamma, beta)
    through = dy * (gamma * xhat + beta > 0)
    assert np.allclose(dgamma, (through * xhat).sum(0), rtol=0, atol=1e-12)
    assert np.allclose(dbeta, through.sum(0), rtol=0, atol=1e-12)

    running_mean, running_variance = np.zeros(4), np.ones(4)
    norm.update_running(running_mean, running_variance, decay=0.25, minus_one=True)
    assert np.allclose(running_mean, 0.25 * mean, rtol=0, atol=1e-14)
    assert np.allclose(running_variance, 0.75 + 0.25 * x.var(0, ddof=1), rtol=0, atol=1e-14)
    y = norm.inference(x, gamma, beta, running_mean, running_variance)
    expected = gamma * (x - running_mean) / np.sqrt(running_variance + 1e-3) + beta
    assert np.allclose(y, np.maximum(expected, 0), rtol=0, atol=1e-13)


def test_what_stands_beside_it_in_networks(example):
    rng = np.random.default_rng(4)
    x, residual, addend, dy = rng.standard_normal((4, 10, 6))
    gamma, beta = rng.standard_normal((2, 6))
    norm = example.Normalization(
        "layer", "BC", x.shape, np.float64, activation="leaky-relu", negative_slope=0.125
    )
    total, daddend = np.empty_like(x), np.empty_like(x)
    y = norm.forward(x, gamma, beta, residual=residual, sum=total, addend=addend)
    assert np.array_equal(total, x + residual)
    mean, variance = total.mean(1, keepdims=True), total.var(1, keepdims=True)
    xhat = (total - mean) / np.sqrt(variance + 1e-5)
    z = gamma * xhat + beta + addend
    assert np.allclose(y, np.where(z > 0, z, z / 8), rtol=0, atol=1e-13)
    given = np.zeros(10), np.ones(10)
    inferred = norm.inference(
        x, gamma, beta, *given, residual=residual, sum=np.empty_like(x), addend=addend
    )
    z_given = gamma * total / np.sqrt(1 + 1e-5) + beta + addend
    assert np.allclose(inferred, np.where(z_given > 0, z_given, z_given / 8), rtol=0, atol=1e-13)

    dx, dgamma, dbeta = norm.backward(total, dy, gamma, beta, y=y, daddend=daddend)
    through = np.where(z > 0, dy, dy / 8)
    assert np.allclose(daddend, through, rtol=0, atol=1e-15)
    assert np.allclose(dgamma, (through * xhat).sum(0), rtol=0, atol=1e-12)
    assert np.allclose(dbeta, through.sum(0), rtol=0, atol=1e-12)
    w = through * gamma
    expected = w - w.mean(1, keepdims=True) - xhat * (w * xhat).mean(1, keepdims=True)
    assert np.allclose(dx, expected / np.sqrt(variance + 1e-5), rtol=0, atol=1e-12)

    gelu = example.Normalization("layer", "BC", x.shape, np.float64, activation="gelu")
    y = gelu.forward(x, out=np.empty_like(x))
    assert -0.17 < y.min() < -0.1 and y.max() > 1
    with pytest.raises(ValueError, match="addend is null, expected an array of 60 f64 elements"):
        gelu.backward(x, dy, daddend=daddend)


# Those that cannot be told from y.
SMOOTH = [name for name in oracle.ACTIVATIONS if "relu" not in name]


@pytest.mark.parametrize("activation", SMOOTH)
def test_activations_that_cannot_be_told_from_y(example, activation):
    rng = np.random.default_rng(6)
    x, addend, dy = rng.standard_normal((3, 10, 6))
    gamma, beta = rng.standard_normal((2, 6)) * 2
    norm = example.Normalization(
        "layer", "BC", x.shape, np.float64, activation=activation, activation_alpha=oracle.ELU_ALPHA
    )
    y = norm.forward(x, gamma, beta, addend=addend)
    xhat = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    z = gamma * xhat + beta + addend
    value, slope = oracle.ACTIVATIONS[activation]
    assert np.allclose(y, value(z), rtol=0, atol=1e-13)
    daddend = np.empty_like(x)
    _, dgamma, dbeta = norm.backward(x, dy, gamma, beta, daddend=daddend, addend=addend)
    assert np.allclose(daddend, dy * slope(z), rtol=0, atol=1e-13)
    assert np.allclose(dgamma, (daddend * xhat).sum(0), rtol=0, atol=1e-12)
    assert np.allclose(dbeta, daddend.sum(0), rtol=0, atol=1e-12)


def test_parameters_over_other_axes(example):
    """Adaptive layer normalization: a scale, less one, and an offset for each observation."""
    rng = np.random.default_rng(11)
    x, gamma, beta = rng.normal(0, 1, (3, 5, 4)), rng.normal(0, 1, (3, 4)), rng.normal(0, 1, (3, 4))
    norm = example.Normalization("layer", "BTC", x.shape, np.float64, operation_dimension="channel-only",
                                 parameter_axes="BC", scale_plus_one=True)  # fmt: skip
    assert norm.num_parameters == 12
    xhat = (x - x.mean(2, keepdims=True)) / np.sqrt(x.var(2, keepdims=True) + 1e-5)
    wanted = (1 + gamma[:, None]) * xhat + beta[:, None]
    assert abs(norm.forward(x, gamma.ravel(), beta.ravel()) - wanted).max() < 1e-13


def test_backward_without_x(example):
    rng = np.random.default_rng(5)
    x, dy = rng.standard_normal((2, 4, 6, 10))
    gamma, beta = rng.standard_normal((2, 6)) + 3
    for layer, activation in [("batch", None), ("group", "leaky-relu")]:
        groups = 2 if layer == "group" else 0
        norm = example.Normalization(
            layer, "BCS", x.shape, np.float64, num_groups=groups, activation=activation
        )
        y = norm.forward(x, gamma, beta)
        expected = norm.backward(x, dy, gamma, beta, y=y)
        for got, wanted in zip(norm.backward(None, dy, gamma, beta, y=y), expected):
            assert np.allclose(got, wanted, rtol=0, atol=1e-12)
    gamma[4] = 0
    with pytest.raises(ValueError, match="backward from y with gamma 0 in channel 4, expected x"):
        norm.backward(None, dy, gamma, beta, y=y)


def test_every_dtype_by_name(example):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.random.default_rng(3).standard_normal((5, 30))
    exact = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    for dtype, bound in [
        (np.float64, 1e-12), (np.float32, 1e-6), (np.float16, 1e-2), (ml_dtypes.bfloat16, 5e-2),
    ]:  # fmt: skip
        y = example.Normalization("layer", "BC", x.shape, dtype).forward(x.astype(dtype))
        assert y.dtype == dtype
        assert abs(y.astype(float) - exact).max() < bound


def f32(*shape):
    return np.zeros(shape, np.float32)


def read_only(array):
    array.flags.writeable = False
    return array


def unaligned(*shape):
    count = int(np.prod(shape))
    return np.zeros(4 * count + 1, np.uint8)[1:].view(np.float32).reshape(shape)


# What is no array for a plan of f32 [4,8], and what the message calls it.
UNFIT = [
    ([0.0] * 32, "list, no NumPy array"),
    (bytes(128), "bytes, no NumPy array"),
    (1.5, "float, no NumPy array"),
    (np.float32(1), "float32, no NumPy array"),
    (f32(8, 4), r"float32 \(8, 4\)"),
    (f32(32), r"float32 \(32,\)"),
    (f32(1, 4, 8), r"float32 \(1, 4, 8\)"),
    (f32(8, 4).T, r"strided float32 \(4, 8\)"),
    (f32(8, 8)[::2], r"strided float32 \(4, 8\)"),
    (np.broadcast_to(np.float32(1), (4, 8)), r"read-only strided float32 \(4, 8\)"),
    (f32(4, 8).astype(np.float64), r"float64 \(4, 8\)"),
    (f32(4, 8).astype(np.float16), r"float16 \(4, 8\)"),
    (f32(4, 8).view(np.int32), r"int32 \(4, 8\)"),
    (f32(4, 8).astype(">f4"), r">f4 \(4, 8\)"),
    (unaligned(4, 8), r"unaligned float32 \(4, 8\)"),
    (np.ma.masked_array(f32(4, 8)), r"masked float32 \(4, 8\)"),
]
UNWRITABLE = [
    (read_only(f32(4, 8)), r"read-only float32 \(4, 8\)"),
    (np.frombuffer(bytes(128), np.float32).reshape(4, 8), r"read-only float32 \(4, 8\)"),
]
# Method: (arguments that are read, arguments that are written), of the shape of x.
DATA_ARGUMENTS = {
    "forward": (["x", "residual", "addend"], ["out", "sum"]),
    "inference": (["x", "residual", "addend"], ["out", "sum"]),
    "backward": (["x", "dy", "y"], ["out", "daddend"]),
}


@pytest.mark.parametrize("method", DATA_ARGUMENTS)
def test_what_does_not_fit_is_never_read_or_written(example, method):
    norm = example.Normalization("layer", "BC", (4, 8), activation="relu")
    norm.forward(f32(4, 8))
    read, written = DATA_ARGUMENTS[method]
    good = {name: f32(4, 8) for name in read + written}
    getattr(norm, method)(**good)
    for name in read + written:
        cases = [(case, "") for case in UNFIT]
        if name in written:
            cases = [(case, "writable ") for case in UNFIT + UNWRITABLE]
        for (array, given), writable in cases:
            expected = rf"^{name} is .*{given}, expected {writable}float32 \(4, 8\) in C order$"
            for call in (getattr(norm, method), lambda **all: norm.bind(method, **all)):
                with pytest.raises(ValueError, match=expected):
                    call(**{**good, name: array})
    for name in read:  # reading needs no right to write
        getattr(norm, method)(**{**good, name: read_only(f32(4, 8))})


@pytest.mark.parametrize(
    "method, name",
    [(method, name) for method in DATA_ARGUMENTS for name in ("gamma", "beta")]
    + [("inference", "mean"), ("inference", "variance")]
    + [("update_running", "running_mean"), ("update_running", "running_variance")],
)
def test_arrays_a_channel(example, method, name):
    norm = example.Normalization("batch", "BC", (4, 8), activation="relu")
    norm.forward(f32(4, 8))
    if method == "update_running":
        good = {"running_mean": f32(8), "running_variance": f32(8)}
    else:
        good = {argument: f32(4, 8) for argument in DATA_ARGUMENTS[method][0]}
        good |= {argument: f32(4, 8) for argument in DATA_ARGUMENTS[method][1]}
        good |= {"gamma": f32(8) + 1, "beta": f32(8)}
        if method == "inference":
            good |= {"mean": f32(8), "variance": f32(8)}
    getattr(norm, method)(**good)
    cases = [f32(7), f32(1, 8), f32(8).astype(np.float64), f32(16)[::2], unaligned(8), [1.0] * 8]
    if method == "update_running":
        cases.append(read_only(f32(8)))
    for array in cases:
        with pytest.raises(ValueError, match=rf"^{name} is .*, expected (writable )?float32 \(8,\)"):
            getattr(norm, method)(**{**good, name: array})


def test_memory_mapped_files_are_arrays(example, tmp_path):
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(4, 8))
    x[:] = np.random.default_rng(1).standard_normal((4, 8))
    norm = example.Normalization("layer", "BC", x.shape)
    assert np.array_equal(norm.forward(x), norm.forward(np.array(x)))


def test_nothing_is_told_of_statistics_that_are_not_there(example):
    norm = example.Normalization("batch", "BC", (4, 8))
    x = f32(4, 8)
    assert all(np.isnan(values).all() for values in (norm.mean, norm.rstd, norm.variance))
    later = norm.bind("backward", x, x)
    for call in (lambda: norm.backward(x, x), later):
        with pytest.raises(ValueError, match="backward before forward, expected after"):
            call()
    with pytest.raises(ValueError, match="update_running before forward, expected after"):
        norm.update_running(f32(8), f32(8))
    norm.inference(x, mean=f32(8), variance=f32(8))  # leaves none
    with pytest.raises(ValueError, match="backward before forward"):
        later()
    norm.forward(x)
    later()


def test_bound_calls_are_the_same_calls(example):
    rng = np.random.default_rng(6)
    x, dy = rng.standard_normal((2, 10, 4), dtype=np.float32)
    gamma, beta = rng.standard_normal((2, 4), dtype=np.float32)
    norm, other = (example.Normalization("batch", "BC", x.shape) for _ in range(2))
    y, running = np.empty_like(x), np.zeros((2, 4), np.float32)
    steps = [
        norm.bind("forward", x, gamma, beta, out=y),
        norm.bind("backward", x, dy, gamma),
        norm.bind("update_running", running[0], running[1], decay=0.5),
        norm.bind("inference", x, gamma, beta, running[0], running[1]),
    ]
    wanted_running = np.zeros((2, 4), np.float32)
    for _ in range(2):  # the second time with other values in the same arrays
        got = [step() for step in steps]
        wanted = [
            other.forward(x, gamma, beta),
            other.backward(x, dy, gamma),
            other.update_running(*wanted_running, decay=0.5),
            other.inference(x, gamma, beta, *wanted_running),
        ]
        assert got[0] is y
        for a, b in zip(got, wanted):
            assert np.array_equal(a, b) if isinstance(b, np.ndarray) else all(map(np.array_equal, a, b))
        x[:], gamma[0] = rng.standard_normal(x.shape), 3
    with pytest.raises(ValueError, match="method is 'forwards', expected forward, inference"):
        norm.bind("forwards", x)


def test_a_bound_call_keeps_its_arrays(example):
    x = np.random.default_rng(7).standard_normal((64, 256), dtype=np.float32)
    norm = example.Normalization("batch", "BC", x.shape)
    wanted = norm.inference(x, mean=f32(256), variance=f32(256) + 1)
    step = norm.bind("inference", x.copy(), mean=f32(256), variance=f32(256) + 1)
    del norm
    gc.collect()
    scribbled = [np.full((64, 256), np.nan, np.float32) for _ in range(8)]
    scribbled += [np.full(256, np.nan, np.float32) for _ in range(64)]
    assert np.array_equal(step(), wanted)


def count_calls(function):
    """Functions that a call of `function` calls, Python's and C's; itself counts."""
    events = collections.Counter()
    sys.setprofile(lambda frame, event, argument: events.update([event]))
    try:
        function()
    finally:
        sys.setprofile(None)
    return events["call"] + events["c_call"] - 1  # setprofile(None)


def test_little_stands_between_a_call_and_the_library(example):
    """Time as far as it can be counted: what calls cost most in Python is calling."""
    x, dy = np.random.default_rng(8).standard_normal((2, 4, 8), dtype=np.float32)
    gamma, beta = f32(8) + 1, f32(8)
    norm = example.Normalization("batch", "BC", x.shape)
    arguments = {
        "forward": (x, gamma, beta),
        "inference": (x, gamma, beta, f32(8), f32(8)),
        "backward": (x, dy, gamma),
        "update_running": (f32(8), f32(8)),
    }
    for method, given in arguments.items():
        step = norm.bind(method, *given)
        step()
        assert count_calls(step) <= 4, method
        assert count_calls(lambda: getattr(norm, method)(*given)) <= 30, method


# Arguments of Normalization that are wrong, and what the message says.
MISUSE = [
    ({"layer": "leyer"}, "normalization 'leyer' is unknown, did you mean 'layer'"),
    ({"dtype": np.int32}, "dtype is int32, expected float32, float64, bfloat16, float16 in native"),
    ({"dtype": "float31"}, "dtype is 'float31', expected float32"),
    ({"dtype": ">f4"}, "dtype is >f4, expected float32"),
    ({"dtype": np.longdouble}, "dtype is float128, expected float32"),
    ({"activation": "swish"}, "activation is 'swish', expected None, 'relu', 'leaky-relu', 'gelu'"),
    ({"activation": 1}, "activation is 1, expected None"),
    ({"num_groups": "all"}, "num_groups is 'all', expected 'all-channels', 'channel-wise' or a number"),
    ({"num_groups": 2**64 + 2}, "num_groups is 18446744073709551618, expected a whole number"),
    ({"num_groups": 1.5}, "num_groups is 1.5, expected a whole number"),
    ({"shape": (2**64 + 2, 3)}, "a size of shape is 18446744073709551618, expected a whole number"),
    ({"shape": (2.0, 3)}, "a size of shape is 2.0, expected a whole number"),
    ({"epsilon": 0}, "epsilon"),
    ({"operation_dimension": "channels"}, "channels"),
]


def test_misuse_is_an_exception(example):
    for wrong, message in MISUSE:
        with pytest.raises(ValueError, match=message):
            example.Normalization(**{"layer": "layer", "format": "BC", "shape": (2, 3)} | wrong)
    norm = example.Normalization("layer", "BC", (2, 3))
    with pytest.raises(ValueError, match="residual is given, expected sum as well"):
        norm.forward(f32(2, 3), residual=f32(2, 3))
    norm.inference(f32(2, 3), residual=f32(2, 3))  # which nobody goes back from
    norm.forward(f32(2, 3))
    with pytest.raises(ValueError, match="layer normalization has no running statistics"):
        norm.update_running(f32(2), f32(2))
