"""`normkit train` as a user runs it: files, table, errors, Ctrl-C and going on, the same bytes."""

import csv
import gzip
import json
import re
import signal
import struct
import subprocess

import numpy as np
import pytest

from conftest import but_summary

SMALL = ["--data", "digits:300", "--max-epochs", "1", "--mini-batch-size", "32"]


def train(normkit, output, *options, code=0):
    return normkit("train", *SMALL, "--output", output, *options, code=code)


@pytest.fixture(scope="module")
def trained(normkit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    options = ["--validation-frequency", "4", "--verbose-frequency", "3"]
    return folder, train(normkit, folder, *options).stdout


def test_files(trained):
    folder, _ = trained
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json", "history.csv", "model.onnx", "report.html"]


def test_table(trained):
    _, text = trained
    rows = [line.split("|")[1:-1] for line in text.splitlines() if re.match(r"\| +\d", line)]
    # 255 observations: 7 mini-batches of 32 and one of 31
    assert [int(row[1]) for row in rows] == [1, 3, 4, 6, 8]
    assert [row[4].strip() != "" for row in rows] == [False, False, True, False, True]
    assert re.search(r"^Validation accuracy: \d+\.\d\d %", text, re.M)


def test_history(trained):
    folder, _ = trained
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["iteration"]) for row in rows] == list(range(1, 9))
    assert [bool(row["validation_loss"]) for row in rows] == [i % 4 == 0 for i in range(1, 9)]
    assert all(float(row["mini_batch_loss"]) > 0 for row in rows)


def test_report_stands_alone(trained):
    folder, _ = trained
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 2 + 3  # of the training and of each normalization
    assert "norm2" in page and "Confusion matrix" in page and "--data digits:300" in page
    assert not re.search(r"<script|<link|src=(?!['\"]data:)", page)


def test_json(normkit, tmp_path):
    result = json.loads(train(normkit, tmp_path, "--json", "--norm", "group:2",
                              "--network", "lenet").stdout)
    assert result["norm"] == "group:2" and result["iterations"] == 8
    assert 0 <= result["validation_accuracy"] <= 100
    assert not result["stopped"]


def test_says_where_training_and_validation_part(normkit, tmp_path):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (200, 8, 8, 1), dtype=np.uint8)
    np.savez(tmp_path / "noise.npz", x=x, y=np.arange(200) % 2)  # nothing to learn but by heart
    options = ["--data", tmp_path / "noise.npz", "--max-epochs", "30", "--mini-batch-size", "10",
               "--output", tmp_path / "out"]
    sentence = r"Training and validation part: \S+ % of the training data are right .*help\."
    assert re.search(f"^{sentence}$", normkit("train", *options).stdout, re.M)
    assert re.search(sentence, (tmp_path / "out/report.html").read_text())
    # A fresh folder: runs do not share one.
    result = json.loads(normkit("train", *options[:-1], tmp_path / "again", "--json").stdout)
    assert result["training_accuracy"] > 90 > 75 > result["validation_accuracy"]
    assert re.fullmatch(sentence, result["parting"])


def test_says_nothing_where_they_do_not(trained, normkit, tmp_path):
    folder, text = trained
    assert "part:" not in text + (folder / "report.html").read_text()
    assert json.loads(train(normkit, tmp_path, "--json").stdout)["parting"] is None


def test_same_bytes_for_any_number_of_threads(normkit, tmp_path):
    models = []
    for threads in [1, 2, 3, 8]:
        train(normkit, tmp_path, "--threads", threads, "--overwrite")
        models.append((tmp_path / "model.onnx").read_bytes())
    assert all(model == models[0] for model in models)


def test_evaluation_gives_what_training_reported(normkit, tmp_path):
    result = json.loads(train(normkit, tmp_path, "--json").stdout)
    evaluated = json.loads(normkit("eval", tmp_path / "model.onnx", "--data", "digits:300",
                                   "--held-out", "--json").stdout)
    assert evaluated["accuracy"] == pytest.approx(result["validation_accuracy"], abs=1e-9)


def interrupt_after_first_row(program, output, options):
    """Starts a training and sends Ctrl-C when the table has a row; returns (code, stderr)."""
    process = subprocess.Popen(
        [program, "train", *options, "--output", output, "--verbose-frequency", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if re.match(r"\| +\d", line):
            process.send_signal(signal.SIGINT)
            break
    _, messages = process.communicate(timeout=120)
    return process.returncode, messages


def test_interrupted_and_resumed(normkit, program, tmp_path):
    options = ["--data", "digits:1000", "--max-epochs", "3", "--mini-batch-size", "16"]
    output = tmp_path / "out"
    code, messages = interrupt_after_first_row(program, output, options)
    assert code == 1
    assert re.fullmatch(
        r"normkit: training stopped at iteration \d+; go on with: normkit train --resume "
        + re.escape(f"{output}/checkpoint.npz\n"), but_summary(messages))
    assert (output / "checkpoint.npz").exists()
    normkit("train", "--resume", output / "checkpoint.npz", "--threads", "1")
    assert not (output / "checkpoint.npz").exists()
    normkit("train", *options, "--output", tmp_path / "whole", "--verbose-frequency", "1")
    assert (output / "model.onnx").read_bytes() == (tmp_path / "whole/model.onnx").read_bytes()


def test_lbfgs(normkit, program, tmp_path):
    options = ["--data", "digits:200", "--solver", "lbfgs", "--max-iterations", "12", "--momentum", "0.5"]
    done = normkit("train", *options, "--output", tmp_path / "whole")
    assert "normkit: --momentum: of the solver sgdm, changes nothing with lbfgs\n" in done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if re.match(r"\| +\d", line)]
    assert [int(row[1]) for row in rows] == [1, 12] and rows[0][0] != rows[1][0]
    assert float(rows[1][5]) < float(rows[0][5]) / 2  # the loss
    for line in ('"solver": "lbfgs"', '"max-iterations": 12'):
        assert line in (tmp_path / "whole/config.json").read_text()
    output = tmp_path / "out"
    code, messages = interrupt_after_first_row(program, output, options)
    if code == 1:  # it was not faster
        assert "go on with: normkit train --resume" in messages
        normkit("train", "--resume", output / "checkpoint.npz", "--threads", "1")
    assert (output / "model.onnx").read_bytes() == (tmp_path / "whole/model.onnx").read_bytes()
    again = normkit("train", "--config", output / "config.json", "--output", tmp_path / "again")
    assert again.stderr.count("changes nothing") == 1
    assert (tmp_path / "again/model.onnx").read_bytes() == (tmp_path / "whole/model.onnx").read_bytes()
    done = normkit("train", "--data", "digits:200", "--solver", "lbfgs", "--gradient-threshold", "1", "--output",
                   tmp_path / "no", code=1)
    assert "a gradient_threshold with the solver lbfgs, expected none" in done.stderr


def test_damaged_checkpoints(normkit, program, tmp_path):
    options = ["--data", "digits:1000", "--mini-batch-size", "16"]
    interrupt_after_first_row(program, tmp_path, options)
    checkpoint = tmp_path / "checkpoint.npz"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-40])
    done = normkit("train", "--resume", checkpoint, code=1)
    assert str(checkpoint) in done.stderr and done.stderr.count("\n") == 1
    done = normkit("train", "--resume", tmp_path / "nothing.npz", code=1)
    assert done.stderr == (f"normkit: {tmp_path}/nothing.npz: cannot be read: "
                           "No such file or directory\n")


def test_checkpoints_of_other_programs(normkit, program, tmp_path):
    interrupt_after_first_row(program, tmp_path, ["--data", "digits:1000"])
    checkpoint = tmp_path / "checkpoint.npz"
    arrays = dict(np.load(checkpoint))
    metadata = json.loads(arrays["metadata"].tobytes())
    start = f"normkit: checkpoint '{checkpoint}': "

    def message(**changed):
        arrays["metadata"] = np.frombuffer(json.dumps(metadata | changed).encode(), np.uint8)
        np.savez(checkpoint, **arrays)
        done = normkit("train", "--resume", checkpoint, code=1)
        assert done.stderr.startswith(start) and done.stderr.count("\n") == 1, done.stderr
        return done.stderr.removeprefix(start).strip()

    notes, options = metadata["notes"], metadata["options"]
    assert message(notes={}) == "not made by normkit train (it has no note of 'data')"
    assert message(notes=notes | {"norm": "bacth"}).startswith("not made by normkit train (norm 'bacth' is unknown")
    assert message(notes=notes | {"validation-fraction": "2"}).startswith("not made by normkit train ('2' given, ")
    assert message(options=1) == "'metadata' has no 'options'"
    assert message(options=options | {"solver": "adm"}) == (
        "property 'solver' is \"adm\", expected sgdm, adam, rmsprop, adamw, lbfgs, did you mean 'adam'?")
    assert message(options=options | {"seed": -1}) == "property 'seed' is -1, expected an integer"
    assert message(options=options | {"nonsense": 1}).startswith("property 'nonsense' is unknown, expected ")


def test_rms_has_rates_of_its_own(normkit, tmp_path):
    """Where nothing is said of them; a network of other norms as well has those of the others."""
    line = ("normkit: rms normalization: --initial-learn-rate is 0.001 and --learn-rate-schedule none where "
            "neither is given, not 0.003 and cosine\n")  # fmt: skip

    def rates(*options):
        output = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        done = normkit("train", "--data", "digits:60", "--max-epochs", "1", *options, "--output", output)
        report = (output / "report.html").read_text()
        found = [re.search(rf"{name}</td>\s*<td[^>]*>([^<]*)</td>", report)[1]
                 for name in ("initial-learn-rate", "learn-rate-schedule")]  # fmt: skip
        return line in done.stderr, *found

    others, own = (False, "0.003", "cosine"), (True, "0.001", "none")
    assert rates("--norm", "rms") == own
    assert rates("--norm", "rms", "--initial-learn-rate", "0.003") == others
    assert rates("--norm", "rms", "--learn-rate-schedule", "cosine") == others
    assert rates("--norm", "batch") == others
    assert rates("--norm", "none") == others
    network = tmp_path / "two.json"
    layers = [{"type": "image_input"}, {"type": "flatten"}, {"type": "rms_normalization"},
              {"type": "norm"}, {"type": "fully_connected"}, {"type": "softmax"}]  # fmt: skip
    network.write_text(json.dumps({"layers": layers}))
    assert rates("--network", network, "--norm", "none") == own
    assert rates("--network", network, "--norm", "layer") == others
    assert "0.001 throughout where all norms are rms" in " ".join(normkit("train", "--help").stdout.split())


def test_data_that_networks_do_not_take(normkit, tmp_path):
    x = np.zeros((20, 6), np.float32)
    features, images = tmp_path / "features.npz", tmp_path / "images.npz"
    np.savez(features, x=x, y=np.arange(20) % 2)
    np.savez(images, x=np.zeros((20, 8, 8, 1), np.float32), y=x)
    output = ["--output", tmp_path / "out", "--validation-fraction", "0"]
    done = normkit("train", "--data", features, "--network", "small-cnn", *output, code=1)
    assert done.stderr == ("normkit: network 'small-cnn' takes pictures or volumes, expected one for features: mlp, a .json "
                           "file\n")
    done = normkit("train", "--data", images, *output, code=1)
    assert done.stderr == (f"normkit: network 'small-cnn' tells classes apart, '{images} (20 "
                           "observations)' has targets (class numbers are an array of whole "
                           "numbers); describe another in a .json file\n")


def test_names_of_classes(normkit, tmp_path):
    rng = np.random.default_rng(1)
    data = tmp_path / "data.npz"
    y = np.arange(60) % 2
    np.savez_compressed(data, x=rng.normal(y[:, None, None, None] * 50, 1, (60, 8, 8, 1)), y=y,
                        classes=["dark", "bright"])
    normkit("train", "--data", data, "--max-epochs", "2", "--output", tmp_path / "out")
    model = tmp_path / "out/model.onnx"
    assert json.loads(normkit("inspect", model, "--json").stdout)["classes"] == ["dark", "bright"]


SEE = " (see normkit train --help)"


@pytest.mark.parametrize("options, message", [
    (["--max-epochs", "0"], "--max-epochs: '0' given, expected a whole number from 1 to 1000000"),
    (["--max-epochs", "ten"], "--max-epochs: 'ten' given, expected a whole number from 1 to 1000000"),
    (["--initial-learn-rate", "-1"],
     "--initial-learn-rate: '-1' given, expected a number above 0, or auto"),
    (["--momentum", "2"], "--momentum: '2' given, expected a number from 0 to 1 (less than 1)"),
    (["--solver", "adm"],
     "--solver: 'adm' given, expected sgdm, adam, rmsprop, adamw, lbfgs, did you mean 'adam'?"),
    (["--shuffle", "every-epochs"],
     "--shuffle: 'every-epochs' given, expected never, once, every-epoch, did you mean "
     "'every-epoch'?"),
    (["--network", "small-cn"],
     "--network: 'small-cn' given, expected auto, small-cnn, mlp, lenet, resnet-tiny, lstm, layer-norm-lstm, gru, tcn, "
     "transformer-tiny, cnn-lstm, vit-tiny, unet or a .json file, did you mean 'small-cnn'?"),
    (["--norm", "grup"],
     "--norm: norm 'grup' is unknown, expected none, batch[:renorm], layer[:DIMENSION], instance, group:G, "
     "rms or group-rms:G, did you mean 'group'?"),
    (["--slver", "adam"], "unknown option '--slver', did you mean '--solver'?"),
    (["--resume", "x.npz"], "--data: given together with --resume, expected one of them"),
])
def test_wrong_command_line(normkit, tmp_path, options, message):
    done = normkit("train", "--data", "digits:300", "--output", tmp_path / "out", *options, code=2)
    assert done.stdout == ""
    assert done.stderr == f"normkit train: {message}{SEE}\n"
    assert not (tmp_path / "out").exists()


def test_missing_options(normkit):
    assert normkit("train", code=2).stderr == f"normkit train: --data is required{SEE}\n"
    done = normkit("train", "--data", "digits", code=2)
    assert done.stderr == f"normkit train: --output is required{SEE}\n"


def test_diverging_training(normkit, tmp_path):
    done = train(normkit, tmp_path, "--solver", "sgdm", "--initial-learn-rate", "1e30", code=1)
    assert re.match(r"normkit: training: loss is -?(nan|inf) at iteration \d+ \(epoch 1\), "
                    "expected a finite number; try a lower initial_learn_rate", but_summary(done.stderr))
    assert not (tmp_path / "model.onnx").exists()


def write_idx(path, values):
    """Bytes as MNIST's files have them."""
    header = struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    with gzip.open(path, "wb") as file:
        file.write(header + values.astype(np.uint8).tobytes())


def test_idx_files(normkit, tmp_path):
    """As test_mnist, on files made here: a bright square says which class it is by its place."""
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 4, 400)
    images = rng.integers(0, 100, (400, 12, 12))
    for image, label in zip(images, labels):
        row, column = 6 * (label // 2), 6 * (label % 2)
        image[row : row + 6, column : column + 6] += 150
    write_idx(tmp_path / "squares-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "squares-labels-idx1-ubyte.gz", labels)
    data = ["--data", tmp_path / "squares"]
    result = json.loads(normkit("train", *data, "--max-epochs", "4", "--mini-batch-size", "20", "--output",
                                tmp_path / "out", "--json").stdout)
    assert result["validation_accuracy"] >= 95
    evaluated = json.loads(normkit("eval", tmp_path / "out/model.onnx", *data, "--held-out", "--json").stdout)
    assert evaluated["accuracy"] == pytest.approx(result["validation_accuracy"], abs=1e-9)
    assert evaluated["observations"] == 60


def test_mnist(normkit, real_data, tmp_path):
    """98 % in 5 epochs on 8,500 digits, and eval on the saved file gives the same number."""
    prefix = real_data / "mnist/t10k"
    result = json.loads(normkit("train", "--data", prefix, "--max-epochs", "5", "--output",
                                tmp_path, "--json").stdout)
    assert result["validation_accuracy"] >= 98
    evaluated = json.loads(normkit("eval", tmp_path / "model.onnx", "--data", prefix,
                                   "--held-out", "--json").stdout)
    assert evaluated["accuracy"] == pytest.approx(result["validation_accuracy"], abs=1e-9)
