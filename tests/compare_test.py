"""`normkit compare`: tables, page, numbers and errors."""

import csv
import json
import os
import pty
import re
import signal
import statistics
import subprocess

import pytest

from conftest import ROOT

SMALL = ["--data", "digits:200", "--network", "mlp", "--max-epochs", "2", "--checkpoints", "3"]


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_tables_page_and_numbers(normkit, tmp_path):
    done = normkit("compare", *SMALL, "--norm", "none,batch", "--mini-batch-size", "32,4", "--seeds",
                   "2", "--scale-learn-rate", "--output", tmp_path)
    assert len(re.findall(r"^none +[12] +(\d+\.\d\d ?)", done.stdout, re.M)) == 4
    assert re.search(r"^batch +\d+\.\d\d ±\d+\.\d\d +\d+\.\d\d ±\d+\.\d\d$", done.stdout, re.M)
    page = (tmp_path / "compare.html").read_text()
    assert page.count("<svg") == 5  # over batch sizes; accuracy and loss of each
    assert "--norm none,batch --mini-batch-size 32,4" in page
    rows = read_csv(tmp_path / "compare.csv")
    assert len(rows) == 2 * 2 * 2 * 3
    rates = {row["mini_batch_size"]: float(row["initial_learn_rate"]) for row in rows}
    assert rates["32"] == pytest.approx(8 * rates["4"])


@pytest.mark.parametrize("kind", ["auto", "population", "moving"])
def test_the_gaps_of_statistics_are_told(normkit, tmp_path, kind):
    options = ("compare", *SMALL, "--norm", "layer,batch", "--mini-batch-size", "32,8", "--seeds", "2",
               "--batch-normalization-statistics", kind, "--output", tmp_path, "--overwrite")  # fmt: skip
    which = "moving estimates of training," if kind == "moving" else "moving estimates differ by"
    told = re.findall(rf"^Statistics of batch, mini-batches of (\d+): (.*) the {which} up to "
                      r"([\d.]+) % in variance \('norm\d'\)", text := normkit(*options).stdout, re.M)  # fmt: skip
    assert text.count("Statistics of") == len(told) == 2
    assert [size for size, *_ in told] == ["32", "8"]
    page = (tmp_path / "compare.html").read_text()
    runs = json.loads(normkit(*options, "--json").stdout)["runs"]
    for size, what, percent in told:
        assert ("from those of what prediction feeds" in what) == (kind == "population")
        assert f"mini-batches of {size}: {kind}: " in page
        name = "fed_variance" if kind == "moving" else "variance"
        gaps = [gap[name] for run in runs if run["norm"] == "batch" and run["mini_batch_size"] == int(size)
                for gap in run["statistics_gaps"]]  # fmt: skip
        assert max(gaps) * 100 == pytest.approx(float(percent), abs=0.051)
    assert all("statistics_gaps" not in run for run in runs if run["norm"] == "layer")


def interrupt_in_run(program, number, output):
    """Starts a comparison of two runs and sends Ctrl-C when the progress line, which is for terminals,
    is at run `number`; returns (code, stdout, stderr)."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [program, "compare", "--data", "digits:2000", "--network", "mlp", "--norm", "none,batch",
         "--mini-batch-size", "8", "--max-epochs", "8", "--checkpoints", "1", "--output", output],
        stdout=subprocess.PIPE, stderr=theirs, text=True)  # fmt: skip
    os.close(theirs)
    said = ""
    try:
        while part := os.read(ours, 4096).decode():
            before, said = said, said + part
            if f"{number}/2 " in said and f"{number}/2 " not in before:
                process.send_signal(signal.SIGINT)
    except OSError:  # the other side is closed
        pass
    out, _ = process.communicate(timeout=120)
    os.close(ours)
    return process.returncode, out, said


@pytest.mark.parametrize("whole", [0, 1])
def test_interrupted(program, tmp_path, whole):
    code, out, said = interrupt_in_run(program, whole + 1, tmp_path)
    assert code == 1
    assert said.endswith(f"normkit: comparison stopped after {whole} of 2 runs\r\n"), said
    rows = read_csv(tmp_path / "final.csv")
    assert [row["norm"] for row in rows] == ["none"] * whole
    assert (re.search(r"^none +\d+\.\d\d$", out, re.M) is not None) == bool(whole)
    assert not re.search("^batch ", out, re.M)


def test_mean_and_range_are_those_of_the_seeds(normkit, tmp_path):
    # As they were called before: --norm and --mini-batch-size.
    done = normkit("compare", *SMALL, "--norms", "layer,batch", "--batch-sizes", "32,4", "--seeds",
                   "3", "--output", tmp_path)
    rows = read_csv(tmp_path / "final.csv")
    assert [row["seed"] for row in rows] == ["1", "2", "3"] * 4
    page = (tmp_path / "compare.html").read_text()
    for norm in ("layer", "batch"):
        means, ranges = f"{norm} +", f"{norm} +"
        for size in ("32", "4"):
            values = [float(row["validation_accuracy"]) for row in rows
                      if (row["norm"], row["mini_batch_size"]) == (norm, size)]
            span = f"{min(values):.2f} to {max(values):.2f}"
            means += f"{sum(values) / 3:.2f} ±{statistics.stdev(values):.2f} *"
            ranges += f"{span} *"
            assert span in page
        assert re.search(f"^{means}$", done.stdout, re.M), done.stdout
        assert re.search(f"^{ranges}$", done.stdout, re.M), done.stdout


def test_batch_normalization_falls_where_two_values_make_a_statistic(normkit, tmp_path):
    """docs/results.md, "Small mini-batches", in small."""
    normkit("compare", "--data", "digits:1000", "--network",
            ROOT / "examples/networks/vgg-tiny.json", "--norm", "batch,group:8", "--mini-batch-size",
            "16,2", "--scale-learn-rate", "--solver", "sgdm", "--initial-learn-rate", "0.05",
            "--max-epochs", "6", "--checkpoints", "1", "--threads", "1", "--output", tmp_path)
    accuracy = {(row["norm"], row["mini_batch_size"]): float(row["validation_accuracy"])
                for row in read_csv(tmp_path / "final.csv")}
    assert accuracy["batch", "16"] > 75
    assert accuracy["batch", "2"] < 40
    assert accuracy["group:8", "16"] > 75
    assert accuracy["group:8", "2"] > 75


def test_json(normkit, tmp_path):
    done = normkit("compare", *SMALL, "--norm", "layer,rms", "--mini-batch-size", "16", "--json",
                   "--output", tmp_path)
    runs = json.loads(done.stdout)["runs"]
    assert [run["norm"] for run in runs] == ["layer", "rms"]
    assert [len(run["checkpoints"]) for run in runs] == [3, 3]
    assert runs[0]["checkpoints"][-1]["iteration"] == 22  # 170 observations, 2 epochs


def test_the_run_is_that_of_train(normkit, tmp_path):
    """compare trains as train does: the same options give the same accuracy."""
    options = ["--data", "digits:200", "--network", "mlp", "--max-epochs", "2"]
    run = json.loads(normkit("compare", *options, "--norm", "batch", "--mini-batch-size", "32",
                             "--json", "--output", tmp_path).stdout)["runs"][0]
    trained = json.loads(normkit("train", *options, "--mini-batch-size", "32", "--json",
                                 "--output", tmp_path).stdout)
    assert run["final_validation_accuracy"] == trained["validation_accuracy"]
    assert run["final_validation_loss"] == trained["validation_loss"]


def test_diverged_runs_are_shown_as_such(normkit, tmp_path):
    done = normkit("compare", "--data", "digits:200", "--norm", "none", "--mini-batch-size", "32",
                   "--solver", "sgdm", "--initial-learn-rate", "1e30", "--output", tmp_path)
    assert re.search(r"^none +diverged$", done.stdout, re.M)
    (row,) = read_csv(tmp_path / "final.csv")
    assert (row["diverged"], row["validation_accuracy"]) == ("true", "")


@pytest.mark.parametrize("code, options, message", [
    (2, ["--norm", "batch,grup"], "--norm: norm 'grup' is unknown"),
    (2, ["--norm", "batch,batch"], "--norm: one stands twice, expected each once"),
    (2, ["--mini-batch-size", "8,8"], "--mini-batch-size: one stands twice, expected each once"),
    (2, ["--mini-batch-size", "0"],
     "--mini-batch-size: '0' given, expected a whole number from 1 to 1000000000"),
    (2, ["--validation-fraction", "0"],
     "--validation-fraction: 0 given, expected more: runs are compared on validation data"),
    (2, ["--seeds", "0"], "--seeds: "),
    (2, ["--seeds", "2", "--seed", 2**64 - 1],
     "--seed: '18446744073709551615' given, expected one that --seeds 2 can count up from"),
    (1, ["--norm", "batch,instance"], "instance normalization 'norm1': each statistic is of one "
     "value of x (BC [1,100]), so that the output would be the offset whatever the input"),
])
def test_errors(normkit, tmp_path, code, options, message):
    done = normkit("compare", *SMALL, "--output", tmp_path / "out", *options, code=code)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
