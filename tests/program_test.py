"""The program's manners: help, version, exit codes, and what a wrong command line is told."""

import re
import subprocess

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
                    "CLI11", "nlohmann-json", "spdlog"]:
        assert re.search(rf"^  {library} +\d+\.\d+\S*  +\S", text, re.M), library


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
