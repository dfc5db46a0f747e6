"""`normkit compare`: tables, page, numbers and errors."""

import csv
import json
import re

import pytest

SMALL = ["--data", "digits:200", "--network", "mlp", "--max-epochs", "2", "--checkpoints", "3"]


def test_tables_page_and_numbers(normkit, tmp_path):
    done = normkit("compare", *SMALL, "--norms", "none,batch", "--batch-sizes", "32,4", "--seeds",
                   "2", "--scale-learn-rate", "--output", tmp_path)
    assert len(re.findall(r"^none +[12] +(\d+\.\d\d ?)", done.stdout, re.M)) == 4
    assert re.search(r"^batch +\d+\.\d\d ±\d+\.\d\d +\d+\.\d\d ±\d+\.\d\d$", done.stdout, re.M)
    page = (tmp_path / "compare.html").read_text()
    assert page.count("<svg") == 5  # over batch sizes; accuracy and loss of each
    assert "--norms none,batch --batch-sizes 32,4" in page
    with open(tmp_path / "compare.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 2 * 3
    rates = {row["mini_batch_size"]: float(row["initial_learn_rate"]) for row in rows}
    assert rates["32"] == pytest.approx(8 * rates["4"])


def test_json(normkit, tmp_path):
    done = normkit("compare", *SMALL, "--norms", "layer,rms", "--batch-sizes", "16", "--json",
                   "--output", tmp_path)
    runs = json.loads(done.stdout)["runs"]
    assert [run["norm"] for run in runs] == ["layer", "rms"]
    assert [len(run["checkpoints"]) for run in runs] == [3, 3]
    assert runs[0]["checkpoints"][-1]["iteration"] == 22  # 170 observations, 2 epochs


def test_the_run_is_that_of_train(normkit, tmp_path):
    """compare trains as train does: the same options give the same accuracy."""
    options = ["--data", "digits:200", "--network", "mlp", "--max-epochs", "2"]
    run = json.loads(normkit("compare", *options, "--norms", "batch", "--batch-sizes", "32",
                             "--json", "--output", tmp_path).stdout)["runs"][0]
    trained = json.loads(normkit("train", *options, "--mini-batch-size", "32", "--json",
                                 "--output", tmp_path).stdout)
    assert run["final_validation_accuracy"] == trained["validation_accuracy"]
    assert run["final_validation_loss"] == trained["validation_loss"]


def test_diverged_runs_are_shown_as_such(normkit, tmp_path):
    done = normkit("compare", "--data", "digits:200", "--norms", "none", "--batch-sizes", "32",
                   "--solver", "sgdm", "--initial-learn-rate", "1e30", "--output", tmp_path)
    assert re.search(r"^none +diverged$", done.stdout, re.M)


@pytest.mark.parametrize("code, options, message", [
    (2, ["--norms", "batch,grup"], "--norms: norm 'grup' is unknown"),
    (2, ["--norms", "batch,batch"], "--norms: one stands twice, expected each once"),
    (2, ["--batch-sizes", "8,8"], "--batch-sizes: one stands twice, expected each once"),
    (2, ["--batch-sizes", "0"], "--batch-sizes: "),
    (2, ["--validation-fraction", "0"],
     "--validation-fraction: 0 given, expected more: runs are compared on validation data"),
    (2, ["--seeds", "0"], "--seeds: "),
    (2, ["--mini-batch-size", "8"], "unknown option '--mini-batch-size'"),
    (1, ["--norms", "batch,instance"], "network 'mlp': norm is instance"),
])
def test_errors(normkit, tmp_path, code, options, message):
    done = normkit("compare", *SMALL, "--output", tmp_path / "out", *options, code=code)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
