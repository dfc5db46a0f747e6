"""`normkit statistics`: what batch normalizations predict with is brought back, in models of ours and of others."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

CIFAR = ["--range", 1, "--input-mean", "0.485,0.456,0.406", "--input-std", "0.229,0.224,0.225"]


@pytest.fixture(scope="session")
def model(normkit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("statistics")
    normkit(
        *("train", "--data", "digits:600", "--max-epochs", 4, "--mini-batch-size", 32, "--seed", 3),
        *("--output", folder / "out", "--json"),
    )
    return folder / "out/model.onnx"


def spoil(source, target, others):
    """The model with statistics 0 and 1; others: and nothing in it that says who wrote it."""
    proto = onnx.load(source)
    names = {name for node in proto.graph.node if node.op_type == "BatchNormalization" for name in node.input[3:]}
    for tensor in proto.graph.initializer:
        if tensor.name in names:
            values = numpy_helper.to_array(tensor)
            fresh = np.ones_like(values) if "var" in tensor.name else np.zeros_like(values)
            tensor.CopyFrom(numpy_helper.from_array(fresh, tensor.name))
    if others:
        del proto.metadata_props[:]
    onnx.save(proto, target)
    return target


def initializers(path):
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}


@pytest.mark.parametrize("method", ["auto", "population", "population-exact"])
@pytest.mark.parametrize("others", [False, True])
def test_brings_statistics_back(normkit, model, tmp_path, method, others):
    before = json.loads(normkit("eval", model, "--data", "digits:600", "--json").stdout)
    broken = spoil(model, tmp_path / "broken.onnx", others)
    seed = [] if not others else ["--seed", 3]
    done = normkit(
        *("statistics", broken, "--data", "digits:600", *seed, "-o", tmp_path / "mended.onnx"),
        *("--method", method, "--json"),
    )
    said = json.loads(done.stdout)
    assert said["before"]["accuracy"] < before["accuracy"] - 3
    assert said["after"]["accuracy"] >= before["accuracy"] - 1
    assert len(said["layers"]) == 3
    for layer in said["layers"]:
        assert layer["gap_before"]["variance"] > 0.5
        if method != "population":  # those of what prediction feeds, in f32
            assert layer["gap_after"]["variance"] < 1e-5
    # Nothing else changed.
    old, new = initializers(broken), initializers(tmp_path / "mended.onnx")
    assert old.keys() == new.keys()
    changed = {name for name in old if not np.array_equal(old[name], new[name])}
    assert len(changed) == 6 and all("trained" in name for name in changed)
    onnx.checker.check_model(onnx.load(tmp_path / "mended.onnx"), full_check=True)


def test_others_get_the_statistics_of_ours(normkit, model, tmp_path):
    results = []
    for others in (False, True):
        broken = spoil(model, tmp_path / f"broken{others}.onnx", others)
        normkit("statistics", broken, "--data", "digits:300", "--seed", 3, "-o", tmp_path / f"{others}.onnx",
                "--mini-batch-size", 50)  # fmt: skip
        results.append(initializers(tmp_path / f"{others}.onnx"))
    for name, values in results[0].items():
        # One network in two graphs: a different order of f32 sums before each normalization.
        np.testing.assert_allclose(results[1][name], values, rtol=1e-4, atol=1e-4)


def test_some_layers_and_another_epsilon(normkit, model, tmp_path):
    names = [n.name for n in onnx.load(model).graph.node if n.op_type == "BatchNormalization"]
    broken = spoil(model, tmp_path / "broken.onnx", True)
    normkit("statistics", broken, "--data", "digits:100", "--layers", names[1], "--epsilon", 0.25,
            "-o", tmp_path / "mended.onnx")  # fmt: skip
    nodes = [n for n in onnx.load(tmp_path / "mended.onnx").graph.node if n.op_type == "BatchNormalization"]
    epsilons = [next(a.f for a in n.attribute if a.name == "epsilon") for n in nodes]
    assert epsilons == pytest.approx([1e-5, 0.25, 1e-5])
    old, new = initializers(broken), initializers(tmp_path / "mended.onnx")
    assert {name for name in old if not np.array_equal(old[name], new[name])} == set(nodes[1].input[3:])


def bars(path, light, seed):
    """Pictures of ten classes, bars of ten places, in some light."""
    rng = np.random.default_rng(seed)
    y = np.arange(400) % 10
    x = rng.normal(40, 10, (400, 28, 28))
    for i, k in enumerate(y):
        x[i, 2 + 2 * k : 5 + 2 * k, 4:24] += 180
    np.savez(path, x=np.clip(light(x), 0, 255).astype(np.uint8), y=y)
    return path


def test_adapts_to_another_light(normkit, tmp_path):
    day = bars(tmp_path / "day.npz", lambda x: x, 1)
    night = bars(tmp_path / "night.npz", lambda x: 10 + x / 8, 2)
    normkit("train", "--data", day, "--max-epochs", 4, "--output", tmp_path / "out")
    said = json.loads(
        normkit("statistics", tmp_path / "out/model.onnx", "--data", night, "--method", "adapt:0.9", "--json",
                "-o", tmp_path / "night.onnx").stdout  # fmt: skip
    )
    print(said["before"], said["after"])
    assert said["after"]["accuracy"] > said["before"]["accuracy"] + 10


def test_refuses(normkit, model, tmp_path):
    out = ["--data", "digits:20", "-o", tmp_path / "x.onnx"]
    done = normkit("statistics", model, *out, "--layers", "bm*", code=1)
    assert done.stderr.splitlines()[-1].startswith("normkit: layers: nothing is called 'bm*'")
    done = normkit("statistics", model, *out, "--method", "adapt:2", code=2)
    assert "--method: 'adapt:2' given, expected adapt:ALPHA with" in done.stderr
    normkit("train", "--data", "digits:60", "--norm", "layer", "--max-epochs", 1, "--output", tmp_path / "layer")
    done = normkit("statistics", tmp_path / "layer/model.onnx", *out, code=1)
    assert "has no batch normalization that predicts with statistics of training" in done.stderr
    assert not (tmp_path / "x.onnx").exists()


def test_resnet_of_others(normkit, real_data, tmp_path):
    """A network of another framework whose statistics are lost, on pictures that it was not trained on."""
    model, data = real_data / "models/resnet20-cifar10.onnx", real_data / "cifar10-jpg/test"
    own = json.loads(normkit("eval", model, "--data", data, *CIFAR, "--json").stdout)["accuracy"]
    broken = spoil(model, tmp_path / "broken.onnx", True)
    done = normkit("statistics", broken, "--data", data, *CIFAR, "--shift", 4, "--mirror", "--json",
                   "-o", tmp_path / "mended.onnx")  # fmt: skip
    said = json.loads(done.stdout)
    print(f"as it was {own:.2f} %, broken {said['before']['accuracy']:.2f} %, mended {said['after']['accuracy']:.2f} %")
    assert said["before"]["accuracy"] < 30
    assert said["after"]["accuracy"] > own - 1


def with_channels_last(source, target):
    """The same network as TensorFlow's converter writes it: pictures have their channels last."""
    proto = onnx.load(source)
    (given,) = proto.graph.input
    batch, channels, *space = given.type.tensor_type.shape.dim
    given.name, inner = "pictures", given.name
    dims = [onnx.TensorShapeProto.Dimension.FromString(d.SerializeToString()) for d in (batch, *space, channels)]
    given.type.tensor_type.shape.ClearField("dim")
    given.type.tensor_type.shape.dim.extend(dims)
    turn = onnx.helper.make_node("Transpose", ["pictures"], [inner], perm=[0, 3, 1, 2])
    nodes = [turn, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    onnx.save(proto, target)
    return target


def test_files_with_channels_last(normkit, model, tmp_path):
    """Whatever the order of the file, the same numbers; as pictures they go in, and in another size."""
    broken = spoil(model, tmp_path / "broken.onnx", True)
    last = with_channels_last(broken, tmp_path / "last.onnx")
    mended = []
    for source in (broken, last):
        normkit("statistics", source, "--data", "digits:200", "--seed", 3, "-o", tmp_path / f"mended-{source.name}")
        mended.append(initializers(tmp_path / f"mended-{source.name}"))
    for name, values in mended[0].items():
        assert np.array_equal(mended[1][name], values)
    said = [normkit("eval", tmp_path / f"mended-{source.name}", "--data", "digits:200", "--seed", 3, "--json").stdout
            for source in (broken, last)]  # fmt: skip
    assert json.loads(said[0])["accuracy"] == json.loads(said[1])["accuracy"] > 90
    normkit("train", "--from", last, "--data", "digits:60", "--max-epochs", 1, "--output", tmp_path / "more")
    shape = onnx.load(tmp_path / "more/model.onnx").graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in shape][1:] == [28, 28, 1]
