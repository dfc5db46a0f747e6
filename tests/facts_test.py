"""Facts that model files and checkpoints keep are compared; NaN never passes for a class."""

import json
import re
import signal
import subprocess

import numpy as np
import onnx
import pytest

from model_commands_test import write_png

CONTENTS = "its contents have changed (names or sizes of files, values of arrays)"


def arrays(seed=1, count=80, scale=1.0):
    """Dark and bright pictures of 8 x 8, 0 to 255 times scale, and their classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    x = np.clip(60 + 120 * y[:, None, None] + rng.normal(0, 20, (count, 8, 8)), 0, 255) * scale
    x[0, 0, :2] = 0, 255 * scale
    return x.astype(np.float32)[..., None], y


def save(path, x, y, **others):
    np.savez(path, x=x, y=y, **others)
    return path


def photos(root, names=("cat", "dog"), count=12, seed=1):
    rng = np.random.default_rng(seed)
    for k, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(count):
            write_png(root / name / f"{i:02}.png", rng.integers(100 * k, 100 * k + 100, (8, 8)))
    return root


def train(normkit, data, output, *options):
    return normkit("train", "--data", data, "--output", output, "--max-epochs", 2, "--mini-batch-size",
                   16, *options)


@pytest.fixture(scope="module")
def of_arrays(normkit, tmp_path_factory):
    """(model, its data) of a small training on arrays in 0 to 255."""
    folder = tmp_path_factory.mktemp("arrays")
    data = save(folder / "data.npz", *arrays())
    train(normkit, data, folder / "out")
    return folder / "out/model.onnx", data


# --- the same data?

def changed_value(x, y):
    x[3, 2, 1] += 1


def changed_label(x, y):
    y[3] = 1 - y[3]


def changed_order(x, y):
    x[[0, 2]] = x[[2, 0]]


@pytest.mark.parametrize("change, difference", [
    (lambda x, y: None, None),
    (changed_value, CONTENTS),
    (changed_order, CONTENTS),
    (changed_label, "observations, expected|its labels|its contents"),
])
def test_held_out_of_changed_arrays(normkit, of_arrays, tmp_path, change, difference):
    model, _ = of_arrays
    x, y = arrays()
    change(x, y)
    data = save(tmp_path / "data.npz", x, y)
    done = normkit("eval", model, "--data", data, "--held-out", code=1 if difference else 0)
    if not difference:
        assert done.stderr.count("\n") == 1  # what the data are
        return
    assert "not those that training held out of its data: " in done.stderr
    assert re.search(difference if "|" in difference else re.escape(difference), done.stderr)
    normkit("eval", model, "--data", data)  # without --held-out other data are what one measures


def test_held_out_of_changed_pictures(normkit, tmp_path):
    data = photos(tmp_path / "photos")
    train(normkit, data, tmp_path / "out")
    held_out = ("eval", tmp_path / "out/model.onnx", "--held-out", "--data")
    normkit(*held_out, data)
    moved = data.rename(tmp_path / "moved")
    normkit(*held_out, moved)  # where it lies is no part of it
    (moved / "cat/00.png").rename(moved / "cat/zz.png")
    assert CONTENTS in normkit(*held_out, moved, code=1).stderr
    (moved / "cat/zz.png").rename(moved / "cat/00.png")
    normkit(*held_out, moved)
    write_png(moved / "dog/99.png", np.zeros((8, 8)))
    assert "not those that training held out" in normkit(*held_out, moved, code=1).stderr
    (moved / "dog/99.png").unlink()
    (moved / "cat").rename(moved / "wolf")
    assert "has class 'wolf', expected those of the model: cat, dog" in normkit(*held_out, moved, code=1).stderr


def test_models_that_do_not_say(normkit, of_arrays, tmp_path):
    model, data = of_arrays
    proto = onnx.load(model)
    for entry in proto.metadata_props:
        if entry.key == "normkit.facts":
            facts = {k: v for k, v in json.loads(entry.value).items() if not k.startswith("validation-data")}
            entry.value = json.dumps(facts)
    onnx.save(proto, tmp_path / "old.onnx")
    done = normkit("eval", tmp_path / "old.onnx", "--data", data, "--held-out")
    assert "does not say what data it was trained on" in done.stderr


# --- going on

def interrupt(program, cwd, *options):
    process = subprocess.Popen([program, "train", *map(str, options), "--verbose-frequency", "1"],
                               cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if re.match(r"\| +\d", line):
            process.send_signal(signal.SIGINT)
            break
    _, messages = process.communicate(timeout=120)
    assert process.returncode == 1, messages


LONG = ("--max-epochs", 400, "--mini-batch-size", 8)


def test_resume_from_anywhere(normkit, program, tmp_path):
    """Relative paths stay those of the folder where training began, and the bytes are the same."""
    start, elsewhere = tmp_path / "start", tmp_path / "elsewhere"
    start.mkdir(), elsewhere.mkdir()
    save(start / "data.npz", *arrays())
    few = ("--data", "data.npz", "--max-epochs", 30, "--mini-batch-size", 8)
    interrupt(program, start, *few, "--output", "out")
    normkit("train", "--resume", "../start/out/checkpoint.npz", cwd=elsewhere)
    assert list(elsewhere.iterdir()) == []
    assert (start / "out/model.onnx").exists() and not (start / "out/checkpoint.npz").exists()
    normkit("train", *few, "--output", "whole", "--verbose-frequency", 1, cwd=start)
    assert (start / "out/model.onnx").read_bytes() == (start / "whole/model.onnx").read_bytes()


def test_resume_after_a_move(normkit, program, tmp_path):
    start = tmp_path / "start"
    start.mkdir()
    save(start / "data.npz", *arrays())
    interrupt(program, start, "--data", "data.npz", *LONG, "--output", "out")
    moved = start.rename(tmp_path / "moved")
    done = normkit("train", "--resume", "out/checkpoint.npz", "--output", "new", cwd=moved)
    assert f"training was started in folder '{start}', which is gone" in done.stderr
    assert (moved / "new/model.onnx").exists()


def rename_class(data):
    (data / "cat").rename(data / "eel")  # exchanges the numbers of the classes


def rename_class_in_place(data):
    (data / "cat").rename(data / "bat")


def remove_picture(data):
    (data / "cat/03.png").unlink()


def replace_picture(data):
    write_png(data / "cat/03.png", np.random.default_rng(9).integers(0, 256, (9, 8)))


def move_picture(data):
    (data / "cat/03.png").rename(data / "dog/03a.png")


@pytest.mark.parametrize("change, difference", [
    (rename_class, "its classes are 'dog, eel', expected 'cat, dog'"),
    (rename_class_in_place, "its classes are 'bat, dog', expected 'cat, dog'"),
    (remove_picture, f"observations, expected|{CONTENTS[:20]}"),  # the part trained on may have as many
    (replace_picture, CONTENTS),
    (move_picture, "its labels|observations, expected"),
])
def test_resume_on_changed_pictures(normkit, program, tmp_path, change, difference):
    data, out = photos(tmp_path / "photos"), tmp_path / "out"
    interrupt(program, tmp_path, "--data", data, "--output", out, *LONG)
    change(data)
    done = normkit("train", "--resume", out / "checkpoint.npz", code=1)
    assert re.search("are not those that the run began with: .*(" +
                     (difference if "|" in difference else re.escape(difference)) + ")", done.stderr), done.stderr
    assert done.stderr.count("\n") == 1
    assert (out / "checkpoint.npz").exists()


# --- ranges

def ranges_warned_of(done):
    return re.findall(r"its values lie in (\S+ to \S+), the network was trained on (\S+ to \S+)", done.stderr)


@pytest.mark.parametrize("trained, given, warned", [
    (1, 1, False), (1, 1 / 255, True), (1 / 255, 1, True), (1 / 255, 1 / 255, False), (1, 257, True),
])
def test_another_range_is_warned_of(normkit, tmp_path, trained, given, warned):
    train(normkit, save(tmp_path / "a.npz", *arrays(scale=trained)), tmp_path / "out")
    x, y = arrays(seed=2, scale=given)
    np.save(tmp_path / "x.npy", x)
    write_png(tmp_path / "x.png", np.full((8, 8), 3))
    model = tmp_path / "out/model.onnx"
    for done, lines in ((normkit("eval", model, "--data", save(tmp_path / "b.npz", x, y)), 1),
                        (normkit("predict", model, tmp_path / "x.npy"), 0)):
        assert len(ranges_warned_of(done)) == warned, done.stderr
        assert done.stderr.count("\n") == lines + warned  # eval says what the data are
    # A picture is one of 0 to 255 however dark.
    assert bool(ranges_warned_of(normkit("predict", model, tmp_path / "x.png"))) == (trained != 1)


# --- numbers that are none

@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_observations_are_named(normkit, of_arrays, tmp_path, bad):
    model, _ = of_arrays
    x, y = arrays()
    x[5, 3, 4, 0] = bad
    data = save(tmp_path / "bad.npz", x, y)
    message = f"{data} (80 observations): value [3,4,0] is {str(bad)}, expected finite numbers"
    for command in (("eval", model), ("train", "--output", tmp_path / "out", "--max-epochs", 1),
                    ("train", "--output", tmp_path / "out", "--norm", "layer"),
                    ("compare", "--output", tmp_path / "c", "--max-epochs", 1, "--norms", "batch",
                     "--batch-sizes", 16)):
        done = normkit(*command, "--data", data, code=1)
        assert f"observation 5 of {message}" in done.stderr and "Accuracy" not in done.stdout
    np.save(tmp_path / "bad.npy", x)
    done = normkit("predict", model, tmp_path / "bad.npy", code=1)
    assert f"{tmp_path}/bad.npy[5]: value [3,4,0] is {str(bad)}, expected finite" in done.stderr
    assert done.stdout == ""


def test_parameters_are_named(normkit, of_arrays, tmp_path):
    model, data = of_arrays
    proto = onnx.load(model)
    for tensor in proto.graph.initializer:
        if tensor.name.endswith("norm2.trained_mean"):
            values = onnx.numpy_helper.to_array(tensor).copy()
            values[7] = np.nan
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(proto, tmp_path / "bad.onnx")
    np.save(tmp_path / "x.npy", arrays()[0])
    for command in (("eval", tmp_path / "bad.onnx", "--data", data),
                    ("predict", tmp_path / "bad.onnx", tmp_path / "x.npy"),
                    ("inspect", tmp_path / "bad.onnx")):
        done = normkit(*command, code=1)
        assert done.stderr == (f"normkit: {tmp_path}/bad.onnx: batch normalization 'norm2': trained_mean[7] is nan, "
                               "expected a finite number\n")


def test_overflow_inside_is_an_error(normkit, of_arrays, tmp_path):
    model, data = of_arrays
    proto = onnx.load(model)
    for tensor in proto.graph.initializer:
        if len(tensor.dims) == 2:  # the last layer's weights
            values = np.full(tensor.dims, 3e38, np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(proto, tmp_path / "large.onnx")
    done = normkit("eval", tmp_path / "large.onnx", "--data", data, code=1)
    assert "is not finite: numbers overflow inside it" in done.stderr and done.stdout == ""
    np.save(tmp_path / "x.npy", arrays()[0])
    done = normkit("predict", tmp_path / "large.onnx", tmp_path / "x.npy", code=1)
    assert "numbers overflow inside it" in done.stderr and done.stdout == ""


# --- the statistics of batch normalization

def test_the_gap_is_told(normkit, tmp_path):
    data = save(tmp_path / "data.npz", *arrays())
    done = train(normkit, data, tmp_path / "out")
    line = re.search(r"^Statistics auto: those of what prediction feeds each batch normalization; the moving "
                     r"estimates differ by up to ([\d.]+) % in variance \('norm\d'\) and ([\d.]+) standard "
                     r"deviations in mean \('norm\d'\)$", done.stdout, re.M)
    assert line and float(line[1]) > 0
    page = (tmp_path / "out/report.html").read_text()
    assert "Batch normalization predicts with auto: those of what" in page
    gaps = json.loads(train(normkit, data, tmp_path / "json", "--json").stdout)["statistics_gaps"]
    assert [gap["layer"] for gap in gaps] == ["norm1", "norm2", "norm3"]
    assert max(gap["variance"] for gap in gaps) * 100 == pytest.approx(float(line[1]), abs=0.051)
    assert gaps[2]["population_variance"] > 0 and gaps[2]["fed_variance"] == 0
    assert "Statistics of batch normalizations" in page
    rows = re.findall(r"<td>(norm\d)</td>\s*<td[^>]*>0 / 0 %</td>\s*<td[^>]*>([\d.e-]+) / ([\d.e-]+) %", page)
    assert [row[0] for row in rows] == ["norm1", "norm2", "norm3"]
    assert float(rows[0][2]) == pytest.approx(100 * gaps[0]["variance"], rel=0.01)
    done = train(normkit, data, tmp_path / "layer", "--norm", "layer")
    assert "Statistics" not in done.stdout
    models = []
    for kind in ("auto", "population-exact", "population", "moving"):
        train(normkit, data, tmp_path / kind, "--batch-normalization-statistics", kind)
        proto = onnx.load(tmp_path / kind / "model.onnx")
        models.append([tensor.SerializeToString() for tensor in proto.graph.initializer])
    assert models[0] == models[1] and models[0] != models[2] and models[2] != models[3]
