"""What the documents say is so: links lead somewhere, examples are those that are built and run."""

import re

import pytest

from conftest import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")),
             *sorted((ROOT / "src").glob("*/README.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (document.parent / target).exists(), target


def test_the_example_is_the_one_that_is_built():
    blocks = re.findall(r"```cpp\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    assert blocks == [(ROOT / "examples/train.cc").read_text(encoding="utf-8")]


def test_commands_of_the_readme_exist(normkit):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = set(re.findall(r"^    normkit ([a-z]+) ", text, re.M))
    assert {"train", "eval", "predict", "compare", "normalize", "inspect"} <= names
    for name in names:
        assert "Examples:" in normkit(name, "--help").stdout


def test_scripts_of_the_documents_exist():
    for document in DOCUMENTS:
        for script in re.findall(r"\bscripts/[a-z-]+(?:\.[a-z]+\b)?", document.read_text(encoding="utf-8")):
            assert (ROOT / script).exists(), f"{document.name}: {script}"
