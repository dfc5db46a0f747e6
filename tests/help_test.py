"""What the program says of itself to shells, to man and about the environment."""

import json
import re
import shutil
import subprocess

import pytest

from conftest import ROOT
from options_test import commands, options

SHELLS = ["bash", "zsh", "fish"]


@pytest.fixture(scope="module")
def scripts(normkit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("completions")
    for shell in SHELLS:
        (folder / shell).write_text(normkit("help", "--completion", shell).stdout)
    return folder


def complete(scripts, *words):
    """What bash offers for the last word."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = (f"source {scripts}/bash; COMP_WORDS=(normkit {quoted}); COMP_CWORD={len(words)}; _normkit; "
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return [word for word in done.stdout.split("\n") if word]


def test_bash_completes(scripts):
    assert complete(scripts, "") == [*commands(), "--help", "--version"]
    assert complete(scripts, "pre") == ["predict"]
    assert complete(scripts, "train", "--solver", "") == ["sgdm", "adam", "rmsprop", "adamw", "lbfgs"]
    assert complete(scripts, "train", "--solver", "ada") == ["adam", "adamw"]
    assert complete(scripts, "train", "--plo") == ["--plots"]
    assert "resnet-tiny" in complete(scripts, "train", "--network", "res")
    assert complete(scripts, "train", "--data", "") == []  # files, by bash itself
    assert complete(scripts, "help", "tr") == ["train"]
    for command in commands():
        assert set(complete(scripts, command, "--")) == {"--help", *(name for name, _ in options(command))}


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_name_every_option(scripts, shell):
    text = (scripts / shell).read_text()
    for command in commands():
        for name, _ in options(command):
            wanted = {"bash": f"{name}", "zsh": f"'{name}[", "fish": f"from {command}' -l {name[2:]} "}[shell]
            assert wanted in text, (command, name)
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here to read it")
    done = subprocess.run([shell, "-n", scripts / shell], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_the_manual_page(normkit, tmp_path):
    text = normkit("help", "--man").stdout
    for command in commands():
        part = text.split(f".SS normkit {command}\n")[1].split(".SS ")[0].replace("\\-", "-")
        for name, _ in options(command):
            assert re.search(rf"^\.B .*{name}\b", part, re.M), (command, name)
    for line in text.splitlines():
        assert not re.match(r"[.'](?!(TH|SH|SS|PP|TP|B|I|nf|fi)\b)", line), line
    if not shutil.which("man"):
        pytest.skip("no man here to read it")
    page = tmp_path / "normkit.1"
    page.write_text(text)
    done = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin", "MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0 and done.stderr == ""
    assert "--learn-rate-schedule" in done.stdout


def test_help_names_every_variable(normkit):
    named = set(re.findall(r"\b[A-Z][A-Z_]+\b", normkit("--help").stdout.split("\nEnvironment:\n")[1]))
    sources = [path for folder in ("src", "tools") for path in (ROOT / folder).rglob("*.[ch]*")
               if not re.search(r"_test|testing\.h|standalone", str(path))]
    read = {name for path in sources for name in re.findall(r'"((?:NORMKIT|OMP|NO)_[A-Z_]+)"', path.read_text())}
    read = {name for name in read if not name.endswith(("_DEFAULT", "_LIBDIR"))}
    assert {"NORMKIT_VERBOSE", "NORMKIT_TARGET", "NO_COLOR"} <= read
    assert read <= named, read - named
    assert {name for name in named if name.startswith("NORMKIT")} <= read


def test_usual_words_in_a_file_of_options(normkit, tmp_path):
    (tmp_path / "own.json").write_text('{"epochs": 1, "lr": 0.125, "batch_size": 8, "network": "mlp"}')
    normkit("train", "--data", "digits:40", "--config", "own.json", "--output", "out", "--LR", "0.25", cwd=tmp_path)
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert [config[name] for name in ("max-epochs", "initial-learn-rate", "mini-batch-size")] == [1, 0.25, 8]
