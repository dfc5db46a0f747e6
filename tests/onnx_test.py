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


FORMS = ["prelu", "layer_scale", "dynamic_tanh", "cross_channel", "cross_channel_even"]
OF_VOLUMES = ["batch", "instance", "group", "layer", "layer_channels", "rms", "group_rms", "convolution", "convolution_same"]
OF_VOLUMES += ["convolution_sides"]
OF_VOLUMES += ["transposed_convolution", "max_pooling", "average_pooling", "global_average_pooling", "flatten"]
OF_VOLUMES += ["softmax", "resize"]


def names():
    kinds = ["images", "features"]
    norms = ["batch", "group_2", "group_all", "rms", "group_rms_2", "batch_bare", "layer_bare", "rms_bare"]
    norms += ["layer_" + d for d in ["batch-excluded", "auto", "channel-only", "spatial-channel"]]
    table = (ROOT / "src/ops/elementwise.cc").read_text(encoding="utf-8")
    maps = re.findall(r'Row<\w+>\("[^"]+", "[^"]+",\s+"(\w+)"', table) + ["dropout", "softmax"]
    assert "leaky_relu" in maps
    inputs = ["none", "zerocenter", "zscore", "rescale-zero-one", "rescale-symmetric"]
    return [f"{n}_{k}" for n in norms + maps + ["input_" + i for i in inputs] for k in kinds] + [
        *[f"{n}_{k}" for n in FORMS for k in ["images", "features", "volumes"]],
        *[f"{n}_volumes" for n in OF_VOLUMES],
        "attention",
        "attention_plain",
        "positions",
        "convolution_standardized",
        "transposed_convolution",
        "transposed_convolution_same",
        "unet_images",
        "unet_volumes",
        "resize",
        "resize_linear",
        "multiplication_2",
        "multiplication_3",
        "instance_images",  # one value a statistic on features
        "instance_bare_images",
        "group_rms_bare_images",
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


def sequence_names():
    ways = ["", "_last", "_reverse", "_reverse_last", "_both", "_both_last"]
    norms = ["batch", "layer_batch-excluded", "layer_auto", "instance", "group_2", "rms", "group_rms_2"]
    layers = [kind + way for kind in ["lstm", "gru", "projected", "normalized"] for way in ways]
    layers += ["lstm_hard", "projected_hard", "gru_hard", "gru_before", "gru_two_biases"]
    layers += ["lstm_begun", "gru_begun", "projected_begun"]
    layers += norms + [n + "_bare" for n in norms]
    layers += [f"{kind}{way}" for kind in ["convolution", "max_pooling", "average_pooling"] for way in ["", "_causal"]]
    layers += ["mean", "maximum", "last", "attention", "attention_causal", "positions", "waves", "embedding"]
    layers += ["fully_connected", "softmax", "once", "each"]
    layers += ["pictures_" + name for name in ["batch", "layer", "layer_auto", "layer_space", "instance", "group_2", "rms",
                                               "group_rms_2", "convolution", "pooling", "once", "each", "given"]]  # fmt: skip
    layers += ["lines_given"]
    return ["sequence_" + name for name in layers]


@pytest.fixture(scope="session")
def models(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([program.parent / "export_models", folder], check=True, timeout=60)
    return folder


def test_every_model_is_judged(models):
    assert sorted(path.stem for path in models.glob("*.onnx")) == sorted(names() + sequence_names())


def run(path, *inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: x for i, x in zip(session.get_inputs(), inputs, strict=True)})[0]


def tolerance(model):
    """The same of each layer that adds up products: what one rounds, the next ones bring along."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    weights = {name: tensor.dims for name, tensor in constants.items()}
    for node in model.graph.node:  # standardized ones are computed, and get their shape last
        if node.op_type == "Reshape" and node.input[1] in constants:
            weights[node.output[0]] = onnx.numpy_helper.to_array(constants[node.input[1]])
    sums = [weights[node.input[1]] for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    return max(TOLERANCE, 2 * 4 * 2**-24 * sum(np.prod(dims[1:]) ** 0.5 for dims in sums))


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
    assert deviation <= tolerance(model)
    # The batch is dynamic: one observation alone gives the same.
    assert np.abs(run(path, x[:1]) - y[:1]).max() <= tolerance(model) * scale


# The same bound: errors of a step reach the next ones through gates, whose derivatives are 1 / 4 at most and mostly
# much less. 8e-7 was seen, at the end of 9 steps through all layers.
@pytest.mark.parametrize("name", sequence_names())
def test_sequences(models, name):
    path = models / f"{name}.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}
    x, lengths, expected = (np.load(models / f"{name}.{array}.npy") for array in ("x", "lengths", "y"))
    y = run(path, x, lengths)
    assert y.shape == expected.shape
    scale = max(np.abs(expected).max(), 1e-30)
    deviation = np.abs(y.astype(float) - expected).max() / scale
    print(f"{name}: opset {model.opset_import[0].version}, deviation {deviation:.1e}")
    assert deviation <= TOLERANCE
    steps = np.arange(x.shape[1]) < lengths[:, None]
    if y.ndim > 2:
        assert (y[~steps] == 0).all()
    # What stands in padding changes no bit, nor does it have to be a number.
    for garbage in (0, np.nan, -np.inf):
        assert np.array_equal(run(path, np.where(steps.reshape(steps.shape + (1,) * (x.ndim - 2)), x, np.float32(garbage)), lengths), y)
    # Each sequence alone gives the same, without padding.
    for i, length in enumerate(lengths):
        alone = run(path, x[i : i + 1, :length], lengths[i : i + 1])
        there = y[i : i + 1, :length] if y.ndim > 2 else y[i : i + 1]
        assert np.abs(alone - there).max() <= TOLERANCE * scale


def test_metadata(models):
    model = onnx.load(models / "residual.onnx")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["normkit.classes"]) == [str(i) for i in range(10)]
    assert json.loads(metadata["normkit.facts"]) == {"max_epochs": "5", "solver": "sgdm"}
    assert metadata["normkit.input_normalization"] == "zerocenter"
