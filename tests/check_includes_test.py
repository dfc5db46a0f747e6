"""scripts/check-includes rejects what it is there to reject."""

import subprocess
import sys

import pytest

from conftest import ROOT

HEADERS = {
    "include/normkit/normkit.h": '#include "normkit/core/a.h"\n',
    "include/normkit/core/a.h": "#include <vector>\n",
    "src/core/b.h": '#include "normkit/core/a.h"\n',
    "src/train/t.h": '#include "src/core/b.h"\nnamespace normkit {\nstruct B {\n};\n}\n',
}


def run(root):
    return subprocess.run(
        [sys.executable, ROOT / "scripts/check-includes", "--root", root],
        text=True, capture_output=True,
    )


def write(root, files):
    for path, text in {**HEADERS, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def test_this_tree_is_clean():
    done = run(ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_clean_tree_passes(tmp_path):
    write(tmp_path, {"src/norm/cpu/k.cc": "#include <hwy/highway.h>\n",
                     "src/nn/inner.h": "namespace normkit::nn {\nstruct B {\n};\n}\n",
                     "tools/usage.cc": '#include "src/train/t.h"\n#include <CLI/CLI.hpp>\n'})
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "path, text, message",
    [
        ("src/core/c.cc", '#include "src/train/t.h"\n',
         "src/core/c.cc: includes src/train/t.h: core may include nothing else"),
        ("src/onnx/o.cc", '#include "src/train/t.h"\n',
         "src/onnx/o.cc: includes src/train/t.h: onnx may include core, data, graph, nn, norm, ops"),
        ("src/norm/k.cc", "#include <hwy/highway.h>\n", "includes hwy/highway.h, which only"),
        ("src/nn/k.cc", "#include <dnnl.hpp>\n",
         "includes dnnl.hpp, which only (src/onednn|benchmarks/peers)/ may"),
        ("src/train/k.cc", "  #  include <mpi.h>\n", "includes mpi.h, which only src/dist/ may"),
        ("include/normkit/core/a.h", "#include <fmt/format.h>\n",
         "is public, but includes fmt/format.h of another library"),
        ("include/normkit/core/a.h", '#include "src/core/b.h"\n',
         "is public, but includes src/core/b.h, which is not"),
        ("include/normkit/core/new.h", "", "does not include normkit/core/new.h"),
        ("src/core/b.h", '#include "src/core/b.h"\n', "includes itself: src/core/b.h -> src/core/b.h"),
        ("src/core/c.cc", '#include "src/core/gone.h"\n', "src/core/gone.h, which does not exist"),
        ("src/core/long.cc", "\n" * 601, "src/core/long.cc: has 601 lines, expected at most 600"),
        ("src/nn/n.cc", "int n = std::stoi(text);\n",
         "src/nn/n.cc: calls stoi, expected ParseNumber of src/core/numbers.h"),
        ("src/nn/n.cc", "#include <charconv>\n", "src/nn/n.cc: includes charconv, which only"),
        ("src/extra/e.cc", "", "module extra is unknown"),
        ("src/core/c.cc", '#include "tools/t.h"\n', "tools/t.h, which does not exist"),
        ("src/norm/n.h", '#include "src/norm/cpu/job.h"\n', "headers of norm know no machine"),
        ("src/nn/twice.h", "namespace normkit {\nclass B final : public X {\n};\n}\n",
         "src/train/t.h: defines B, as src/nn/twice.h does"),
        ("src/nn/n.cc", '#include "src/train/t.h"\nauto text = fmt::format("");\n',
         "src/nn/n.cc: names fmt::, but includes no fmt/format.h or fmt/ranges.h"),
        ("src/nn/n.cc", "int i = std::max(1, 2);\n", "src/nn/n.cc: names std::max(, but includes no algorithm"),
    ],
)
def test_violations_are_named(tmp_path, path, text, message):
    write(tmp_path, {path: text})
    done = run(tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
