"""ONNX's checker accepts what normkit writes, and ONNX Runtime computes what normkit computes."""

import json
import re
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest

from conftest import ROOT

# Relative to the largest |y| of the model. Both sides compute in f32, in an order of their own that follows
# the processor: each sum of n terms is off by up to 4 sqrt(n) 2^-24 (src/core/exact_sum_testing.h), and n is
# 54 at most here.
TOLERANCE = 2 * 4 * 54**0.5 * 2**-24


def names():
    kinds = ["images", "features"]
    norms = ["batch", "group_2", "group_all", "rms", "batch_bare", "layer_bare", "rms_bare"]
    norms += ["layer_" + d for d in ["batch-excluded", "auto", "channel-only", "spatial-channel"]]
    table = (ROOT / "src/ops/elementwise.cc").read_text(encoding="utf-8")
    maps = re.findall(r'Row<\w+>\("[^"]+", "[^"]+",\s+"(\w+)"', table) + ["dropout", "softmax"]
    assert "leaky_relu" in maps
    inputs = ["none", "zerocenter", "zscore", "rescale-zero-one", "rescale-symmetric"]
    return [f"{n}_{k}" for n in norms + maps + ["input_" + i for i in inputs] for k in kinds] + [
        "instance_images",  # one value a statistic on features
        "instance_bare_images",
        "group_each_images",
        "convolution",
        "convolution_all",
        "convolution_same",
        "max_pooling",
        "max_pooling_same",
        "average_pooling",
        "average_pooling_same",
        "global_average_pooling",
        "reflection_padding",
        "upsampling",
        "flatten",
        "fully_connected",
        "fully_connected_no_bias",
        "addition_2",
        "addition_3",
        "concatenation_2",
        "concatenation_3",
        "residual",
    ]


@pytest.fixture(scope="session")
def models(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([program.parent / "export_models", folder], check=True, timeout=60)
    return folder


def test_every_model_is_judged(models):
    assert sorted(path.stem for path in models.glob("*.onnx")) == sorted(names())


def run(path, x):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("name", names())
def test_model(models, name):
    path = models / f"{name}.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    x, expected = (np.load(models / f"{name}.{array}.npy") for array in "xy")
    y = run(path, x)
    assert y.shape == expected.shape
    scale = max(np.abs(expected).max(), 1e-30)
    deviation = np.abs(y.astype(float) - expected).max() / scale
    print(f"{name}: opset {model.opset_import[0].version}, deviation {deviation:.1e}")
    assert deviation <= TOLERANCE
    # The batch is dynamic: one observation alone gives the same.
    assert np.abs(run(path, x[:1]) - y[:1]).max() <= TOLERANCE * scale


def test_metadata(models):
    model = onnx.load(models / "residual.onnx")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["normkit.classes"]) == [str(i) for i in range(10)]
    assert json.loads(metadata["normkit.facts"]) == {"max_epochs": "5", "solver": "sgdm"}
    assert metadata["normkit.input_normalization"] == "zerocenter"
