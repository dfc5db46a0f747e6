"""`normkit doctor`: networks that are broken on purpose, one fault each: it names layer, fault and cure, and the
cure's command brings the metric back. Healthy ones are called healthy."""

import json
import shlex
import subprocess

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from statistics_test import CIFAR, spoil

DIGITS = "digits:1200"


def train(normkit, folder, *words):
    normkit("train", "--data", DIGITS, "--seed", 3, "--output", folder, *words)
    return folder / "model.onnx"


@pytest.fixture(scope="session")
def healthy(normkit, tmp_path_factory):
    return train(normkit, tmp_path_factory.mktemp("healthy") / "out", "--max-epochs", 4, "--mini-batch-size", 32)


def doctor(normkit, model, data=DIGITS, *words, code=3):
    done = normkit("doctor", model, "--data", data, *words, "--json", code=code)
    return json.loads(done.stdout)


def accuracy(normkit, model, data=DIGITS, *words):
    return json.loads(normkit("eval", model, "--data", data, "--json", *words).stdout)["accuracy"]


def check(normkit, program, folder, model, fault, layer, text, expected, data=DIGITS, words=()):
    """The only finding is this one, and its command brings back what is expected."""
    said = doctor(normkit, model, data, *words, "--observations", 1200)
    assert [f["fault"] for f in said["findings"]] == [fault], said["findings"]
    finding = said["findings"][0]
    print(finding["layer"], "|", finding["finding"], "|", finding["effect"], "|", finding["cure"])
    assert layer in finding["layer"] and text in finding["finding"]
    command = shlex.split(finding["command"].removeprefix("normkit "))
    done = subprocess.run([program, *command, "--json"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if command[0] == "eval":
        restored = json.loads(done.stdout)["accuracy"]
    else:
        mended = folder / ("mended/model.onnx" if command[0] == "train" else "mended.onnx")
        restored = accuracy(normkit, mended, data, *([] if words else ["--seed", 3]), *words)
    print(f"restored to {restored:.2f} % of {expected:.2f} %")
    assert restored >= expected - 1
    return said


def edit(source, target, change, others=True):
    proto = onnx.load(source)
    norms = [n for n in proto.graph.node if n.op_type == "BatchNormalization"]
    tensors = {t.name: t for t in proto.graph.initializer}

    def put(name, values):
        tensors[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))

    change(proto, norms, lambda name: numpy_helper.to_array(tensors[name]).copy(), put)
    if others:
        del proto.metadata_props[:]
    onnx.save(proto, target)
    return target


def set_attribute(node, name, value):
    for attribute in node.attribute:
        if attribute.name == name:
            attribute.f = value


@pytest.mark.parametrize("norm", ["batch", "group:4", "layer"])
def test_healthy_ones(normkit, tmp_path, norm):
    model = train(normkit, tmp_path / "out", "--max-epochs", 4, "--norm", norm)
    said = doctor(normkit, model, code=0)
    assert said["healthy"] and said["findings"] == []
    assert len(said["batch_sensitivity"]) == (4 if norm == "batch" else 0)
    text = normkit("doctor", model, "--data", DIGITS, "--page", tmp_path / "page.html").stdout
    assert "Healthy: nothing that was tried makes it better." in text
    assert (tmp_path / "page.html").read_text().count("<svg") == len(said["layers"])


def test_statistics_of_other_data(normkit, program, healthy, tmp_path):
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "noise.npz", x=rng.integers(0, 256, (200, 28, 28)).astype(np.uint8), y=np.arange(200) % 10)
    normkit("statistics", healthy, "--data", tmp_path / "noise.npz", "-o", tmp_path / "other.onnx")
    check(normkit, program, tmp_path, tmp_path / "other.onnx", "statistics", "norm", "those of other data",
          accuracy(normkit, healthy))  # fmt: skip


def test_frozen_at_the_start(normkit, program, healthy, tmp_path):
    check(normkit, program, tmp_path, spoil(healthy, tmp_path / "frozen.onnx", False), "statistics", "norm",
          "the 0 and 1 that they began with", accuracy(normkit, healthy))  # fmt: skip


def test_trained_in_pairs_with_moving_statistics(normkit, program, tmp_path):
    """What mends it gets as far as the training that ends with other statistics."""
    start = train(normkit, tmp_path / "start", "--network", "mlp", "--max-epochs", 4, "--mini-batch-size", 32)
    pairs = ["--from", start, "--max-epochs", 1, "--mini-batch-size", 2, "--learn-rate-schedule", "none",
             "--initial-learn-rate", 0.001]  # fmt: skip
    best = train(normkit, tmp_path / "auto", *pairs)
    model = train(normkit, tmp_path / "moving", *pairs, "--batch-normalization-statistics", "moving")
    check(normkit, program, tmp_path, model, "statistics", "norm", "moving estimates of mini-batches of 2",
          accuracy(normkit, best))  # fmt: skip


def test_momentum_read_the_other_way_round(normkit, program, healthy, tmp_path):
    def turn(proto, norms, get, put):
        for norm in norms:
            set_attribute(norm, "momentum", 0.1)

    turned = edit(healthy, tmp_path / "turned.onnx", turn)
    normkit("statistics", turned, "--data", "digits:40", "--method", "moving", "--mini-batch-size", 1,
            "-o", tmp_path / "model.onnx")  # fmt: skip
    check(normkit, program, tmp_path, tmp_path / "model.onnx", "statistics", "norm",
          "a momentum read the other way round", accuracy(normkit, healthy), words=("--seed", 3))  # fmt: skip


def test_dead_layer(normkit, program, healthy, tmp_path):
    def kill(proto, norms, get, put):
        put(norms[1].input[1], np.zeros_like(get(norms[1].input[1])))

    name = [n.name for n in onnx.load(healthy).graph.node if n.op_type == "BatchNormalization"][1]
    check(normkit, program, tmp_path, edit(healthy, tmp_path / "dead.onnx", kill, others=False), "dead", name,
          "100 % of its channels are dead", accuracy(normkit, healthy))  # fmt: skip


def test_huge_epsilon(normkit, program, healthy, tmp_path):
    def widen(proto, norms, get, put):
        set_attribute(norms[1], "epsilon", 1e4)

    check(normkit, program, tmp_path, edit(healthy, tmp_path / "epsilon.onnx", widen), "epsilon",
          "norm", "Its epsilon is 1e+04", accuracy(normkit, healthy), words=("--seed", 3))  # fmt: skip


def test_one_value_per_statistic(normkit, program, tmp_path):
    words = ["--network", "mlp", "--max-epochs", 2, "--l2-regularization", 0]
    model = train(normkit, tmp_path / "one", *words, "--mini-batch-size", 1)
    best = accuracy(normkit, train(normkit, tmp_path / "auto", *words, "--mini-batch-size", 64))
    check(normkit, program, tmp_path, model, "one-value", "norm", "one value behind each of its statistics", best)


def test_overflow_in_half_precision(normkit, healthy, program, tmp_path):
    factor = 2.0**20

    def grow(proto, norms, get, put):
        makers = {name: node for node in proto.graph.node for name in node.output}
        conv = makers[norms[1].input[0]]
        for name in conv.input[1:]:
            put(name, get(name) * factor)
        put(norms[1].input[3], get(norms[1].input[3]) * factor)
        put(norms[1].input[4], get(norms[1].input[4]) * factor**2)

    model = edit(healthy, tmp_path / "large.onnx", grow, others=False)
    said = check(normkit, program, tmp_path, model, "f16", "norm", "overflows in half precision", accuracy(normkit, healthy))
    assert max(layer["largest"] for layer in said["layers"]) > 65504
    mended = doctor(normkit, tmp_path / "mended.onnx", code=0)
    assert max(layer["largest"] for layer in mended["layers"]) < 65504


def test_another_range_than_in_training(normkit, program, real_data, tmp_path):
    """A network of another framework, on a few pictures of each class."""
    model, data = real_data / "models/resnet20-cifar10.onnx", tmp_path / "some"
    for folder in sorted((real_data / "cifar10-jpg/test").iterdir()):
        (data / folder.name).mkdir(parents=True)
        for picture in sorted(folder.iterdir())[:20]:
            (data / folder.name / picture.name).symlink_to(picture)
    check(normkit, program, tmp_path, model, "input", "x", "another range", accuracy(normkit, model, data, *CIFAR), data)


def test_another_order_of_channels_than_in_training(normkit, program, tmp_path):
    """Bars of five places, red or blue."""
    y = np.arange(400) % 10
    x = np.random.default_rng(1).normal(40, 10, (400, 16, 16, 3))
    for i, k in enumerate(y):
        x[i, 3 * (k // 2) : 3 * (k // 2) + 2, 3:13, 2 * (k % 2)] += 150
    data = tmp_path / "bars.npz"
    np.savez(data, x=np.clip(x, 0, 255).astype(np.uint8), y=y)
    normkit("train", "--data", data, "--max-epochs", 4, "--output", tmp_path / "out")
    model = tmp_path / "out/model.onnx"
    check(normkit, program, tmp_path, model, "input", "input", "another order of channels", accuracy(normkit, model, data),
          data, ["--channel-order", "bgr"])  # fmt: skip


def test_what_cannot_be_done(normkit, tmp_path, healthy):
    (tmp_path / "x.onnx").write_bytes(b"no model")
    normkit("doctor", tmp_path / "x.onnx", "--data", DIGITS, code=1)
    normkit("doctor", healthy, "--data", tmp_path / "nothing", code=1)
