"""eval, predict and inspect on models that `normkit train` made, and ONNX Runtime on the same models."""

import json
import struct
import zlib

import numpy as np
import onnx
import onnxruntime
import pytest

NORMS = ["none", "batch", "layer", "layer:channel-only", "instance", "group:4", "rms"]


def write_png(path, pixels):
    """An 8-bit PNG of [H,W] (grey) or [H,W,3] (RGB) pixels."""

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(pixels, np.uint8))
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="session")
def trained(normkit, tmp_path_factory):
    """trained(norm) gives (model file, what training said of it); each is trained once."""
    made = {}

    def train(norm):
        if norm not in made:
            folder = tmp_path_factory.mktemp("trained")
            done = normkit(
                *("train", "--data", "digits:240", "--norm", norm, "--max-epochs", 1, "--seed", 3),
                *("--mini-batch-size", 48, "--output", folder, "--json"),
            )
            made[norm] = folder / "model.onnx", json.loads(done.stdout)
        return made[norm]

    return train


@pytest.mark.parametrize("norm", NORMS)
def test_onnx_runtime_agrees(normkit, trained, tmp_path, norm):
    model, _ = trained(norm)
    onnx.checker.check_model(onnx.load(model), full_check=True)
    x = np.random.default_rng(5).integers(0, 256, (20, 28, 28)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    done = normkit("predict", model, tmp_path / "x.npy", "--top", 10, "--json")
    probabilities = np.zeros((20, 10))
    for i, one in enumerate(json.loads(done.stdout)):
        for row in one["predictions"]:
            probabilities[i, int(row["class"])] = row["probability"]

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    y = session.run(None, {session.get_inputs()[0].name: x[:, None]})[0]
    # Some ten layers in f32 on both sides: logits differ by a few times 1e-5 of the largest (10 or
    # so), a probability by a quarter of what its logit does.
    deviation = np.abs(y - probabilities).max()
    print(f"{norm}: deviation {deviation:.1e}")
    assert deviation < 5e-5
    assert (y.argmax(1) == probabilities.argmax(1)).all()


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_eval_gives_what_training_reported(normkit, trained, norm):
    model, reported = trained(norm)
    for part in (["--held-out"], ["--validation-fraction", 0.15], ["--held-out", "--threads", 1]):
        done = normkit("eval", model, "--data", "digits:240", *part, "--json")
        found = json.loads(done.stdout)
        assert found["accuracy"] == reported["validation_accuracy"]
        assert found["loss"] == reported["validation_loss"]
        assert found["observations"] == 36
    confusion = np.array(found["confusion"])
    assert confusion.sum() == 36
    assert np.trace(confusion) / 36 * 100 == pytest.approx(found["accuracy"], abs=1e-12)
    assert [c["observations"] for c in found["classes"]] == confusion.sum(1).tolist()
    assert [c["predicted"] for c in found["classes"]] == confusion.sum(0).tolist()


def test_eval_text(normkit, trained):
    model, reported = trained("batch")
    text = normkit("eval", model, "--data", "digits:240", "--held-out").stdout
    assert f"Accuracy  {reported['validation_accuracy']:.2f} % (" in text
    assert f"Loss      {reported['validation_loss']:.4f}" in text
    assert "recall %" in text and "precision %" in text
    everything = normkit("eval", model, "--data", "digits:240").stdout
    assert "Data      digits (240 generated, seed 3)" in everything and "of 240)" in everything


def write_folder(path, names, shape=(40, 30)):
    rng = np.random.default_rng(6)
    for name in names:
        (path / name).mkdir(parents=True)
        for i in range(3):
            write_png(path / name / f"{i}.png", rng.integers(0, 256, shape))
    return path


def test_eval_finds_classes_by_name(normkit, trained, tmp_path):
    model, _ = trained("batch")
    folder = write_folder(tmp_path / "data", ["7", "3"])
    found = json.loads(normkit("eval", model, "--data", folder, "--json").stdout)
    counts = {c["name"]: c["observations"] for c in found["classes"]}
    assert counts == {str(i): 3 if i in (3, 7) else 0 for i in range(10)}
    write_folder(tmp_path / "data", ["cat"])
    done = normkit("eval", model, "--data", folder, code=1)
    assert "has class 'cat', expected those of the model: 0, 1, 2" in done.stderr


def test_predict_pictures(normkit, trained, tmp_path):
    model, _ = trained("batch")
    rng = np.random.default_rng(7)
    grey = rng.integers(0, 256, (28, 28))
    write_png(tmp_path / "grey.png", grey)
    write_png(tmp_path / "colour.png", np.stack([grey] * 3, axis=-1))
    write_png(tmp_path / "large.png", np.kron(grey, np.ones((3, 3), int)))
    np.save(tmp_path / "array.npy", grey.astype(np.uint8))
    files = [tmp_path / name for name in ("grey.png", "colour.png", "large.png", "array.npy")]
    done = normkit("predict", model, *files, "--top", 3, "--json")
    predictions = json.loads(done.stdout)
    assert [p["file"] for p in predictions] == [str(file) for file in files]
    assert all(len(p["predictions"]) == 3 for p in predictions)
    assert all(p["predictions"] == predictions[0]["predictions"] for p in predictions)
    values = [row["probability"] for row in predictions[0]["predictions"]]
    assert values == sorted(values, reverse=True) and values[0] <= 1

    lines = normkit("predict", model, files[0], "--top", 2).stdout.splitlines()
    assert lines[0].split() == ["file", "class", "probability"]
    assert len(lines) == 4  # a rule below the header
    assert lines[2].split() == [
        str(files[0]),
        predictions[0]["predictions"][0]["class"],
        f"{values[0]:.4f}",
    ]


def test_predict_goes_on_after_a_bad_file(normkit, trained, tmp_path):
    model, _ = trained("batch")
    write_png(tmp_path / "good.png", np.zeros((28, 28), int))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    np.save(tmp_path / "wrong.npy", np.zeros((2, 28, 27), np.float32))
    files = [tmp_path / name for name in ("bad.png", "wrong.npy", "good.png")]
    done = normkit("predict", model, *files, code=1)
    assert "good.png" in done.stdout
    assert f"{files[0]}: " in done.stderr
    assert f"{files[1]}: is [2,28,27], expected [N,28,28,1] (what the model takes)" in done.stderr
    assert done.stderr.splitlines()[-1] == "normkit: 2 of 3 files could not be used"


def test_inspect(normkit, trained):
    model, reported = trained("batch")
    found = json.loads(normkit("inspect", model, "--json").stdout)
    assert found["learnables"] == reported["learnables"]
    assert (found["opset"], found["ir_version"]) == (15, 8)
    assert found["bytes"] == model.stat().st_size
    assert found["classes"] == [str(i) for i in range(10)]
    assert found["facts"]["seed"] == "3"
    norms = [layer for layer in found["layers"] if layer["type"] == "batch normalization"]
    channels = norms[0]["output"]["shape"][-1]
    assert norms[0]["reduces"] == f"B,S; one per C ({channels})"

    text = normkit("inspect", model).stdout
    assert f"Parameters  {reported['learnables']} learnable" in text
    for word in ("batch normalization", "reduces", "B,S", "mini-batch-size", "opset 15"):
        assert word in text


@pytest.mark.parametrize(
    "norm, expected",
    [
        ("layer", "S,C; one per B (1 an observation)"),
        ("layer:channel-only", "C; one per B,S ({spatial} an observation)"),
        ("instance", "S; one per B,C ({channels} an observation)"),
        ("group:4", "S,C/4; one per B,G (4 an observation)"),
        ("rms", "C; one per B,S ({spatial} an observation)"),
    ],
)
def test_inspect_says_what_is_reduced(normkit, trained, norm, expected):
    found = json.loads(normkit("inspect", trained(norm)[0], "--json").stdout)
    layer = next(layer for layer in found["layers"] if "reduces" in layer)
    _, height, width, channels = layer["output"]["shape"]
    assert layer["reduces"] == expected.format(spatial=height * width, channels=channels)


@pytest.mark.parametrize("command", [["eval", "--data", "digits"], ["predict", "x.png"], ["inspect"]])
def test_bad_model_files(normkit, tmp_path, command):
    missing, damaged = tmp_path / "missing.onnx", tmp_path / "damaged.onnx"
    damaged.write_bytes(b"\x08\x07no model")
    name, *rest = command
    done = normkit(name, missing, *rest, code=1)
    assert done.stderr == f"normkit: {missing}: cannot be read: No such file or directory\n"
    done = normkit(name, damaged, *rest, code=1)
    assert done.stderr.startswith(f"normkit: {damaged}: is not an ONNX model (10 bytes ")


def write_model(path, node, size_in, size_out):
    """A model of one node from x to y, as others may write it."""
    value = lambda name, size: onnx.helper.make_tensor_value_info(  # noqa: E731
        name, onnx.TensorProto.FLOAT, ["N", *size]
    )
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(node, ["x"], ["y"])], "g", [value("x", size_in)], [value("y", size_out)]
    )
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


def test_what_predict_cannot_print(normkit, trained, tmp_path):
    write_png(tmp_path / "x.png", np.zeros((4, 4), np.uint8))
    images = write_model(tmp_path / "images.onnx", "Relu", [3, 4, 4], [3, 4, 4])
    done = normkit("predict", images, tmp_path / "x.png", code=1)
    expected = "the model gives images, BSSC [1,4,4,3], expected classes or values to print"
    assert done.stderr == f"normkit: {expected}\n"

    features = write_model(tmp_path / "features.onnx", "Relu", [5], [5])
    done = normkit("predict", features, tmp_path / "x.png", code=1)
    assert done.stderr == (
        f"normkit: {tmp_path}/x.png: the model takes BC [1,5], expected images with 1 or 3 channels "
        "(give it .npy)\nnormkit: 1 of 1 files could not be used\n"
    )

    model, _ = trained("batch")
    proto = onnx.load(model)
    for entry in proto.metadata_props:
        if entry.key == "normkit.classes":
            entry.value = json.dumps(json.loads(entry.value)[:9])
    onnx.save(proto, tmp_path / "nine.onnx")
    done = normkit("predict", tmp_path / "nine.onnx", tmp_path / "x.png", code=1)
    assert done.stderr == "normkit: the model gives 10 values for 9 classes, expected one each\n"


def test_wrong_command_lines(normkit, trained):
    model, _ = trained("batch")
    assert "--data" in normkit("eval", model, code=2).stderr
    assert "--held-out" in normkit(
        *("eval", model, "--data", "digits", "--held-out", "--validation-fraction", 0.2), code=2
    ).stderr
    assert "--top" in normkit("predict", model, "x.png", "--top", 0, code=2).stderr


def test_nothing_was_held_out(normkit, tmp_path):
    normkit(
        *("train", "--data", "digits:100", "--validation-fraction", 0, "--max-epochs", 1),
        *("--output", tmp_path, "--json"),
    )
    done = normkit("eval", tmp_path / "model.onnx", "--data", "digits:100", "--held-out", code=1)
    assert "training held nothing out of its data" in done.stderr
