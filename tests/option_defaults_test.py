"""docs/options.md says what the defaults of the program are: it is true. src/train/options_test.cc holds the
column of the library."""

import re

import pytest

from conftest import ROOT

TABLE = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in (ROOT / "docs/options.md").read_text().splitlines()
    if line.startswith("| `--")
]
DOCUMENTED = {row[0].strip("`"): row[1:] for row in TABLE}


def program_defaults(normkit, command):
    """--option: (default, the whole row), as help has them."""
    rows = re.split(r"\n(?=  (?:-\w,)?--)", normkit(command, "--help").stdout)
    texts = {re.match(r"  (?:-\w,)?(--[\w-]+)", row)[1]: " ".join(row.split()) for row in rows[1:]}
    return {name: (re.search(r"\((?:.*, )?default ([^,)]+)", text), text) for name, text in texts.items()}


def test_the_table_has_every_option(normkit):
    helped = program_defaults(normkit, "train")
    assert set(DOCUMENTED) <= set(helped)
    assert all(len(row) == 4 for row in DOCUMENTED.values())


@pytest.mark.parametrize("command", ["train", "compare"])
def test_defaults_of_the_program(normkit, command):
    helped = program_defaults(normkit, command)
    assert "--max-epochs" in helped
    for option, (_, _, documented, _) in DOCUMENTED.items():
        if option not in helped:
            assert command == "compare", option
        elif (command, option) == ("compare", "--mini-batch-size"):
            assert "compare` lists 128,16,4,2" in DOCUMENTED[option][3]
            assert "default 128,16,4,2" in helped[option][1]
        else:
            default, row = helped[option]
            assert default and default[1] == documented, row


def test_where_the_program_differs_the_table_says_why():
    for option, (_, library, program, why) in DOCUMENTED.items():
        assert library == program or why, option
