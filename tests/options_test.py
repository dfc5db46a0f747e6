"""Every option of every command, by the list that `normkit COMMAND --help` gives: what it says of
values that are wrong. An option that is added joins by itself."""

import functools
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from conftest import _built
from style_networks import save, style_network

HUGE = "1" * 400
WRONG = ["-1", str(2**64), "010", "1.5", "nan", "inf", "", " ", HUGE, "0x10", "1_000", "\uff11"]

# A command line of each command that is whole and quickly done, in a folder with x.npy.
WHOLE = {
    "train": "--data digits:20 --network mlp --max-epochs 1 --output out --overwrite",
    "eval": "model.onnx --data digits:20",
    "predict": "model.onnx x.npy",
    "inspect": "model.onnx",
    "compare": "--data digits:20 --network mlp --norm none --mini-batch-size 8 --max-epochs 1 --checkpoints 1 --overwrite",
    "normalize": "x.npy --layer batch --format BC --output y.npy",
    "bench": "--layer layer --shape 2,3 --format BC --seconds 0 --limit 40",
    "run": "model.onnx --input chw.npy --output-dir out",
    "stylize": "photo.png --model style.onnx --output styled.png",
    "style": "train --style waves --size 40 --width 2 --blocks 0 --steps 1 --mini-batch-size 1 --output style-out.onnx --overwrite",
    "doctor": "bn.onnx --data digits:60",
    "statistics": "bn.onnx --data digits:20 --output mended.onnx",
    "image": "photo.png --output photo.npy",
    "help": "",
}


@functools.cache
def run_help(*words):
    return subprocess.run([_built("NORMKIT_PROGRAM", "bin/normkit"), *words, "--help"],
                          capture_output=True, text=True, check=True).stdout


@functools.cache
def commands():
    block = run_help().split("\nCommands:\n")[1].split("\n\n")[0]
    return re.findall(r"^  (\w+) ", block, re.M)


@functools.cache
def options(command):
    """(name, kind) of each option; kind is "" for a flag."""
    rows = re.findall(r"^  (?:-\w,)?(--[\w-]+)(?: (\S+))?(?:  |$)", run_help(command), re.M)
    return [(name, kind) for name, kind in rows if name != "--help"]


ALL = [(command, *option) for command in commands() for option in options(command)]
IDS = [f"{command} {name}" for command, name, _ in ALL]


def is_list(kind):
    return kind.endswith(",...") or kind == "H,W,C"


def is_number(kind):
    return kind in ("N", "X", "N,N,...", "H,W,C")


def is_text(kind):
    return kind.removesuffix(",...") in ("FILE", "DIR", "SOURCE", "NODE")


@pytest.fixture(scope="module")
def folder(normkit, tmp_path_factory):
    path = tmp_path_factory.mktemp("options")
    np.save(path / "x.npy", np.zeros((28, 28), np.float32))
    np.save(path / "row.npy", np.ones(28, np.float32))
    np.save(path / "chw.npy", np.zeros((1, 1, 28, 28), np.float32))
    save(style_network(), path / "style.onnx")
    Image.new("RGB", (8, 6)).save(path / "photo.png")
    normkit("train", "--data", "digits:60", "--network", "mlp", "--max-epochs", 1, "--output", path / "model",
            "--json")  # fmt: skip
    (path / "model/model.onnx").rename(path / "model.onnx")
    normkit("train", "--data", "digits:60", "--max-epochs", 1, "--output", path / "bn")
    (path / "bn/model.onnx").rename(path / "bn.onnx")
    return path


# What an option is nothing without.
NEEDED = {
    ("normalize", "--negative-slope"): "--activation leaky-relu",
    ("normalize", "--activation-alpha"): "--activation elu",
    ("normalize", "--scale-plus-one"): "--scale row.npy",
    ("normalize", "--parameter-axes"): "--scale row.npy",
}


def words_without(command, option):
    """The whole command line, but for an option and its value."""
    words = (WHOLE[command] + " " + NEEDED.get((command, option), "")).split()
    if option in words:
        at = words.index(option)
        del words[at : at + 2]
    return words


@pytest.fixture
def run(program, folder):
    def call(command, *arguments):
        for output in ("out", "compare"):  # runs do not share a folder
            shutil.rmtree(folder / output, ignore_errors=True)
        done = subprocess.run([program, command, *arguments], cwd=folder, capture_output=True, timeout=120)
        stdout, stderr = done.stdout.decode(), done.stderr.decode()
        assert done.returncode in ((0, 1, 2, 3) if command == "doctor" else (0, 1, 2)), stderr
        assert "internal error" not in stderr
        if command == "doctor" and done.returncode == 3:  # that there are findings is no failure
            return 0, stderr
        if done.returncode == 2:
            assert stdout == "" and stderr.count("\n") == 1
            assert stderr.endswith(f" (see normkit {command} --help)\n")
        return done.returncode, stderr

    return call


def check_message(command, option, text, message):
    """The line names the option, what was given and what was expected."""
    assert message.startswith(f"normkit {command}: {option}: "), message
    assert (text if len(text) < 80 else text[:40]) in message
    assert " expected " in message, message
    assert len(message) < 500


@pytest.mark.parametrize("command, option", NEEDED)
def test_nothing_is_dropped(run, command, option):
    """An option that nothing comes of is refused, and the message says what it belongs to."""
    value = {"--scale-plus-one": [], "--parameter-axes": ["C"]}.get(option, ["0.5"])
    needed = NEEDED[command, option].split()
    assert run(command, *WHOLE[command].split(), *needed, option, *value)[0] == 0
    code, message = run(command, *WHOLE[command].split(), option, *value)
    assert code == 2 and message.startswith(f"normkit {command}: {option}: "), message
    assert needed[0] in message and needed[1].split(".")[0].replace("row", "") in message, message


def test_every_command_is_here():
    assert sorted(commands()) == sorted(WHOLE)
    assert all(len(options(command)) > 0 for command in commands() if command != "help")


@pytest.mark.parametrize("command", WHOLE)
def test_whole_command_lines_are_right(run, command):
    assert run(command, *WHOLE[command].split())[0] == 0


@pytest.mark.parametrize("command, option, kind", ALL, ids=IDS)
def test_wrong_values(run, command, option, kind):
    row = re.search(rf"^  (?:-\w,)?{option}\b.*?(?=^  -|\Z)", run_help(command), re.M | re.S)[0]
    for text in WRONG:
        if not kind:
            code, message = run(command, *WHOLE[command].split(), f"{option}={text or 'x'}")
            assert (code, message.split(" (see")[0]) == (
                2, f"normkit {command}: {option}: given with a value, expected none")
            continue
        code, message = run(command, *words_without(command, option), f"{option}={text}")
        if (is_text(kind) or option == "--label-column") and text:
            continue  # a name, whatever it is
        real = option in ("--input-mean", "--input-std")  # lists of such numbers
        legal = (text == "1.5" and real) or (text == "-1" and option in ("--input-mean", "--sequence-padding-value")) or (text == "inf" and "inf" in row) or (text == "1.5" and kind == "X") or (
            text.isdecimal() and text.isascii() and int(text) < 2**64 and not text.startswith("0")) or (
            option == "--values" and text == "nan")
        # Numbers of which nothing may come: too large ones, and those of an input whose network is made here.
        huge = ((real or kind == "X") and text == str(2**64)) or (real and legal and command == "train")
        assert code in ((0, 1, 2) if huge else (0, 2) if legal else (2,)), (text, message)
        if code == 2:
            check_message(command, option, text, message)


@pytest.mark.parametrize("command, option, kind", ALL, ids=IDS)
def test_twice(run, command, option, kind):
    """Flags and lists may stand twice; of one value it is not clear which is meant."""
    words = words_without(command, option)
    if not kind:
        if option in ("--held-out",):  # the model here was trained with a part held out
            words += ["--data", "digits:60"] if "--data" not in words else []
        code, message = run(command, *words, option, option)
        if option == "--calibrate":  # it takes none of the words, and alone a minute
            assert "--calibrate: it has cells of its own" in message
        else:
            assert code != 2
    elif not is_list(kind):
        code, message = run(command, *words, option, "3", option, "4")
        assert code == 2
        assert message.startswith(f"normkit {command}: {option}: given 2 times ('3', '4'), expected once")


@pytest.mark.parametrize("command, option, kind", ALL, ids=IDS)
def test_without_a_value(run, command, option, kind):
    if kind:
        code, message = run(command, *words_without(command, option), option)
        assert code == 2
        assert message.startswith(f"normkit {command}: {option}: no value given, expected "), message


@pytest.mark.parametrize("command", [c for c in WHOLE if c not in ("train", "compare", "bench")])
def test_empty_arguments(run, command):
    words = WHOLE[command].split()
    for i, word in enumerate(words):
        if word.startswith("-"):
            break
        code, message = run(command, *words[:i], "", *words[i + 1 :])
        assert code == 2 and "'' given, expected " in message, message


LISTS = [
    ("compare", "--norm", "none", "rms"),
    ("compare", "--mini-batch-size", "8", "4"),
    ("bench", "--op", "forward", "backward"),
    ("bench", "--shape", "2", "3"),
    ("bench", "--dtype", "f32", "f64"),
    ("bench", "--threads", "1", "2"),
    ("bench", "--values", "normal", "zero"),
    ("style", "--style", "waves", "mosaic"),
    ("statistics", "--layers", "*", "norm*"),
]


@pytest.mark.parametrize("command, option, first, second", LISTS)
def test_lists_take_blanks_alike(run, command, option, first, second):
    words = words_without(command, option)
    for value in (f"{first},{second}", f"{first}, {second}", f" {first} ,{second} "):
        assert run(command, *words, option, value)[0] == 0, value
    for values in ((first, second), (f"{first},", second)):
        assert run(command, *words, option, *values)[0] == 0, values
    for value in (",", f"{first},", f",{first}", f"{first},,{second}"):
        code, message = run(command, *words, option, value)
        assert code == 2
        check_message(command, option, value, message)


def test_every_list_has_a_row():
    known = {(command, option) for command, option, *_ in LISTS}
    lists = {(command, name) for command, name, kind in ALL if is_list(kind)}
    # Of these one is taken where nothing else is said: --layer and --format choose among --table, a network has
    # as many inputs, nodes, styles and channels as it has.
    assert lists - known == {("bench", "--layer"), ("bench", "--format"), ("bench", "--input"),
                             ("run", "--input"), ("style", "--style-nodes"), ("style", "--content-nodes"),
                             ("stylize", "--style-mix"), ("statistics", "--rescale"),
                             *(("train", "--" + o) for o in ("freeze", "freeze-statistics", "use-trained-statistics", "reset")),
                             *((c, o) for c in ("doctor", "eval", "statistics", "train") for o in ("--input-mean", "--input-std"))}  # fmt: skip


# Numbers that stand in other texts: (what, how a value stands in it, exit code).
IN_TEXTS = [
    ("train", ["--data", "digits:{}"], "--data"),
    ("train", ["--norm", "group:{}"], "--norm"),
    ("compare", ["--norm", "none,group:{}"], "--norm"),
    ("compare", ["--mini-batch-size", "8,{}"], "--mini-batch-size"),
    ("bench", ["--shape", "2,{}"], "--shape"),
    ("bench", ["--threads", "1,{}"], "--threads"),
    ("bench", ["--input", "8,8,{}"], "--input"),
]


@pytest.mark.parametrize("command, words, option", IN_TEXTS)
@pytest.mark.parametrize("text", WRONG)
def test_numbers_in_other_texts(run, command, words, option, text):
    if text == " ":
        text = "2 x"
    code, message = run(command, *words_without(command, option), *(w.format(text) for w in words))
    assert code == 2, (text, message)
    assert message.startswith(f"normkit {command}: {option}: "), message
    assert (text if len(text) < 80 else text[:30]) in message and "expected " in message


@pytest.mark.parametrize("command, option, word", [
    ("train", "--gradient-threshold", "Inf"),
    ("train", "--validation-patience", "inf"),
    ("train", "--initial-learn-rate", "auto"),
    ("train", "--squared-gradient-decay-factor", "auto"),
    ("train", "--checkpoint-frequency", "Inf"),
    ("eval", "--seed", "auto"),
    ("eval", "--mini-batch-size", "auto"),
    ("bench", "--limit", "auto"),
    *((command, "--threads", text) for command, name, _ in ALL if name == "--threads"
      for text in ("auto", "Auto", "0")),
])  # fmt: skip
def test_words_for_numbers(run, command, option, word):
    assert run(command, *words_without(command, option), option, word)[0] == 0


def test_one_thing_has_one_name():
    """Options of the same name take the same, and say the same of it; but for --input, which gives `run` what
    the network's inputs are and others their size, and --range, which `stylize` can find out."""
    rows = {}
    for command, name, kind in ALL:
        if name not in ("--threads", "--mini-batch-size", "--norm", "--output", "--layer", "--format", "--op",
                        "--input", "--range"):
            rows.setdefault(name, set()).add(kind)
    assert {name: kinds for name, kinds in rows.items() if len(kinds) > 1} == {}
    names = {name for _, name, _ in ALL}
    assert not names & {"--batch", "--batch-size", "--batch-sizes", "--norms"}


def test_spellings_of_others(run, folder):
    assert run("train", *words_without("train", "--max-epochs"), "--MaxEpochs", "1", "--mini_batch_size=8")[0] == 0
    for typed, meant, value in [("--lr", "--initial-learn-rate", "0.1"), ("--learning-rate", "--initial-learn-rate", "0.1"),
                                ("--epochs", "--max-epochs", "1"), ("--batch-size", "--mini-batch-size", "8"),
                                ("--weight-decay", "--l2-regularization", "0"), ("--optimizer", "--solver", "adam"),
                                ("--patience", "--validation-patience", "5")]:  # fmt: skip
        assert run("train", *words_without("train", meant), typed, value)[0] == 0, typed
        code, message = run("train", *words_without("train", meant), typed, "x")
        assert code == 2 and message.startswith(f"normkit train: {meant}: 'x' given, expected "), message
        code, message = run("train", *words_without("train", meant), typed, value, meant, value)
        assert code == 2 and f"{meant}: given 2 times" in message
        assert f"also {typed}" in " ".join(run_help("train").split())
    for typed, meant in [("bn", "batch"), ("gn", "group"), ("bacth", "batch")]:
        code, message = run("train", *words_without("train", "--norm"), "--norm", typed)
        assert code == 2 and f"did you mean '{meant}'?" in message
    for typed in ("LayerNorm", "batchNormalizationLayer", "GroupNormalization:2", "rms_normalization"):
        assert run("train", *words_without("train", "--norm"), "--norm", typed)[0] == 0, typed
    for typed in ("LayerNorm", "batchNormalizationLayer"):
        assert run("normalize", *words_without("normalize", "--layer"), "--layer", typed)[0] == 0, typed
    code, message = run("train", *words_without("train", "--network"), "--network", "resnet")
    assert code == 2 and "did you mean 'resnet-tiny'?" in message
    for typed, meant in [("NCHW", "BCSS"), ("NHWC", "BSSC"), ("nchw", "BCSS"), ("bc", "BC")]:
        code, message = run("normalize", *words_without("normalize", "--format"), "--format", typed)
        assert code == 2 and f"did you mean '{meant}'?" in message


def test_required_options_are_marked():
    for command, wanted in {"train": {"--data", "--output"}, "eval": {"--data"}, "compare": {"--data"},
                            "normalize": {"--layer", "--output"}}.items():  # fmt: skip
        text = " ".join(run_help(command).split())
        usage = re.search(r"Usage: (.*?) \[OPTIONS\]", text)[1]
        assert set(re.findall(r"--[\w-]+", usage)) == wanted
        marked = re.findall(r"^  (?:-\w,)?(--[\w-]+)(?:(?!^  -).)*\(required", run_help(command), re.M | re.S)
        assert set(marked) == wanted
    assert "Usage: normkit predict MODEL.onnx FILE... [OPTIONS]" in run_help("predict")


def test_an_option_is_no_value_of_another(run):
    code, message = run("train", "--data", "digits:20", "--output", "--json")
    assert code == 2
    assert message.startswith("normkit train: --output: option '--json' given, expected a path")


def test_help_of_commands(normkit):
    assert normkit("help").stdout == normkit("--help").stdout
    for command in commands():
        assert normkit("help", command).stdout == normkit(command, "--help").stdout
    done = normkit("help", "trian", code=2)
    assert "'trian' given, expected train, eval" in done.stderr and "did you mean 'train'?" in done.stderr
    assert normkit("-V").stdout == normkit("--version").stdout


def test_files_may_be_called_like_commands(run, folder):
    os.link(folder / "model.onnx", folder / "eval") if not (folder / "eval").exists() else None
    assert run("inspect", "eval")[0] == 0
    assert run("predict", "model.onnx", "train")[0] == 1  # there is no such file


# A newcomer's command lines, which say what is missing, or where it goes.
MISTAKES = [
    ("predict", [], "MODEL.onnx is required"),
    ("predict", ["model.onnx"], "FILE... is required"),
    ("eval", [], "MODEL.onnx is required"),
    ("normalize", [], "X.npy is required"),
    ("train", ["digits"], "'digits' is one argument too many, expected the name of an option before it, such as --data"),
    ("eval", ["model.onnx", "digits"],
     "'digits' is one argument too many, expected the name of an option before it, such as --data"),
    ("inspect", ["model.onnx", "x"], "'x' is one argument too many"),
    ("bench", ["--short", "--slices", "2"], "--short: its cells have no --activation, --output-type or --slices, but some are given"),
    ("bench", ["--calibrate", "--table"], "--calibrate: it has cells of its own, but some are given"),
    ("bench", ["--calibrate", "--dtype", "bf16"], "--calibrate: it has cells of its own, but some are given"),
    ("bench", ["--calibrate", "--residual"], "--calibrate: it has cells of its own, but some are given"),
    ("bench", ["--calibrate", "--unusual"], "--calibrate: it has cells of its own, but some are given"),
    ("bench", ["--calibrate", "--hot"], "--calibrate: it has cells of its own, but some are given"),
    ("bench", ["--calibrate", "--list"], "--calibrate: it has no --list, --limit and --history, but some are given"),
    ("bench", ["--output-type", "int4"], "--output-type: output type 'int4' is unknown, expected same, int8, uint8, int8-per-statistic, float8-e4m3, did you mean 'int8'?"),
    ("bench", ["--slices", "0"], "--slices: '0' given, expected a whole number from 1 to 1000"),
    ("bench", ["--shape", "2x3"], "--shape: '2x3' given, expected a whole number from 0 to 1000000000, with commas between them"),
    ("train", ["--data"], "--data: no value given, expected digits[:COUNT], a task (parity, adding, waves, moving, blobs, blobs3d), a folder, an IDX pair, an .npz, .ts or .csv"),
    ("normalize", ["x.npy", "-O", "y.npy"], "unknown option '-O', did you mean '-o'?"),
]  # fmt: skip


@pytest.mark.parametrize("command, words, message", MISTAKES)
def test_mistakes(run, command, words, message):
    assert run(command, *words) == (2, f"normkit {command}: {message} (see normkit {command} --help)\n")


# Files of another kind: what they are, and what was expected.
OTHER_FILES = [
    ("inspect", ["network.json"], "network.json: is a JSON text, expected an ONNX model, such as the model.onnx of a training"),
    ("predict", ["picture.png", "model.onnx"], "picture.png: is a PNG picture, expected an ONNX model, such as the model.onnx of a training"),
    ("eval", ["model", "--data", "digits:20"], "model: is a folder, expected a file, such as model/model.onnx"),
    ("normalize", "arrays.npz --layer layer --format BC -o y.npy".split(),
     "arrays.npz: is a ZIP archive, expected an .npy file (what numpy.save writes)"),
    ("normalize", "x.npy --layer layer --format BC -o none/y.npy".split(),
     "none/y.npy: cannot be written (3136 bytes): there is no folder 'none'"),
    ("train", ["--resume", "arrays.npz"],
     "checkpoint 'arrays.npz': has no array 'metadata', expected an archive that a training wrote"),
    ("train", ["--resume", "model/checkpoint.npz"],
     "model/checkpoint.npz: there is none, but model/model.onnx: this training has ended, expected the checkpoint of one that was stopped"),
    ("train", "--data targets.npz --output out".split(),
     "network 'small-cnn' tells classes apart, '3 of targets.npz (4 observations)' has targets (class numbers are an array of whole numbers); "
     "describe another in a .json file"),
]  # fmt: skip


@pytest.mark.parametrize("command, words, message", OTHER_FILES)
def test_other_files(run, folder, command, words, message):
    (folder / "network.json").write_text('{"layers": []}')
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    np.savez(folder / "arrays.npz", x=np.zeros(3))
    np.savez(folder / "targets.npz", x=np.zeros((4, 8, 8, 1), np.uint8), y=np.array([0.5, 1, 2, 3]))
    (folder / "model/model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    assert run(command, *words) == (1, f"normkit: {message}\n")
