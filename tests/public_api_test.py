"""The shared library exports what the public headers declare, and nothing else."""

import re
import subprocess

from conftest import ROOT

HEADERS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "include").rglob("*.h"))


def exported(library):
    done = subprocess.run(
        ["nm", "-DC", "--defined-only", library], text=True, capture_output=True, check=True
    )
    return [line.split(" ", 2)[2] for line in done.stdout.splitlines()]


def is_public(symbol):
    """Every name of the symbol's path stands in a public header: normkit::Graph::Add(...)."""
    if re.fullmatch(r"normkit_[a-z0-9_]+", symbol):
        return re.search(rf"\b{symbol}\(", HEADERS) is not None
    of_class = r"(?:typeinfo(?: name)?|vtable|VTT) for (normkit::[\w:]+)"
    path = re.match(of_class, symbol) or re.match(
        r"(?:\w+ )?(normkit::[~\w:]+)(?:<\w+>)?(?:\[abi:\w+\])?(?:\(|$)", symbol)  # templates: with their type
    if not path:
        return "::operator" in symbol and symbol.startswith("normkit::")
    return all(re.search(rf"\b{name.lstrip('~')}\b", HEADERS) for name in path[1].split("::"))


def test_only_the_public_interface_is_exported(library):
    symbols = exported(library)
    assert any(symbol.startswith("normkit::TrainNetwork(") for symbol in symbols)
    assert any(symbol.startswith("void normkit::UpdateRunning<float>(") for symbol in symbols)
    assert "normkit_plan_create" in symbols and "typeinfo for normkit::Error" in symbols
    assert [symbol for symbol in symbols if not is_public(symbol)] == []


def test_what_is_private_is_told_apart():
    for symbol in [
        "std::vector<int>::push_back(int&&)",
        "fmt::v9::format()",
        "normkit::InternalHelper(int)",
        "normkit_internal",
        "typeinfo for normkit::Hidden",
        "std::shared_ptr<normkit::Layer>::~shared_ptr()",
    ]:
        assert not is_public(symbol), symbol


def test_the_consumer_names_every_struct_of_options():
    consumer = (ROOT / "tests/install/options.cc").read_text(encoding="utf-8")
    names = re.findall(r"^ *(?:struct|using) (\w+(?:Options|Args|Properties)) ", HEADERS, re.M)
    assert len(names) > 15
    assert [name for name in names if name not in consumer] == []
