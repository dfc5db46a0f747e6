"""report.html of a training: what it shows of data and network, and what it calls the figures."""

import json
import re

import numpy as np
import pytest

PIXELS = {"layers": [{"type": "image_input"}, {"type": "convolution2d", "filter_size": [3, 3], "num_filters": 4, "padding": "same"},
                     {"type": "batch_normalization"}, {"type": "convolution2d", "filter_size": [1, 1], "num_filters": 2},
                     {"type": "softmax"}]}


def report(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def part(page, heading):
    """The HTML below a heading."""
    return re.search(rf"<h2>{heading}</h2>(.*?)(?=<h2>|\Z)", page, re.S)[1]


def test_pictures_confusion_and_normalizations(normkit, tmp_path):
    normkit("train", "--data", "digits:300", "--max-epochs", 2, "--network", "small-cnn", "--output", tmp_path / "out")
    page = report(tmp_path / "out")
    pictures = part(page, "Pictures")
    first, _, wrong = pictures.partition("Those that are told wrong:")
    assert first.count("<img ") == 12 and first.count("data:image/png;base64,") == 12
    captions = re.findall("<figcaption>(.*?)</figcaption>", wrong)
    assert captions and all(re.fullmatch(r"\d, told \d", caption) for caption in captions)
    matrix = part(page, "Confusion matrix of the validation data")
    shaded = re.findall(r"rgb\(9 105 218 / ([\d.]+)\)\">(\d+)", matrix)
    assert sum(int(count) for _, count in shaded) == 45  # every observation stands in a shaded cell
    norms = part(page, "Normalization layers")
    assert re.findall('aria-label="(.*?)"', norms) == ["norm1", "norm2", "norm3"]
    assert norms.count("trained standard deviation") >= 3


@pytest.mark.parametrize("norm, curves", [("instance", ["scale", "offset"]), ("rms", ["scale"])])
def test_normalizations_without_statistics(normkit, tmp_path, norm, curves):
    normkit("train", "--data", "digits:60", "--max-epochs", 1, "--network", "small-cnn", "--norm", norm,
            "--output", tmp_path / "out")
    norms = part(report(tmp_path / "out"), "Normalization layers")
    assert norms.count('class="key"') == 3 * len(curves) and "trained" not in norms


def test_training_data_alone(normkit, tmp_path):
    normkit("train", "--data", "digits:60", "--max-epochs", 1, "--network", "mlp", "--validation-fraction", 0,
            "--output", tmp_path / "out")
    page = report(tmp_path / "out")
    assert part(page, "Pictures").count("<img ") >= 12 and "Confusion" not in page


def test_classes_of_pixels_are_right_in_percent(normkit, tmp_path):
    x = np.random.default_rng(1).normal(size=(24, 8, 8, 1)).astype(np.float32)
    np.savez(tmp_path / "pixels.npz", x=x, y=(x[..., 0] > 0).astype(np.float32).reshape(24, 64))
    (tmp_path / "pixels.json").write_text(json.dumps(PIXELS))
    data = ["--data", "pixels.npz", "--format", "BSSC"]
    done = normkit("train", *data, "--network", "pixels.json", "--max-epochs", 2, "--output", "out", cwd=tmp_path)
    page = report(tmp_path / "out")
    assert "RMSE" not in page + done.stdout and "mean squared" not in page
    assert re.search(r"Validation accuracy: [\d.]+ %", done.stdout) and "validation accuracy" in page
    assert re.search(r"Accuracy  [\d.]+ % \(of the pixels\)", normkit("eval", "out/model.onnx", *data, cwd=tmp_path).stdout)
    assert "accuracy" in json.loads(normkit("eval", "out/model.onnx", *data, "--json", cwd=tmp_path).stdout)


def test_training_and_validation_part_is_one_sentence(normkit, tmp_path):
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "noise.npz", x=rng.normal(size=(200, 30)).astype(np.float32), y=np.arange(200) % 2)
    normkit("train", "--data", "noise.npz", "--network", "mlp", "--max-epochs", 60, "--mini-batch-size", 16,
            "--output", "out", cwd=tmp_path)
    assert len(re.findall(r"<p>Training and validation part: [^<]*more data or fewer epochs help\.</p>",
                          report(tmp_path / "out"))) == 1
