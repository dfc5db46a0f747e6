"""docs/options.md says what the defaults of the library and of the program are: it is true."""

import re

import pytest

from conftest import ROOT

HEADER = (ROOT / "include/normkit/train/options.h").read_text()
TABLE = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in (ROOT / "docs/options.md").read_text().splitlines()
    if line.startswith("| `--")
]
DOCUMENTED = {row[0].strip("`"): row[1:] for row in TABLE}


def library_defaults():
    """--option: value, of TrainingOptions, as the header has them; "" for what is no number or name."""
    body = re.search(r"struct TrainingOptions \{(.*?)\n\};", HEADER, re.S)[1]
    found = re.findall(r"^  (?:[\w:<>]+) (\w+) = ([^;]*);", body, re.M)
    return {"--" + name.replace("_", "-"): value for name, value in found
            if re.fullmatch(r"-?[\d.e-]+|\w+::k\w+", value)}  # fmt: skip


def program_defaults(normkit, command):
    """--option: (default, the whole row), as help has them."""
    rows = re.split(r"\n(?=  (?:-\w,)?--)", normkit(command, "--help").stdout)
    texts = {re.match(r"  (?:-\w,)?(--[\w-]+)", row)[1]: " ".join(row.split()) for row in rows[1:]}
    return {name: (re.search(r"\((?:.*, )?default ([^,)]+)", text), text) for name, text in texts.items()}


def letters(name):
    return re.sub(r"[^a-z0-9]", "", name.lower())


def test_the_table_has_every_option():
    assert set(DOCUMENTED) == set(library_defaults())
    assert all(len(row) == 4 for row in DOCUMENTED.values())


@pytest.mark.parametrize("option", DOCUMENTED)
def test_defaults_of_the_library(option):
    value, documented = library_defaults()[option], DOCUMENTED[option][1]
    if "::k" in value:
        assert letters(value.split("::k")[1]) == letters(documented)
    elif documented in ("auto", "inf"):
        assert float(value) == 0
    else:
        assert float(value) == float(documented)


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
