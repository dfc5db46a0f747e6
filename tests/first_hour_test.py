"""The commands of docs/first-hour.md and docs/seeing.md run, in their order."""

import re
import shlex

import pytest

from conftest import ROOT

LEFT_OUT = {"source"}  # which tests/help_test.py does


@pytest.mark.parametrize("document", ["first-hour", "seeing"])
def test_commands_run(normkit, tmp_path, document):
    text = (ROOT / f"docs/{document}.md").read_text(encoding="utf-8")
    commands = [line for line in re.findall(r"^    (\S.*)$", text, re.M) if line.split()[0] not in LEFT_OUT]
    assert len(commands) >= 2
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "normkit", command
        normkit(*words, cwd=tmp_path)
