"""--config FILE and --defaults toolbox: options that the command line does not say."""

import json

import pytest

SMALL = {"data": "digits:120", "network": "mlp", "max-epochs": 1, "mini_batch_size": 16, "Norm": "layer"}


@pytest.fixture
def config(tmp_path):
    def write(options):
        path = tmp_path / "options.json"
        path.write_text(options if isinstance(options, str) else json.dumps(options))
        return path

    return write


def stored(folder):
    return json.loads((folder / "config.json").read_text())


def test_a_file_says_what_the_command_line_does_not(normkit, config, tmp_path):
    file = config(SMALL | {"overwrite": True, "l2-regularization": 0.5})
    done = normkit("train", "--config", file, "--max-epochs", 2, "--output", tmp_path / "a")
    assert "Trained 14 iterations" in done.stdout
    options = stored(tmp_path / "a")
    assert options["max-epochs"] == 2 and options["norm"] == "layer" and options["l2-regularization"] == 0.5
    assert options["solver"] == "adam" and options["gradient-threshold"] == "inf"


def test_what_is_stored_trains_the_same_bytes(normkit, config, tmp_path):
    options = SMALL | {"augment": "flip:0.3,rotate", "class-weights": "balanced", "learn-rate-chain": "none:1,cosine:2",
                       "label-smoothing": 0.1, "norm": "batch", "micro-batch-size": 4}
    del options["Norm"]
    normkit("train", "--config", config(options), "--output", tmp_path / "a")
    normkit("train", "--config", tmp_path / "a/config.json", "--output", tmp_path / "b")
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()
    assert stored(tmp_path / "a") == stored(tmp_path / "b")
    normkit("compare", "--config", config({"data": "digits:60", "norm": ["none", "layer"], "mini-batch-size": [8, 16],
                                           "network": "mlp", "max-epochs": 1, "checkpoints": 1}),
            "--output", tmp_path / "c")  # fmt: skip


def test_defaults_of_the_toolbox(normkit, config, tmp_path):
    normkit("train", "--config", config({"defaults": "toolbox", "max-epochs": 1}), "--data", "digits:200",
            "--network", "mlp", "--output", tmp_path / "a")  # fmt: skip
    options = stored(tmp_path / "a")
    assert options["solver"] == "sgdm" and options["initial-learn-rate"] == 0.01
    assert options["mini-batch-size"] == 128 and options["max-epochs"] == 1 and options["shuffle"] == "once"
    assert options["batch-normalization-statistics"] == "population" and options["learn-rate-schedule"] == "none"


@pytest.mark.parametrize("text, code, message", [
    ("[]", 1, "config 'FILE': is no JSON object, expected one of options, such as {\"max-epochs\": 5}"),
    ("{", 1, "config 'FILE': is no JSON object"),
    ('{"max-epoch": 5}', 1, "config 'FILE': unknown option 'max-epoch', did you mean '--max-epochs'?"),
    ('{"config": "x"}', 1, "config 'FILE': unknown option 'config'"),
    ('{"max-epochs": 5, "MaxEpochs": 6}', 1, "stands there twice"),
    ('{"max-epochs": null}', 1, "config 'FILE': 'max-epochs' is null, expected a text, a number or a list of them"),
    ('{"json": 1}', 1, "config 'FILE': 'json' is 1, expected true or false"),
    ('{"max-epochs": 0}', 2, "--max-epochs: '0' given, expected a whole number from 1 to 1000000 (in FILE)"),
    ('{"solver": "adm"}', 2, "expected sgdm, adam, rmsprop, adamw, lbfgs, did you mean 'adam'? (in FILE)"),
])  # fmt: skip
def test_what_is_wrong_in_a_file_is_said(normkit, config, tmp_path, text, code, message):
    file = config(text)
    done = normkit("train", "--data", "digits:60", "--config", file, "--output", tmp_path / "a", code=code)
    assert message.replace("FILE", str(file)) in done.stderr


def test_no_file(normkit, tmp_path):
    done = normkit("train", "--data", "digits:60", "--config", tmp_path / "none.json", "--output", tmp_path, code=1)
    assert "none.json" in done.stderr
    done = normkit("train", "--resume", "x.npz", "--config", "y.json", code=2)
    assert "--resume" in done.stderr and "--config" in done.stderr
