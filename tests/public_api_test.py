"""The shared libraries export what their public headers declare, and nothing else."""

import re
import subprocess

from conftest import ROOT



def text_of(*headers):
    return "\n".join(path.read_text(encoding="utf-8") for pattern in headers
                     for path in (ROOT / "include/normkit").rglob(pattern))  # fmt: skip


HEADERS = text_of("*.h")


def exported(library):
    # But for what is the library's alone, a thread's variables that linkers name for their relocations.
    done = subprocess.run(
        ["nm", "-DC", "--defined-only", "--extern-only", library],
        text=True, capture_output=True, check=True,
    )  # fmt: skip
    return [line.split(" ", 2)[2] for line in done.stdout.splitlines()]


def is_public(symbol, headers=HEADERS):
    """Every name of the symbol's path stands in a public header: normkit::Graph::Add(...)."""
    if re.fullmatch(r"normkit_[a-z0-9_]+", symbol):
        return re.search(rf"\b{symbol}\(", headers) is not None
    of_class = r"(?:typeinfo(?: name)?|vtable|VTT) for (normkit::[\w:]+)"
    path = re.match(of_class, symbol) or re.match(
        r"(?:\w+ )?(normkit::[~\w:]+)(?:<\w+>)?(?:\[abi:\w+\])?(?:\(|$)", symbol)  # templates: with their type
    if not path:
        return "::operator" in symbol and symbol.startswith("normkit::")
    return all(re.search(rf"\b{name.lstrip('~')}\b", headers) for name in path[1].split("::"))


def test_only_the_public_interface_is_exported(library):
    symbols = exported(library)
    assert any(symbol.startswith("normkit::TrainNetwork(") for symbol in symbols)
    assert any(symbol.startswith("void normkit::UpdateRunning<float>(") for symbol in symbols)
    assert "normkit_plan_create" in symbols and "typeinfo for normkit::Error" in symbols
    assert [symbol for symbol in symbols if not is_public(symbol)] == []


def test_the_operation_alone_exports_all_of_its_headers(library, norm_library):
    """Of core, norm and the C interface: what the whole library has, so that none of it fails to link."""
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", text_of("core/*.h", "norm/*.h", "c.h"), flags=re.S)

    def belongs(symbol):  # and so do all types it names
        types = re.findall(r"normkit::(\w+)(?=::|[ &,*>)]|$)", symbol)
        return is_public(symbol, code) and all(
            re.search(rf"\b(class|struct|enum)( class)?( NORMKIT_API)? {name}\b", code) for name in types)  # fmt: skip

    alone = set(exported(norm_library))
    assert "normkit_plan_create" in alone and len(alone) > 60
    assert alone == {symbol for symbol in exported(library) if belongs(symbol)}


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
