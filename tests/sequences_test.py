"""Sequences from the command line: trained on, predicted, measured, inspected and compared."""

import csv
import io
import json

import numpy as np
import pytest

QUICK = ["--max-epochs", "2", "--mini-batch-size", "16"]


def walks(path, count=60, seed=1, labels=True):
    """A .ts of walks up and down, of 5 to 12 steps and two channels."""
    rng = np.random.default_rng(seed)
    head = "@problemName walks\n@timeStamps false\n@univariate false\n@classLabel " + (
        "true down up\n@data\n" if labels else "false\n@data\n")
    lines = []
    for i in range(count):
        steps = rng.integers(5, 13)
        walk = np.cumsum(rng.normal(1 if i % 2 else -1, 1, steps))
        noise = rng.normal(0, 1, steps)
        lines.append(":".join(",".join(f"{v:.5f}" for v in dim) for dim in (walk, noise)) +
                     ((":up" if i % 2 else ":down") if labels else ""))
    path.write_text(head + "\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def trained(normkit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences")
    data = walks(folder / "walks.ts")
    done = normkit("train", "--data", data, "--norm", "layer", "--max-epochs", 12, "--mini-batch-size", 8,
                   "--output", folder / "out", "--json")  # fmt: skip
    return folder, data, json.loads(done.stdout), done.stderr


def test_networks_for_sequences_are_chosen_by_the_data(trained, normkit):
    folder, data, result, messages = trained
    assert result["network"] == "lstm" and result["validation_accuracy"] > 85
    assert "2 classes (down 30, up 30), 2 features a row, 5 to 12 rows" in messages
    report = (folder / "out/report.html").read_text()
    assert "Sequences" in report and "told to be" in report and "channel 2" in report
    shown = normkit("inspect", folder / "out/model.onnx").stdout
    assert "2 features a row" in shown and "auto, epsilon" in shown  # what the norm reduces


def test_eval_and_predict_agree(trained, normkit):
    folder, data, _, _ = trained
    model = folder / "out/model.onnx"
    result = json.loads(normkit("eval", model, "--data", data, "--json").stdout)
    assert result["observations"] == 60 and result["accuracy"] > 85
    told = json.loads(normkit("predict", model, data, "--json").stdout)
    right = sum(one["predictions"][0]["class"] == ("up" if i % 2 else "down") for i, one in enumerate(told))
    assert right == round(result["accuracy"] * 0.6)
    rows = list(csv.DictReader(io.StringIO(normkit("predict", model, data, "--csv").stdout)))
    assert [row["class"] for row in rows] == [one["predictions"][0]["class"] for one in told]
    assert rows[3]["file"] == f"{data}[3]"


def test_files_of_one_sequence_are_told_as_those_of_many(trained, normkit):
    """.ts, .npz with padding on either side, .npy and .csv: the same bits."""
    folder, data, _, _ = trained
    model = folder / "out/model.onnx"
    plain = walks(folder / "plain.ts", 3, labels=False)
    sequences = [np.array([[float(v) for v in dim.split(",")] for dim in line.split(":")], np.float32).T
                 for line in plain.read_text().splitlines()[5:]]  # fmt: skip
    lengths = np.array([len(s) for s in sequences])
    right, left = (np.full((3, 12, 2), np.nan, np.float32) for _ in range(2))
    for i, s in enumerate(sequences):
        right[i, : len(s)], left[i, 12 - len(s) :] = s, s
    np.savez(folder / "right.npz", x=right, lengths=lengths)
    np.savez(folder / "left.npz", x=left, lengths=lengths)
    np.savez(folder / "packed.npz", x=np.concatenate(sequences), offsets=np.cumsum([0, *lengths]))

    def told(*arguments):
        out = json.loads(normkit("predict", model, *arguments, "--top", 2, "--json").stdout)
        return [one["predictions"] for one in out]

    expected = told(plain)
    assert told(folder / "right.npz") == expected
    assert told(folder / "packed.npz") == expected
    assert told(folder / "left.npz", "--sequence-padding-direction", "left") == expected
    for i, s in enumerate(sequences):
        np.save(folder / "one.npy", s)
        np.savetxt(folder / "one.csv", s, delimiter=",", header="a,b", comments="", fmt="%.9g")
        assert told(folder / "one.npy") == told(folder / "one.csv") == expected[i : i + 1]
    np.save(folder / "wide.npy", np.zeros((4, 3), np.float32))
    done = normkit("predict", model, folder / "wide.npy", code=1)
    assert "wide.npy: has 3 channels, expected 2 (what the model takes)" in done.stderr


@pytest.mark.parametrize("network", ["lstm", "tcn"])
def test_a_task_answered_step_by_step_is_learned(normkit, tmp_path, network):
    """Parity: at each step whether there were an odd number of ones so far."""
    out = tmp_path / "out"
    done = normkit("train", "--data", "parity", "--network", network, "--norm", "batch", "--max-epochs", 30,
                   "--initial-learn-rate", 0.01, "--output", out, "--json")  # fmt: skip
    accuracy = json.loads(done.stdout)["validation_accuracy"]
    assert accuracy > (99 if network == "lstm" else 75), accuracy
    np.save(tmp_path / "bits.npy", np.array([1, 0, 1, 1, 0], np.float32))
    told = json.loads(normkit("predict", out / "model.onnx", tmp_path / "bits.npy", "--json").stdout)
    assert [one["step"] for one in told] == [0, 1, 2, 3, 4]
    if network == "lstm":
        assert [one["predictions"][0]["class"] for one in told] == ["odd", "odd", "even", "odd", "odd"]
    assert "probability of what is right" in (out / "report.html").read_text()


def test_targets_and_forecasts(normkit, tmp_path):
    done = normkit("train", "--data", "adding:1000", "--max-epochs", 20, "--output", tmp_path / "adding", "--json")
    assert json.loads(done.stdout)["validation_accuracy"] < 0.15  # RMSE; that of the mean is 0.41
    data = walks(tmp_path / "walks.ts", 40)
    done = normkit("train", "--data", data, "--forecast", "--norm", "layer", *QUICK, "--output", tmp_path / "next")
    assert "classes are left out" in done.stderr
    evaluated = json.loads(normkit("eval", tmp_path / "next/model.onnx", "--data", data, "--json").stdout)
    assert evaluated["rmse"] > 0  # of next steps, without an option: the model says that it forecasts
    told = json.loads(normkit("predict", tmp_path / "next/model.onnx", data, "--json").stdout)
    assert len(told[0]["values"]) == 2 and told[1]["step"] == 1
    # A table as one long sequence, in pieces.
    table = tmp_path / "table.csv"
    t = np.arange(400)
    np.savetxt(table, np.stack([np.sin(t / 5), np.cos(t / 5)], 1), delimiter=",", header="sin,cos", comments="")
    done = normkit("train", "--data", table, "--format", "TC", "--forecast", "--sequence-length", 25, "--norm", "layer",
                   "--max-epochs", 40, "--mini-batch-size", 4, "--output", tmp_path / "waves", "--json")  # fmt: skip
    assert json.loads(done.stdout)["validation_accuracy"] < 0.2
    assert "1 sequence in 16 pieces of up to 25 steps" in done.stderr


def test_a_stopped_training_reads_its_data_as_before(normkit, tmp_path):
    """The checkpoint keeps how the data were read."""
    data = walks(tmp_path / "walks.ts", 40)
    whole = ["train", "--data", data, "--forecast", "--sequence-length", 4, "--sequence-padding-direction", "left",
             "--norm", "layer", *QUICK]  # fmt: skip
    normkit(*whole, "--output", tmp_path / "a")
    report = (tmp_path / "a/report.html").read_text()
    assert "--forecast --sequence-length 4 --sequence-padding-direction left" in report


def test_a_table_is_trained_on(normkit, tmp_path):
    rng = np.random.default_rng(1)
    rows = ["width,height,kind"]
    for i in range(120):
        x = rng.normal(2 * (i % 3), 0.5, 2)
        rows.append(f"{x[0]:.4f},{x[1]:.4f},{['ant', 'bee', 'cat'][i % 3]}")
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    done = normkit("train", "--data", tmp_path / "a.csv", "--max-epochs", 30, "--mini-batch-size", 16, "--output",
                   tmp_path / "out", "--json")  # fmt: skip
    result = json.loads(done.stdout)
    assert result["network"] == "mlp" and result["validation_accuracy"] > 90
    assert "3 classes (ant 40, bee 40, cat 40), 2 features; classes in column 'kind'" in done.stderr


def test_compare(normkit, tmp_path):
    data = walks(tmp_path / "walks.ts", 40)
    done = normkit("compare", "--data", data, "--norm", "none,batch,layer", "--mini-batch-size", "8", "--max-epochs", 2,
                   "--checkpoints", 1, "--output", tmp_path / "out", "--json")  # fmt: skip
    assert [run["norm"] for run in json.loads(done.stdout)["runs"]] == ["none", "batch", "layer"]


def test_arrays_that_may_be_pictures_are_not_trained_in_silence(normkit, tmp_path):
    x, y = np.random.default_rng(1).normal(size=(8, 6, 4)).astype(np.float32), np.arange(8) % 2
    np.savez(tmp_path / "a.npz", x=x, y=y)
    done = normkit("train", "--data", tmp_path / "a.npz", "--output", tmp_path / "out", code=1)
    assert done.stderr.count("\n") == 1 and "--format says which, BTC for sequences" in done.stderr
    np.savez(tmp_path / "b.npz", x=(x * 10).astype(np.uint8), y=y)
    done = normkit("train", "--data", tmp_path / "b.npz", "--network", "mlp", *QUICK, "--output", tmp_path / "b")
    assert "x [N,H,W] taken for grey pictures (--format BTC: for sequences)" in done.stderr
    done = normkit("train", "--data", tmp_path / "b.npz", "--format", "BTC", *QUICK, "--output", tmp_path / "c")
    assert "4 features a row, 6 rows" in done.stderr


@pytest.mark.parametrize("network", ["lstm", "layer-norm-lstm", "transformer-tiny"])
def test_speakers_are_told_apart(normkit, tmp_path, real_data, network):
    """Japanese Vowels with the defaults: 95 % of the test part and more."""
    vowels = real_data / "vowels"
    if not vowels.is_dir():
        pytest.skip(f"no real data at {vowels}")
    for seed in (1, 2, 3):
        out = tmp_path / str(seed)
        normkit("train", "--data", vowels / "JapaneseVowels_TRAIN.ts", "--validation-data",
                vowels / "JapaneseVowels_TEST.ts", "--network", network, "--norm", "layer", "--seed", seed, "--output",
                out)  # fmt: skip
        done = normkit("eval", out / "model.onnx", "--data", vowels / "JapaneseVowels_TEST.ts", "--json")
        assert json.loads(done.stdout)["accuracy"] >= 95


PADDING = {"longest": [], "shortest": ["--sequence-length", "shortest"], "pieces": ["--sequence-length", "4"],
           "left": ["--sequence-padding-direction", "left", "--sequence-padding-value", "-1.5"]}  # fmt: skip


def pieces_of(sequences, kind):
    """The padded array and its lengths by the rules of docs/data.md."""
    if kind == "shortest":
        cut = [s[: min(map(len, sequences))] for s in sequences]
    elif kind == "pieces":
        cut = [s[at : at + 4] for s in sequences for at in range(0, len(s), 4)]
    else:
        cut = sequences
    steps = 4 if kind == "pieces" else max(map(len, cut))
    array = np.full((len(cut), steps, cut[0].shape[1]), -1.5 if kind == "left" else 0, np.float32)
    for out, rows in zip(array, cut):
        out[slice(steps - len(rows), None) if kind == "left" else slice(len(rows))] = rows
    return array, [len(rows) for rows in cut]


@pytest.mark.parametrize("kind", PADDING)
def test_what_is_told_leaves_as_padded_arrays(normkit, tmp_path, kind):
    data = walks(tmp_path / "walks.ts", 12, labels=False)
    normkit("train", "--data", data, "--forecast", *QUICK, "--output", tmp_path / "out")
    model = tmp_path / "out/model.onnx"
    done = normkit("predict", model, data, "-o", tmp_path / "told.npz", *PADDING[kind])
    assert done.stdout == "" and "told.npz: lengths [" in done.stderr
    told = np.load(tmp_path / "told.npz")
    rows = json.loads(normkit("predict", model, data, "--json").stdout)
    by_file = {}
    for row in rows:
        by_file.setdefault(row["file"], []).append(row["values"])
    y, lengths = pieces_of([np.array(values, np.float32) for values in by_file.values()], kind)
    assert (told["y"] == y).all() and told["lengths"].tolist() == lengths and told["lengths"].dtype == np.int64
    x, _ = pieces_of([np.array([[float(v) for v in dim.split(",")] for dim in line.split(":")], np.float32).T
                      for line in data.read_text().splitlines()[5:]], kind)  # fmt: skip
    assert (told["x"] == x).all()
    assert ("sequence" in told) == (kind == "pieces")
    if kind in ("longest", "left"):  # what left is read again, and the same is told of it
        again = normkit("predict", model, tmp_path / "told.npz", "--json", *PADDING[kind][:2]).stdout
        assert [row["values"] for row in json.loads(again)] == [row["values"] for row in rows]
    if kind == "longest":  # and it is what the ONNX file takes and gives
        runtime = pytest.importorskip("onnxruntime").InferenceSession(model)
        inputs = [one.name for one in runtime.get_inputs()]
        given, = runtime.run(None, dict(zip(inputs, (told["x"], told["lengths"]))))
        assert np.allclose(given, told["y"], atol=1e-5)


def test_what_is_told_once_leaves_as_rows(trained, normkit, tmp_path):
    folder, data, _, _ = trained
    model = folder / "out/model.onnx"
    done = normkit("predict", model, data, "--output", tmp_path / "told.npz", "--json", "--top", 2)
    told = np.load(tmp_path / "told.npz")
    assert told["y"].shape == (60, 2) and told["x"].shape == (60, 12, 2)
    for row, one in zip(told["y"], json.loads(done.stdout)):
        best = one["predictions"][0]
        assert np.float32(best["probability"]) == row[["down", "up"].index(best["class"])] == row.max()


def test_arrays_that_are_not_written(trained, normkit, tmp_path):
    folder, data, _, _ = trained
    model, file = folder / "out/model.onnx", tmp_path / "told.npz"
    refused = [(["-o", tmp_path / "told.npy"], 2, "told.npy' given, expected a file that ends in .npz"),
               (["--sequence-length", "4"], 2, "--sequence-length: '4' given, expected --output, whose arrays"),
               (["--sequence-padding-value", "1"], 2, "--sequence-padding-value: '1' given, expected --output"),
               (["-o", file, "--sequence-padding-value", "nan"], 2, "expected"),
               (["-o", file, "--sequence-length", "0"], 2, "expected a whole number from 1"),
               (["-o", file, tmp_path / "none.ts"], 1, f"1 of 2 files could not be used, {file} is not written")]  # fmt: skip
    for options, code, text in refused:
        assert text in normkit("predict", model, data, *options, code=code).stderr
    assert not file.exists()
    file.write_text("a letter")
    done = normkit("predict", model, data, "-o", file, code=1)
    assert "holds something else than arrays (.npz), expected a new file" in done.stderr
    assert file.read_text() == "a letter"
    done = normkit("predict", model, data, "-o", tmp_path / "none/told.npz", code=1)
    assert done.stdout == "" and "none/told.npz" in done.stderr and done.stderr.count("\n") == 1
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 5, 2), np.float32), lengths=[5, 3, 1])
    (tmp_path / "link.npz").symlink_to("x.npz")
    before = (tmp_path / "x.npz").read_bytes()
    for name in ("x.npz", "link.npz"):
        done = normkit("predict", model, tmp_path / "x.npz", "-o", tmp_path / name, code=1)
        assert "x.npz: would be replaced by what is told of it, expected another --output" in done.stderr
        assert (tmp_path / "x.npz").read_bytes() == before
    normkit("train", "--data", "digits:60", "--network", "mlp", "--max-epochs", 1, "--output", tmp_path / "digits")
    np.save(tmp_path / "x.npy", np.zeros((3, 28, 28), np.float32))
    arguments = ["predict", tmp_path / "digits/model.onnx", tmp_path / "x.npy", "-o", tmp_path / "y.npz"]
    done = normkit(*arguments, "--sequence-length", "4", code=2)
    assert "--sequence-length: '4' given, expected a model of sequences" in done.stderr
    normkit(*arguments)
    assert np.load(tmp_path / "y.npz")["y"].shape == (3, 10)


# ---- Pictures over time -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moving(normkit, tmp_path_factory):
    out = tmp_path_factory.mktemp("moving") / "out"
    done = normkit("train", "--data", "moving:600", "--norm", "batch", "--max-epochs", 8, "--mini-batch-size", 16,
                   "--output", out, "--json")  # fmt: skip
    return out / "model.onnx", json.loads(done.stdout), done.stderr


def test_pictures_over_time_are_learned(moving, normkit):
    """Which way a blob goes, of which no single picture tells anything."""
    model, result, messages = moving
    assert result["network"] == "cnn-lstm" and result["validation_accuracy"] > 90
    assert "4 classes (left " in messages and "12 x 12 x 1 (height x width x channels) a row, 6 to 12 rows" in messages
    shown = normkit("inspect", model).stdout
    assert "12x12x1" in shown and "convolution 2-D" in shown
    evaluated = json.loads(normkit("eval", model, "--data", "moving:200", "--seed", 7, "--json").stdout)
    assert evaluated["accuracy"] > 90


def blobs_going_right(count=5, steps=7):
    rows, columns = np.mgrid[:12, :12]
    x = np.empty((count, steps, 12, 12, 1), np.float32)
    for i in range(count):
        for t in range(steps):
            across = np.abs(columns - (3 * i + t) % 12)
            x[i, t, ..., 0] = 40 + 180 * np.exp(-((rows - 5) ** 2 + np.minimum(across, 12 - across) ** 2) / 4.5)
    return x, np.array([7, 4, 6, 5, 7][:count])


def test_arrays_of_pictures_over_time(moving, normkit, tmp_path):
    model, _, _ = moving
    x, lengths = blobs_going_right()
    told = []
    for layout, axes in {"BTSSC": (0, 1, 2, 3, 4), "BTCSS": (0, 1, 4, 2, 3)}.items():
        padded = x.copy()
        for rows, length in zip(padded, lengths):
            rows[length:] = np.nan
        np.savez(tmp_path / "a.npz", x=padded.transpose(axes), lengths=lengths, y=np.full(5, 1))
        told.append(normkit("predict", model, tmp_path / "a.npz", "--format", layout, "--json").stdout)
    assert [one["predictions"][0]["class"] for one in json.loads(told[0])] == ["right"] * 5
    assert told[1] == told[0]
    normkit("predict", model, tmp_path / "a.npz", "--format", "BTCSS", "-o", tmp_path / "told.npz")
    arrays = np.load(tmp_path / "told.npz")
    assert arrays["x"].shape == (5, 7, 12, 12, 1) and arrays["y"].shape == (5, 4)
    # Shapes that the model does not take.
    np.savez(tmp_path / "b.npz", x=x[:, :, :8], lengths=lengths)
    done = normkit("predict", model, tmp_path / "b.npz", "--format", "BTSSC", code=1)
    assert "b.npz: has 8 x 12 x 1 (height x width x channels) a row, expected 12 x 12 x 1" in done.stderr
    done = normkit("predict", model, tmp_path / "b.npz", code=1)
    assert "--format says what its axes are, such as BTSSC" in done.stderr
    np.save(tmp_path / "c.npy", np.zeros((4, 1), np.float32))
    assert "c.npy: is <f4 [4,1], expected [T,S,S,C]" in normkit("predict", model, tmp_path / "c.npy", code=1).stderr
    # A table has no axes that the model could say.
    (tmp_path / "f.csv").write_text("1,2\n3,4\n")
    said = normkit("predict", model, tmp_path / "f.csv", code=1).stderr
    assert "f.csv: has 2 features a row, expected 12 x 12 x 1 (height x width x channels) a row (what the" in said
    # One sequence a file.
    np.save(tmp_path / "d.npy", x[0])
    np.save(tmp_path / "e.npy", x[0, ..., 0])
    for words in (["d.npy"], ["e.npy", "--format", "TSS"]):
        told = json.loads(normkit("predict", model, tmp_path / words[0], *words[1:], "--json").stdout)
        assert [one["predictions"][0]["class"] for one in told] == ["right"]


def test_folders_of_pictures_over_time(moving, normkit, tmp_path):
    x, lengths = blobs_going_right(12 // 4 + 2)
    for i, (rows, length) in enumerate(zip(x, lengths)):
        for name, clip in {"right": rows, "left": rows[:, :, ::-1]}.items():
            (tmp_path / "clips" / name).mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / "clips" / name / f"{i}.npy", clip[:length])
    clips = tmp_path / "clips"
    done = normkit("train", "--data", clips, "--format", "TSSC", "--max-epochs", 1, "--output", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["network"] == "cnn-lstm"
    assert "12 x 12 x 1 (height x width x channels) a row, 4 to 7 rows" in done.stderr
    report = (tmp_path / "out/report.html").read_text()
    assert "Sequence 0: is " in report and "data:image/png" in report  # a strip of frames
    done = normkit("train", "--data", clips, "--output", tmp_path / "none", code=1)
    assert "expected [T,C] or [T]: --format says what other axes are, TSSC" in done.stderr
    done = normkit("train", "--data", clips, "--format", "BTSSC", "--output", tmp_path / "none", code=1)
    assert "format 'BTSSC' is given, expected TC, CT or T of one sequence, or TSSC" in done.stderr
    np.save(clips / "left/9.npy", x[0, :, :8])
    done = normkit("train", "--data", clips, "--format", "TSSC", "--output", tmp_path / "none", code=1)
    assert "left/9.npy: has 8 x 12 x 1 (height x width x channels) a row, expected 12 x 12 x 1" in done.stderr


def test_lines_over_time_have_no_network_by_name(normkit, tmp_path):
    rng = np.random.default_rng(3)
    np.savez(tmp_path / "lines.npz", x=rng.normal(size=(20, 8, 16, 2)), y=np.arange(20) % 2)
    words = ["train", "--data", tmp_path / "lines.npz", "--format", "BTSC", "--max-epochs", 1, "--output", tmp_path / "out"]
    assert "has lines over time, 16 x 2 (width x channels) a row, which no network by name takes" in normkit(*words, code=1).stderr
    layers = [{"type": "sequence_input", "num_features": 2, "width": 16}, {"type": "flatten"},
              {"type": "lstm", "num_hidden_units": 4, "output_mode": "last"}, {"type": "fully_connected"}, {"type": "softmax"}]  # fmt: skip
    (tmp_path / "lines.json").write_text(json.dumps({"layers": layers}))
    normkit(*words, "--network", tmp_path / "lines.json")


def test_each_step_of_pictures_is_told(normkit, tmp_path):
    """Whether the right half of each frame is the lighter one."""
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 100, (80, 6, 6, 8, 1)).astype(np.float32)
    y = rng.integers(0, 2, (80, 6))
    x[:, :, :, 4:] += 120 * y[:, :, None, None, None]
    np.savez(tmp_path / "a.npz", x=x, y=y)
    done = normkit("train", "--data", tmp_path / "a.npz", "--format", "BTSSC", "--norm", "instance", "--max-epochs", 8,
                   "--mini-batch-size", 8, "--output", tmp_path / "out", "--json")  # fmt: skip
    assert json.loads(done.stdout)["validation_accuracy"] > 90
    done = normkit("train", "--data", tmp_path / "a.npz", "--format", "BTSSC", "--network", "lstm", "--output",
                   tmp_path / "other", code=1)  # fmt: skip
    assert "network 'lstm' takes sequences, expected one for sequences of pictures: cnn-lstm, a .json file" in done.stderr
