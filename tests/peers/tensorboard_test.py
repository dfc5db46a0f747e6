"""--tensorboard DIR, read back by TensorBoard itself."""

import csv
import signal
import subprocess

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SMALL = ["--data", "digits:200", "--network", "mlp", "--max-epochs", "4", "--mini-batch-size", "16",
         "--validation-frequency", "5"]
COLUMNS = {"loss": "mini_batch_loss", "accuracy": "mini_batch_accuracy", "learn_rate": "learn_rate",
           "validation_loss": "validation_loss", "validation_accuracy": "validation_accuracy"}


def scalars(folder):
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def history(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {tag: [(int(row["iteration"]), float(np.float32(row[column]))) for row in rows if row[column]]
            for tag, column in COLUMNS.items()}


def test_tensorboard_reads_it(normkit, tmp_path):
    normkit("train", *SMALL, "--output", tmp_path / "out", "--tensorboard", tmp_path / "logs/one")
    assert scalars(tmp_path / "logs/one") == history(tmp_path / "out/history.csv")


def test_a_resumed_run_goes_on(program, normkit, tmp_path):
    """Of iterations that were trained twice the second ones count, as in the history."""
    words = [*SMALL, "--checkpoint-frequency-unit", "iteration", "--checkpoint-frequency", "50"]
    words[words.index("--max-epochs") + 1] = "400"
    command = [program, "train", *words, "--output", "out", "--tensorboard", "logs"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "|           100 |" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    normkit("train", "--resume", "out/checkpoint.npz", "--tensorboard", "logs", cwd=tmp_path)
    found, wanted = scalars(tmp_path / "logs"), history(tmp_path / "out/history.csv")
    for tag in ("loss", "learn_rate"):
        steps = [step for step, _ in found[tag]]
        assert steps == sorted(set(steps)) and steps[-1] == max(dict(wanted[tag]))
        assert dict(found[tag]).items() <= dict(wanted[tag]).items()
