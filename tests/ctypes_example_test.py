"""examples/ctypes_numpy.py runs, and its wrapper computes what NumPy does."""

import importlib.util
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT

EXAMPLE = ROOT / "examples/ctypes_numpy.py"


@pytest.fixture(scope="module")
def example(library):
    os.environ["NORMKIT_LIBRARY"] = str(library)
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
    assert len(gradients) == 5
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
    with pytest.raises(ValueError, match="backward with GELU fused, expected the forward pass without"):
        gelu.backward(x, dy)


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


def test_misuse_is_an_exception(example):
    norm = example.Normalization("layer", "BC", (2, 3))
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"x is float64 \(2, 3\), expected 6 float32 in C order"):
        norm.forward(x.astype(np.float64))
    with pytest.raises(ValueError, match="x is float32"):
        norm.forward(np.zeros((3, 2), np.float32).T)
    with pytest.raises(ValueError, match=r"gamma is float32 \(2,\), expected 3 float32"):
        norm.forward(x, gamma=np.ones(2, np.float32))
    with pytest.raises(ValueError, match="normalization 'leyer' is unknown, did you mean 'layer'"):
        example.Normalization("leyer", "BC", (2, 3))
    with pytest.raises(ValueError, match="residual is given, expected sum as well"):
        norm.forward(x, residual=x)
    with pytest.raises(ValueError, match="layer normalization has no running statistics"):
        norm.update_running(np.zeros(2, np.float32), np.zeros(2, np.float32))
