"""`normkit train --from`: finished networks, ours and others', trained on."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from statistics_test import CIFAR, bars, initializers


@pytest.fixture(scope="session")
def model(normkit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finetune")
    normkit("train", "--data", "digits:600", "--network", "resnet-tiny", "--max-epochs", 3, "--output", folder / "out")
    return folder / "out/model.onnx"


@pytest.fixture(scope="session")
def letters(tmp_path_factory):
    return bars(tmp_path_factory.mktemp("bars") / "bars.npz", lambda x: x, 1)


def others(source, target):
    proto = onnx.load(source)
    del proto.metadata_props[:]
    onnx.save(proto, target)
    return target


def changed(a, b):
    a, b = initializers(a), initializers(b)
    return {name for name in a if name not in b or not np.array_equal(a[name], b[name])}


def train(normkit, source, data, out, *words):
    done = normkit("train", "--from", source, "--data", data, "--max-epochs", 2, "--output", out, "--json", *words)
    return json.loads(done.stdout)


@pytest.mark.parametrize("whose", ["ours", "others"])
def test_goes_on(normkit, model, tmp_path, whose):
    source = model if whose == "ours" else others(model, tmp_path / "others.onnx")
    before = json.loads(normkit("eval", source, "--data", "digits:400", "--seed", 7, "--json").stdout)
    words = ["--seed", 7, "--initial-learn-rate", 1e-5]
    said = train(normkit, source, "digits:400", tmp_path / "out", *words)
    assert said["validation_accuracy"] > before["accuracy"] - 3
    again = json.loads(normkit("eval", tmp_path / "out/model.onnx", "--data", "digits:400", "--held-out", "--seed", 7,
                               "--json").stdout)  # fmt: skip
    assert again["accuracy"] == pytest.approx(said["validation_accuracy"])
    nodes = [[(n.name, n.op_type) for n in onnx.load(m).graph.node] for m in (source, tmp_path / "out/model.onnx")]
    assert nodes[0] == nodes[1]


@pytest.mark.parametrize("whose", ["ours", "others"])
def test_the_three_switches(normkit, model, letters, tmp_path, whose):
    source = model if whose == "ours" else others(model, tmp_path / "others.onnx")
    norms = [n for n in onnx.load(source).graph.node if n.op_type == "BatchNormalization"]
    trained = {name for n in norms for name in n.input[3:]}
    affine = {name for n in norms for name in n.input[1:3]}

    def run(*words):
        train(normkit, source, letters, tmp_path / "out", "--overwrite", "--batch-normalization-statistics", "moving", *words)
        return changed(source, tmp_path / "out/model.onnx")

    every = run()
    assert trained <= every and affine <= every
    assert run("--freeze", "*") == trained
    assert trained.isdisjoint(run("--freeze-statistics", "*"))
    some = run("--use-trained-statistics", norms[0].name)
    assert trained - some == set(norms[0].input[3:])


@pytest.mark.parametrize("whose", ["ours", "others"])
def test_takes_the_input_anew(normkit, model, letters, tmp_path, whose):
    source = model if whose == "ours" else others(model, tmp_path / "others.onnx")
    words = ["--overwrite", "--freeze", "*", "--freeze-statistics", "*"]
    train(normkit, source, letters, tmp_path / "out", *words)
    assert changed(source, tmp_path / "out/model.onnx") == set()
    said = normkit("train", "--from", source, "--data", letters, "--max-epochs", 1, "--output", tmp_path / "out",
                   *words, "--reset-input-normalization", "on")  # fmt: skip
    new = changed(source, tmp_path / "out/model.onnx")
    warned = "the network's input layer normalizes nothing" in said.stderr
    assert warned == (whose == "others")  # whose files have no input layer
    assert new == (set() if warned else {"input.mean", "input.std"})
    if new:
        after = initializers(tmp_path / "out/model.onnx")["input.mean"]
        assert after.reshape(-1) == pytest.approx([np.load(letters)["x"].mean()], rel=0.05)  # a part is held out


def test_other_classes_and_sizes(normkit, model, letters, tmp_path):
    large = np.kron(np.load(letters)["x"][:160], np.ones((1, 2, 2), np.uint8))
    large[::2] = large[::2].transpose(0, 2, 1)  # bars that stand, and bars that lie
    np.savez(tmp_path / "two.npz", x=large, y=np.arange(160) % 2)
    for source in (model, others(model, tmp_path / "others.onnx")):
        said = train(normkit, source, tmp_path / "two.npz", tmp_path / "out", "--overwrite", "--image-size", "56x56",
                     "--mini-batch-size", 4, "--initial-learn-rate", 0.01)  # fmt: skip
        assert said["validation_accuracy"] > 90
        new = onnx.load(tmp_path / "out/model.onnx")
        onnx.checker.check_model(new, full_check=True)
        shape = [d.dim_value for d in new.graph.input[0].type.tensor_type.shape.dim]
        assert shape[1:] == [1, 56, 56]
        found = json.loads(normkit("eval", tmp_path / "out/model.onnx", "--data", tmp_path / "two.npz", "--json").stdout)
        assert [c["name"] for c in found["classes"]] == ["0", "1"]


def test_reset_and_resume(normkit, model, letters, tmp_path):
    whole = ["--reset", "*", "--range", "1", "--mini-batch-size", 16]
    train(normkit, model, letters, tmp_path / "whole", *whole)
    facts = json.loads(normkit("inspect", tmp_path / "whole/model.onnx", "--json").stdout)["facts"]
    assert facts["input-form"] == "range 1" and facts["from"] == str(model)
    done = normkit("train", "--from", model, "--data", letters, "--output", tmp_path / "x", "--freeze", "nothing", code=1)
    assert "freeze: nothing is called 'nothing'" in done.stderr
    done = normkit("train", "--freeze", "*", "--data", letters, "--output", tmp_path / "y", code=1)
    assert done.stderr.splitlines()[-1] == "normkit: --freeze is given without --from, expected both"


def test_two_classes_of_cifar_from_resnet(normkit, real_data, tmp_path):
    for name in ("cat", "ship"):
        (tmp_path / "two").mkdir(exist_ok=True)
        (tmp_path / "two" / name).symlink_to(real_data / "cifar10-jpg/test" / name)
    for words in ([], ["--freeze-statistics", "*"], ["--use-trained-statistics", "*"]):
        said = train(normkit, real_data / "models/resnet20-cifar10.onnx", tmp_path / "two", tmp_path / "out",
                     "--overwrite", *CIFAR, *words)  # fmt: skip
        print(words, f"{said['validation_accuracy']:.2f} %")
        assert said["validation_accuracy"] > 90
    assert numpy_helper.to_array(
        next(t for t in onnx.load(tmp_path / "out/model.onnx").graph.initializer if t.name == "linear.weight.new")
    ).shape == (2, 64)
