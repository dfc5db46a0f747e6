"""The program's manners: help, version, exit codes, and what a wrong command line is told."""

import json
import os
import re
import subprocess

import numpy as np
import pytest


def test_alone_it_shows_examples(normkit):
    done = normkit()
    assert done.stdout.count("\n  normkit ") == 3
    assert "--help" in done.stdout
    assert done.stderr == ""


def test_help_shows_examples_before_options(normkit):
    text = normkit("--help").stdout
    assert 0 < text.index("Examples:") < text.index("Usage:") < text.index("Options:")
    assert all(len(line) <= 100 for line in text.splitlines())


def test_version_lists_dependencies_with_licences(normkit):
    text = normkit("--version").stdout
    assert re.match(r"normkit \d+\.\d+\.\d+  \(Apache-2\.0\)\n", text)
    for library in ["fmt", "highway", "oneDNN", "protobuf", "libjpeg-turbo", "libpng", "zlib",
                    "lcms2", "cpp-httplib", "CLI11", "nlohmann-json", "spdlog"]:
        assert re.search(rf"^  {library} +\d+\.\d+\S*  +\S", text, re.M), library
    kernels = re.search(r"^Kernels for ((?:\w+, )*SCALAR); (\w+) runs on this processor$", text, re.M)
    assert kernels[2] in kernels[1].split(", ")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["trian"], "normkit: unknown command 'trian'"),
        (["--hlep"], "normkit: unknown option '--hlep', did you mean '--help'?"),
        (["--versoin=1"], "normkit: unknown option '--versoin', did you mean '--version'?"),
        (["xyzzy-nothing-like-it"], "normkit: unknown command 'xyzzy-nothing-like-it' (see"),
    ],
)
def test_wrong_command_line(normkit, arguments, message):
    done = normkit(*arguments, code=2)
    assert done.stdout == ""
    assert done.stderr.startswith(message)
    assert done.stderr.endswith("(see normkit --help)\n")
    assert done.stderr.count("\n") == 1


def test_output_that_cannot_be_written_is_failed_work(program):
    with open("/dev/full", "w") as full:
        done = subprocess.run([program, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "normkit: standard output: cannot be written\n"


def test_reader_that_leaves_ends_the_program_quietly(program):
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; for i in 1 2 3; do '{program}' --help; done | true"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode in (0, 128 + 13)
    assert done.stderr == ""


REFUSED = ("normkit: {1}: started as 2 ranks ({0}), expected one process (train, eval, predict, compare, statistics "
           "share their work among ranks); start it without a launcher, or unset {0}\n")  # fmt: skip


RANKS = [  # what launchers set, and who of them is refused
    ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}, "OMPI_COMM_WORLD_SIZE"),
    ({"PMI_SIZE": "2", "PMI_RANK": "0"}, "PMI_SIZE"),
    ({"MV2_COMM_WORLD_SIZE": "2", "MV2_COMM_WORLD_RANK": "0"}, "MV2_COMM_WORLD_SIZE"),
    ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, "SLURM_STEP_NUM_TASKS"),
    ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, None),  # a batch script, which runs once
    ({"PMI_SIZE": "1", "PMI_RANK": "0"}, None),
    ({"PMI_SIZE": "two", "PMI_RANK": "0"}, None),
]


@pytest.mark.parametrize("environment, variable", RANKS)
def test_what_launchers_set(normkit, tmp_path, environment, variable):
    for command in ("inspect", "normalize", "bench"):
        done = normkit(command, "--nonsense", env=os.environ | environment, code=1 if variable else 2)
        assert done.stdout == ""
        if variable:
            assert done.stderr == REFUSED.format(variable, command)
            rank = variable.replace("SIZE", "RANK").replace("STEP_NUM_TASKS", "PROCID")
            other = normkit(command, env=os.environ | environment | {rank: "1"}, code=1)
            assert other.stderr == ""


ODD = {  # bytes of a path, and how messages show them
    b"new\nline": "new\\nline",
    b"\x1b[31mred": "\\x1b[31mred",
    b"not \xff utf-8": "not \\xff utf-8",
    b"tab\tbell\x07": "tab\\tbell\\x07",
    "Grüße 北京".encode(): "Grüße 北京",
}


@pytest.mark.parametrize("name, shown", ODD.items(), ids=lambda v: ascii(v))
def test_odd_words_stand_on_one_line(program, tmp_path, name, shown):
    def run(*words):
        done = subprocess.run([os.fsencode(program), *words], cwd=tmp_path, capture_output=True, timeout=60)
        return done.returncode, done.stdout, done.stderr.decode()  # which is UTF-8

    for words, code in [
        ([b"inspect", name], 1),
        ([b"eval", name, b"--data", b"digits"], 1),
        ([b"predict", name, name], 1),
        ([b"train", b"--data", name, b"--output", b"out"], 1),
        ([b"train", b"--resume", name], 1),
        ([b"train", b"--data", b"digits", b"--output", b"out", b"--network", name + b".json"], 1),
        ([b"compare", b"--data", name], 1),
        ([b"normalize", name, b"--layer", b"batch", b"--format", b"BC", b"-o", b"y.npy"], 1),
        ([name], 2),
        ([b"help", name], 2),
        ([b"--" + name], 2),
        ([b"train", b"--data", b"digits", b"--output", b"out", b"--norm", name], 2),
        ([b"train", b"--data", b"digits", b"--output", b"out", b"--seed", name], 2),
        ([b"train", b"--data", b"digits", b"--output", b"out", b"--solver", name], 2),
        ([b"bench", b"--layer", name], 2),
        ([b"bench", b"--layer", b"batch", b"--shape", b"2", b"--format", name], 2),
        ([b"inspect", b"model", name], 2),
    ]:
        found, stdout, stderr = run(*words)
        assert found == code, (words, stderr)
        assert stdout == b"" and stderr.count("\n") == 1 and shown in stderr, stderr
        assert "internal error" not in stderr


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_json_stays_json(program, tmp_path, name):
    """Whatever the paths in it; bytes that are not UTF-8 are U+FFFD there."""

    def run(*words):
        done = subprocess.run([os.fsencode(program), *words], cwd=tmp_path, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.decode())

    network = b"small " + name + b".json"
    layers = '[{"type": "image_input"}, {"type": "flatten"}, {"type": "fully_connected"}, {"type": "softmax"}]'
    with open(os.path.join(os.fsencode(tmp_path), network), "w") as file:
        file.write('{"layers": ' + layers + "}")
    few = [b"--data", b"digits:20", b"--network", network, b"--max-epochs", b"1", b"--output", name, b"--json"]
    assert name.decode(errors="replace") in run(b"train", *few)["model"]
    compare = [b"other " + word if word == name else word for word in few]
    run(b"compare", *compare, b"--norm", b"none", b"--mini-batch-size", b"8", b"--checkpoints", b"1")
    model = name + b"/model.onnx"
    assert run(b"inspect", model, b"--json")["model"] == model.decode(errors="replace")
    run(b"eval", model, b"--data", b"digits:20", b"--json")
    np.save(tmp_path / "x.npy", np.zeros((1, 28, 28), np.float32))
    os.rename(os.fsencode(tmp_path / "x.npy"), os.path.join(os.fsencode(tmp_path), name + b".npy"))
    found = run(b"predict", model, name + b".npy", b"--json")
    assert found[0]["file"].startswith(name.decode(errors="replace"))
    run(b"bench", b"--network", network, b"--input", b"4,4,1", b"--seconds", b"0", b"--threads", b"1", b"--json")
