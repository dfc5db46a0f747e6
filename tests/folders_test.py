"""Output folders: one run at a time, nothing replaced that is not to be, saving that fails before the
first iteration, and training whose terminal or reader has gone."""

import fcntl
import json
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import socket
import subprocess

import numpy as np
import pytest
from PIL import Image

from conftest import but_summary
from model_commands_test import write_png

DATA = ["--data", "digits:300", "--network", "mlp"]
SHORT = [*DATA, "--max-epochs", "1", "--validation-frequency", "1000"]


def slow(epochs=60, batch=4, seed=1):
    """Options of a training that can be interrupted in its first epoch; the default would last long."""
    return ["--data", "digits:1000", "--network", "mlp", "--verbose-frequency", "1", "--validation-frequency",
            "1000000", "--mini-batch-size", str(batch), "--max-epochs", str(epochs), "--seed", str(seed)]


COMPARE = ["compare", *DATA, "--max-epochs", "1", "--norm", "none", "--mini-batch-size", "32"]
MODEL_FILES = ["config.json", "history.csv", "model.onnx", "report.html"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def facts(normkit, model):
    return json.loads(normkit("inspect", model, "--json").stdout)["facts"]


def start_slow(program, output, options=(), **streams):
    """A training that has printed a row of its table, and not yet all: the pipe holds a page of them."""
    streams.setdefault("stderr", subprocess.PIPE)
    process = subprocess.Popen([program, "train", *(options or slow()), "--output", output],
                               stdout=subprocess.PIPE, text=True, pipesize=4096, **streams)
    for line in process.stdout:
        if re.match(r"\| +\d", line):
            return process
    raise AssertionError(process.communicate()[1])


def interrupted(program, output, options):
    process = start_slow(program, output, options)
    process.send_signal(signal.SIGINT)
    messages = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    return messages


# ---- Two runs in one folder -----------------------------------------------------------------------


@pytest.mark.parametrize("command", [["train", *SHORT], ["train", *SHORT, "--overwrite"], COMPARE,
                                     [*COMPARE, "--overwrite"]], ids=" ".join)
def test_a_folder_in_use(normkit, tmp_path, command):
    out = tmp_path / "out"
    out.mkdir()
    with open(out / ".normkit.lock", "w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = normkit(*command, "--output", out, code=1)
    assert done.stderr == (f"normkit: {out}: another run (process 4711) writes here, expected a "
                           "folder that is not in use\n")
    assert done.stdout == "" and names(out) == [".normkit.lock"]
    normkit(*command, "--output", out)
    assert ".normkit.lock" not in names(out)


def test_the_folder_of_a_killed_run(normkit, program, tmp_path):
    out = tmp_path / "out"
    process = start_slow(program, out)
    done = normkit("train", *SHORT, "--output", out, code=1)
    assert f"another run (process {process.pid}) writes here" in done.stderr
    process.kill()
    process.communicate()
    checkpoint = out / "checkpoint.npz"
    before = checkpoint.read_bytes()
    done = normkit("train", *SHORT, "--output", out)  # there is nothing to mend
    assert but_summary(done.stderr) == (
        f"normkit: {checkpoint}: the checkpoint of another run, it stays; normkit train --resume "
        f"{checkpoint} goes on with it\n")
    assert names(out) == ["checkpoint.npz", *MODEL_FILES]
    assert checkpoint.read_bytes() == before
    # The model of the second run is no part of the first.
    files = contents(out)
    done = normkit("train", "--resume", checkpoint, code=1)
    assert f"{out}: holds model.onnx, history.csv, report.html, config.json of another run" in done.stderr
    assert contents(out) == files


def test_a_finished_run(normkit, tmp_path):
    normkit("train", *SHORT, "--output", tmp_path)
    files = contents(tmp_path)
    assert sorted(files) == MODEL_FILES
    done = normkit("train", *SHORT, "--seed", 2, "--output", tmp_path, code=1)
    assert done.stderr == (f"normkit: {tmp_path}: holds model.onnx, history.csv, report.html, config.json of another run, "
                           "expected a folder without; --overwrite replaces them\n")
    assert contents(tmp_path) == files
    normkit("train", *SHORT, "--seed", 2, "--output", tmp_path, "--overwrite")
    assert facts(normkit, tmp_path / "model.onnx")["seed"] == "2"
    # A comparison has files of its own.
    normkit(*COMPARE, "--output", tmp_path)
    done = normkit(*COMPARE, "--output", tmp_path, code=1)
    assert done.stderr == (f"normkit: {tmp_path}: holds compare.html, compare.csv, final.csv of an earlier "
                           "comparison, expected a folder without; --overwrite replaces them\n")
    normkit(*COMPARE, "--output", tmp_path, "--overwrite")


@pytest.mark.parametrize("name", [*MODEL_FILES, "compare.html", "compare.csv", "final.csv"])
def test_files_of_others_stay(normkit, tmp_path, name):
    command = ["train", *SHORT] if name in MODEL_FILES else COMPARE
    (tmp_path / name).write_text("mine")
    (tmp_path / "other").write_text("mine as well")
    done = normkit(*command, "--output", tmp_path, code=1)
    assert f"{tmp_path}: holds {name} of an" in done.stderr and "--overwrite" in done.stderr
    normkit(*command, "--output", tmp_path, "--overwrite")
    assert (tmp_path / name).read_bytes() != b"mine"
    assert (tmp_path / "other").read_text() == "mine as well"


def test_the_folder_of_an_interrupted_run(normkit, program, tmp_path):
    out = tmp_path / "out"
    options = slow(epochs=2, batch=16)
    assert "go on with" in interrupted(program, out, options)
    checkpoint = out / "checkpoint.npz"
    files = contents(out)
    assert sorted(files) == ["checkpoint.npz", *MODEL_FILES]
    done = normkit("train", *SHORT, "--output", out, code=1)
    assert f"normkit train --resume {checkpoint} goes on with it" in done.stderr
    assert contents(out) == files
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    normkit("train", *SHORT, "--output", copy, "--overwrite")
    assert (copy / "checkpoint.npz").read_bytes() == files["checkpoint.npz"]
    normkit("train", "--resume", checkpoint)
    assert names(out) == MODEL_FILES
    normkit("train", *options, "--output", tmp_path / "whole")
    assert (out / "model.onnx").read_bytes() == (tmp_path / "whole/model.onnx").read_bytes()


def test_nothing_is_left_of_a_run_that_failed(normkit, tmp_path):
    for command in (["train", *SHORT, "--initial-learn-rate", "1e30", "--solver", "sgdm"],
                    ["train", "--data", "digits:300", "--network", tmp_path / "none.json"],
                    ["compare", "--data", "digits:300", "--network", tmp_path / "none.json"]):  # fmt: skip
        normkit(*command, "--output", tmp_path / "a/b", code=1)
        assert names(tmp_path) == []


TRAIN_1 = ["train", *DATA, "--max-epochs", "4", "--seed", "1"]
TRAIN_2 = ["train", *DATA, "--max-epochs", "5", "--seed", "2"]
RESUME = ["train", "--resume", "out/checkpoint.npz"]
OVER = ["--overwrite"]
PAIRS = [
    (TRAIN_1, TRAIN_1), (TRAIN_1, TRAIN_2), (TRAIN_1, TRAIN_2 + OVER), (TRAIN_1 + OVER, TRAIN_2 + OVER),
    (TRAIN_1, COMPARE), (TRAIN_1 + OVER, COMPARE), (COMPARE, COMPARE), (COMPARE, COMPARE + OVER),
    (COMPARE + OVER, COMPARE + OVER), (TRAIN_1, COMPARE + OVER), (RESUME, RESUME), (RESUME, TRAIN_2),
    (RESUME, COMPARE),
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: " | ".join(" ".join(c[:1] + c[-1:]) for c in pair))
def test_two_at_once(normkit, program, tmp_path, pair):
    """One of them at least does its work, the other says why not, and no file is of two."""
    out = tmp_path / "out"
    if RESUME in pair:
        process = start_slow(program, out, slow(epochs=1, seed=3))
        process.kill()
        process.communicate()
    started = [subprocess.Popen([program, *command, *([] if command == RESUME else ["--output", "out"])],
                                cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
               for command in pair]
    errors = [process.communicate(timeout=120)[1] for process in started]
    codes = [process.returncode for process in started]
    assert 0 in codes, errors
    for code, error in zip(codes, errors):
        assert code in (0, 1)
        if code == 1:
            assert re.search("out: (another run .*writes here|holds .* of an)", error), error
    left = names(out)
    assert not [name for name in left if name.startswith(".")]
    if "model.onnx" in left:
        said = facts(normkit, out / "model.onnx")
        rows = (out / "history.csv").read_text().splitlines()
        page = (out / "report.html").read_text()
        assert len(rows) - 1 == int(said["iterations"])
        assert f"--seed {said['seed']}" in page


# ---- What can make saving fail --------------------------------------------------------------------


def test_names_that_cannot_be_saved(normkit, tmp_path):
    network = tmp_path / "network.json"
    layers = [{"type": "image_input"}, {"type": "flatten", "name": "a\x01b"}, {"type": "fully_connected"},
              {"type": "softmax"}]
    network.write_text(json.dumps({"layers": layers}))
    done = normkit("train", "--data", "digits:50", "--network", network, "--output", tmp_path / "out", code=1)
    assert done.stderr == (r"normkit: flatten 'a\x01b': the name cannot stand in a model file, expected UTF-8 "
                           "without control characters\n")
    assert done.stdout == "" and not (tmp_path / "out").exists()


def test_class_folders_that_are_not_utf8(normkit, tmp_path):
    """They get a name that can be written: the model is saved, and its classes are read again."""
    data = os.fsencode(tmp_path / "data")
    for name in (b"a", b"b\xff"):
        os.makedirs(os.path.join(data, name))
        for i in range(4):
            write_png(pathlib.Path(os.fsdecode(os.path.join(data, name, b"%d.png" % i))), np.full((8, 8), 60 * i))
    normkit("train", "--data", tmp_path / "data", "--network", "mlp", "--max-epochs", "1", "--output",
            tmp_path / "out")
    classes = json.loads(normkit("inspect", tmp_path / "out/model.onnx", "--json").stdout)["classes"]
    assert classes[0] == "a" and classes[1].startswith("b")


def test_a_model_over_the_limit(normkit, tmp_path):
    network = tmp_path / "network.json"
    layers = [{"type": "image_input"}, {"type": "flatten"}, {"type": "fully_connected", "output_size": 700000},
              {"type": "fully_connected"}, {"type": "softmax"}]
    network.write_text(json.dumps({"layers": layers}))
    done = normkit("train", "--data", "digits:50", "--network", network, "--output", tmp_path / "out", code=1)
    assert re.fullmatch(r"normkit: model file: the network takes 22\d{8} bytes, expected at most 2 GiB \(the "
                        r"limit of protobuf\)\n", done.stderr), done.stderr
    assert done.stdout == "" and not (tmp_path / "out").exists()


def limited(command, **limits):
    """Runs a command as one process with limits on its resources."""

    def limit():
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))

    return subprocess.run(list(map(str, command)), preexec_fn=limit, text=True, capture_output=True,
                          timeout=120)


def assert_refused(done, message, folder):
    assert done.returncode == 1 and done.stdout == "", done
    assert re.fullmatch(rf"normkit: {re.escape(str(folder))}{message}\n", done.stderr), done.stderr


@pytest.mark.parametrize("command", [["train", *SHORT], COMPARE], ids=lambda command: command[0])
def test_no_room(program, tmp_path, command):
    done = limited([program, *command, "--output", tmp_path / "out"], RLIMIT_FSIZE=20000)
    assert_refused(done, r": cannot take the files that will be written \(\d+ bytes\): File too large",
                   tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [["train", *SHORT], COMPARE], ids=lambda command: command[0])
def test_a_full_disk(program, tmp_path, command):
    """A file system of 100 KB, where one may be made."""
    out = tmp_path / "disk"
    out.mkdir()
    script = 'mount -t tmpfs -o size=100k none "$0" && "$@"; code=$?; ls -A "$0" >&2; exit $code'
    unshare = ["unshare", "-rm"]
    if subprocess.run([*unshare, "mount", "-t", "tmpfs", "none", out], capture_output=True).returncode != 0:
        pytest.skip("no file system may be mounted here (unshare -rm)")
    done = subprocess.run([*unshare, "sh", "-c", script, out, program, *command, "--output", out],
                          text=True, capture_output=True, timeout=120)
    assert_refused(done, r": cannot take the files that will be written \(\d+ bytes\): No space left on device",
                   out)


def make_read_only(folder):
    """Also for root; returns how to undo it."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        return lambda: folder.chmod(0o755)
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", folder], capture_output=True).returncode:
        pytest.skip("root may write everywhere here (no chattr)")
    return lambda: subprocess.run(["chattr", "-i", folder], check=True)


@pytest.mark.parametrize("command", [["train", *SHORT], COMPARE], ids=lambda command: command[0])
def test_folders_that_cannot_be_written_to(normkit, tmp_path, command):
    out = tmp_path / "out"
    out.mkdir()
    undo = make_read_only(out)
    try:
        done = normkit(*command, "--output", out, code=1)
        below = normkit(*command, "--output", out / "below", code=1)
    finally:
        undo()
    assert_refused(done, ": cannot be written: (Permission denied|Operation not permitted)", out)
    assert_refused(below, ": the folder cannot be made: (Permission denied|Operation not permitted)", out / "below")
    (tmp_path / "file").write_text("mine")
    done = normkit(*command, "--output", tmp_path / "file", code=1)
    assert_refused(done, ": the folder cannot be made: Not a directory", tmp_path / "file")
    taken = "report.html" if command[0] == "train" else "final.csv"
    (tmp_path / "taken" / taken).mkdir(parents=True)
    done = normkit(*command, "--output", tmp_path / "taken", "--overwrite", code=1)
    assert_refused(done, ": is a folder, expected a file", tmp_path / "taken" / taken)
    assert names(tmp_path / "taken") == [taken]


# ---- normalize ------------------------------------------------------------------------------------


def test_what_normalize_replaces(normkit, program, tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    layer = ["normalize", "x.npy", "--layer", "layer", "--format", "BC", "-o"]

    def run(output, *options, code=0):
        return normkit(*layer, output, *options, code=code, cwd=tmp_path)

    run("y.npy")
    y = (tmp_path / "y.npy").read_bytes()
    run("y.npy")  # an array is replaced
    (tmp_path / "empty").touch()
    run("empty")
    assert (tmp_path / "empty").read_bytes() == y
    (tmp_path / "photo").write_bytes(b"\xff\xd8\xff")
    os.symlink("x.npy", tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    for name, message in [
        ("photo", "holds something else than an array, expected a new file or --overwrite"),
        ("pipe", "cannot be written: nobody reads the pipe"),
        ("folder", "is a folder, expected a file"),
        ("socket", "is a socket, expected a file"),
        ("no/y.npy", "cannot be written (128 bytes): there is no folder 'no'"),
        ("n" * 256, "cannot be written: File name too long"),
        ("/dev/full", "cannot be written: No space left on device"),
    ]:
        assert run(name, code=1).stderr == f"normkit: {name}: {message}\n"
    server.close()
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x)
    run("/dev/null", "--stats-mean", "/dev/null")
    assert pathlib.Path("/dev/null").is_char_device()
    assert subprocess.run([program, *layer, "/dev/stdout"], cwd=tmp_path, capture_output=True).stdout == y
    run("photo", "--overwrite")
    assert (tmp_path / "photo").read_bytes() == y
    assert "is named for two outputs" in run("a.npy", "--stats-mean", "./a.npy", code=2).stderr
    run("link")  # the input as well, and a link stays one
    assert (tmp_path / "link").is_symlink() and (tmp_path / "x.npy").read_bytes() == y


# ---- Terminals and readers that go ----------------------------------------------------------------


def assert_stopped_and_saved(process, out):
    assert process.wait(timeout=120) == 1
    assert names(out) == ["checkpoint.npz", *MODEL_FILES]
    assert "Stopped before the end" in (out / "report.html").read_text()


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGHUP], [signal.SIGHUP, signal.SIGHUP]])
def test_signals(program, tmp_path, signals):
    """A shell whose terminal is closed sends SIGHUP to its jobs, and so does the system."""
    process = start_slow(program, tmp_path / "out")
    for number in signals:
        process.send_signal(number)
    _, messages = process.communicate(timeout=120)
    assert re.search(r"training stopped at iteration \d+; go on with: normkit train --resume", messages)
    assert_stopped_and_saved(process, tmp_path / "out")


def start_on_terminal(program, out, session):
    """A training on a terminal of its own that has shown a row; returns it and our end."""
    ours, theirs = pty.openpty()

    def control():
        if session:
            os.setsid()
            fcntl.ioctl(theirs, 0x540E, 0)  # TIOCSCTTY

    process = subprocess.Popen([program, "train", *slow(), "--output", out], stdin=theirs,
                               stdout=theirs, stderr=theirs, preexec_fn=control)
    os.close(theirs)
    said = b""
    while not re.search(rb"\n\| +1 \|", said):
        said += os.read(ours, 4096)
    return process, ours


@pytest.mark.parametrize("session", [False, True], ids=["output", "controlling"])
def test_a_closed_terminal(program, tmp_path, session):
    process, ours = start_on_terminal(program, tmp_path / "out", session)
    os.close(ours)
    assert_stopped_and_saved(process, tmp_path / "out")


def test_a_reader_that_goes(program, tmp_path):
    process = start_slow(program, tmp_path / "out", stderr=subprocess.DEVNULL)
    process.stdout.close()
    assert_stopped_and_saved(process, tmp_path / "out")


def test_what_lives_on_without_a_terminal(program, tmp_path):
    """nohup: SIGHUP and a lost terminal do not stop it, and what could not be shown is exit code 1."""
    out = tmp_path / "out"
    process = start_slow(program, out, slow(epochs=1, batch=16),
                         preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    process.stdout.close()
    assert process.wait(timeout=120) == 1
    assert but_summary(process.stderr.read()) == "normkit: standard output: cannot be written\n"
    assert names(out) == MODEL_FILES


@pytest.mark.parametrize("streams", [">&-", ">/dev/full", ">&- 2>&- <&-"])
def test_output_that_cannot_be_shown(program, tmp_path, streams):
    """The work is done and saved; that it could not be shown is exit code 1."""
    out = tmp_path / "out"
    command = " ".join([str(program), "train", *SHORT, "--output", str(out)])
    done = subprocess.run(f"{command} {streams}", shell=True, text=True, capture_output=True, timeout=120)
    assert done.returncode == 1
    assert but_summary(done.stderr) in ("", "normkit: standard output: cannot be written\n")
    assert names(out) == MODEL_FILES


def test_errors_come_before_the_table(normkit, tmp_path):
    done = normkit("train", "--data", "digits:300", "--initial-learn-rate", "1e38", "--solver", "sgdm",
                   "--mini-batch-size", "32", "--output", tmp_path / "out",
                   "--validation-data", tmp_path / "none", code=1)
    assert done.stdout == "" and done.stderr.count("\n") == 1


# ---- Volumes as folders of slices ------------------------------------------------------------------


def volume(kind, random):
    """A bright ball or a bright bar in noise, 8 x 12 x 10."""
    z, y, x = np.indices((8, 12, 10))
    at = [random.integers(3, size - 3) for size in (8, 12, 10)]
    bright = ((z - at[0]) ** 2 + (y - at[1]) ** 2 + (x - at[2]) ** 2 < 9) if kind == "ball" else (abs(z - at[0]) + abs(y - at[1]) < 2)
    return np.clip(60 + 140 * bright + random.normal(0, 15, bright.shape), 0, 255).astype(np.uint8)


def test_stacks_of_slices(normkit, tmp_path):
    random = np.random.default_rng(1)
    for kind in ("ball", "bar"):
        for i in range(30):
            folder = tmp_path / f"scans/{kind}/{i}"
            folder.mkdir(parents=True)
            for number, plane in enumerate(volume(kind, random)):
                Image.fromarray(plane).save(folder / f"slice_{number}.png")
    words = ["--data", tmp_path / "scans", "--format", "BSSS"]
    done = normkit("train", *words, "--max-epochs", 8, "--mini-batch-size", 8, "--validation-fraction", 0.3, "--output",
                   tmp_path / "out", "--json")  # fmt: skip
    assert "scans (60 volumes in 2 folders): 2 classes (ball 30, bar 30), 8 x 12 x 10 x 1 (depth x" in done.stderr
    accuracy = json.loads(done.stdout)["validation_accuracy"]
    assert accuracy > 85
    again = normkit("eval", tmp_path / "out/model.onnx", *words, "--held-out", "--json")
    assert json.loads(again.stdout)["accuracy"] == pytest.approx(accuracy)
    np.save(tmp_path / "bar.npy", volume("bar", random))
    assert "bar" in normkit("predict", tmp_path / "out/model.onnx", tmp_path / "bar.npy").stdout
    for kind in ("ball", "bar"):  # slices of another size are made to fit, wherever they are read
        folder = tmp_path / f"wide/{kind}/0"
        folder.mkdir(parents=True)
        for number, plane in enumerate(volume(kind, random)):
            Image.fromarray(plane).resize((16, 14)).save(folder / f"slice_{number}.png")
    short = ["--max-epochs", 1, "--mini-batch-size", 8, "--json", "--format", "BSSS"]
    normkit("eval", tmp_path / "out/model.onnx", "--data", tmp_path / "wide", "--format", "BSSS")
    done = normkit("train", "--data", tmp_path / "scans", "--validation-data", tmp_path / "wide", *short, "--output", tmp_path / "v")
    assert "validation_accuracy" in json.loads(done.stdout)
    normkit("train", "--from", tmp_path / "out/model.onnx", "--data", tmp_path / "wide", *short, "--validation-fraction", 0,
            "--output", tmp_path / "f")  # fmt: skip
    (tmp_path / "scans/bar/7/slice_3.png").unlink()
    done = normkit("eval", tmp_path / "out/model.onnx", *words, code=1)
    assert done.stderr == (f"normkit: data '{tmp_path}/scans': volume '{tmp_path}/scans/bar/7' has 7 slices, expected 8, "
                           f"as '{tmp_path}/scans/ball/0'\n")  # fmt: skip
    done = normkit("train", *words[:2], "--format", "BSS", "--output", tmp_path / "no", code=1)
    assert done.stderr.count("\n") == 1 and "and BSSS for folders of slices" in done.stderr
