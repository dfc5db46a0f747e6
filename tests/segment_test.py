"""Classes of positions: generated volumes and arrays from files, U-Net, Dice, its model in ONNX Runtime."""

import json
import subprocess

import numpy as np
import onnxruntime
import pytest


@pytest.fixture(scope="module")
def trained(normkit, tmp_path_factory):
    output = tmp_path_factory.mktemp("segment") / "out"
    summary = json.loads(normkit("train", "--data", "blobs3d:40", "--max-epochs", 6, "--mini-batch-size", 4,
                                 "--output", output, "--json").stdout)  # fmt: skip
    assert summary["network"] == "unet"
    assert summary["norm"] == "instance"
    return output / "model.onnx"


def test_volumes_are_segmented(normkit, trained):
    result = json.loads(normkit("eval", trained, "--data", "blobs3d:40", "--held-out", "--json").stdout)
    # What gives everything to the background has a Dice below 34 %: that of one class of three.
    assert result["dice"] > 60
    confusion = np.array(result["confusion"])
    dice = 2 * confusion.diagonal() / (confusion.sum(0) + confusion.sum(1))
    assert result["dice"] == pytest.approx(100 * dice.mean(), rel=1e-12)
    assert [one["name"] for one in result["classes"]] == ["background", "ball", "box"]
    text = normkit("eval", trained, "--data", "blobs3d:40", "--held-out").stdout
    assert f"Dice      {result['dice']:.2f} % (mean over 3 classes)" in text


def test_equal_in_onnx_runtime(normkit, trained, tmp_path):
    x = np.random.default_rng(1).standard_normal((2, 1, 16, 16, 16), np.float32)
    np.save(tmp_path / "x.npy", x)
    normkit("run", trained, "--input", tmp_path / "x.npy", "--output-dir", tmp_path / "y")
    own = np.load(next((tmp_path / "y").glob("*.npy")))
    session = onnxruntime.InferenceSession(trained, providers=["CPUExecutionProvider"])
    theirs = session.run(None, {session.get_inputs()[0].name: x})[0]
    # Probabilities: eleven layers, each off by 4 sqrt(n) 2^-24 of its values, n at most 27 * 64, all of which a
    # softmax passes on by half at most.
    assert np.abs(own - theirs).max() <= 11 * 2 * 4 * (27 * 64) ** 0.5 * 2**-24


@pytest.mark.parametrize(("shape", "spec"), [((8, 8, 4), "BSSS"), ((8, 12), "BSS")])
def test_files_with_classes_of_positions(normkit, tmp_path, shape, spec):
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, (12, *shape))
    x = (y + rng.normal(0, 0.1, y.shape)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=y, classes=np.array(["a", "b", "c"]))
    out = tmp_path / "out"
    normkit("train", "--data", tmp_path / "d.npz", "--format", spec, "--max-epochs", 1, "--mini-batch-size", 4,
            "--loss", "cross-entropy", "--objective-metric", "dice", "--output", out)  # fmt: skip
    result = json.loads(normkit("eval", out / "model.onnx", "--data", tmp_path / "d.npz", "--format", spec,
                                "--json").stdout)  # fmt: skip
    assert [one["name"] for one in result["classes"]] == ["a", "b", "c"]
    y[0].flat[0] = 3
    np.savez(tmp_path / "d.npz", x=x, y=y, classes=np.array(["a", "b", "c"]))
    failed = normkit("eval", out / "model.onnx", "--data", tmp_path / "d.npz", "--format", spec, code=1)
    assert "d.npz: y holds 3, expected the numbers of 3 classes, from 0" in failed.stderr


def test_statistics_and_doctor_know_of_positions(program, normkit, tmp_path):
    normkit("train", "--data", "blobs:40", "--norm", "batch", "--max-epochs", 2, "--mini-batch-size", 8,
            "--output", tmp_path / "out")  # fmt: skip
    model, words = tmp_path / "out/model.onnx", ("--data", "blobs:40", "--json")
    right = json.loads(normkit("eval", model, *words).stdout)["accuracy"]
    done = normkit("statistics", model, *words, "--output", tmp_path / "new.onnx")
    assert json.loads(done.stdout)["before"]["accuracy"] == pytest.approx(right)
    done = subprocess.run([program, "doctor", model, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 3) and json.loads(done.stdout)["accuracy"] == pytest.approx(right)
