"""Every command of the README runs, in the order printed, on a machine that has only run those above it: in a
copy of the sources without a build. All but scripts/test, of which this is a part."""

import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from style_networks import save, style_network

LEFT_OUT = {"scripts/test"}


def blocks(kind):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.M | re.S)


def commands():
    text = re.sub(r"^```.*?^```", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M | re.S)
    lines = re.findall(r"^    (\S.*)$", text, re.M)
    return [re.sub(r"\s+#.*", "", line) for line in lines]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The sources as they stand, and what the README's reader brings along."""
    clone = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    rng = np.random.default_rng(1)
    for label, shade in [("dark", 60), ("light", 180)]:
        (clone / "FOLDER" / label).mkdir(parents=True)
        for i in range(24):
            pixels = np.clip(rng.normal(shade, 30, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(clone / f"FOLDER/{label}/{i}.png")
    Image.fromarray(pixels).resize((160, 120)).save(clone / "photo.jpg")
    (clone / "photos").mkdir()
    for i in range(2):
        Image.fromarray(pixels).resize((90 + i, 60)).save(clone / f"photos/{i}.jpg")
    for name in ("any.onnx", "candy.onnx"):
        save(style_network(), clone / name)
    np.save(clone / "x.npy", rng.standard_normal((1, 3, 8, 8), dtype=np.float32))
    return clone


@pytest.mark.skipif(not shutil.which("ccache"), reason="without ccache the build takes minutes")
def test_all_commands_run(clone):
    run = commands()
    assert run[0] == "scripts/quickstart" and LEFT_OUT <= set(run)
    assert any(command.startswith("cmake --install") for command in run)
    environment = os.environ | {
        "PATH": f"{clone}/build/release/bin:{os.environ['PATH']}",
        "DESTDIR": str(clone / "installed"),
    }
    for command in run:
        if command in LEFT_OUT:
            continue
        done = subprocess.run(["bash", "-c", command], cwd=clone, env=environment, text=True,
                              capture_output=True, timeout=1500)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert (clone / "out/quickstart/report.html").exists()

    # The program beside them, built as the README says.
    program = clone / "program"
    program.mkdir()
    (program / "main.cc").write_text(blocks("cpp")[0])
    (program / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(program LANGUAGES CXX)\n"
        + "add_executable(program main.cc)\n" + blocks("cmake")[0])
    prefix = clone / "installed/usr/local"
    for command in [["cmake", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}"],
                    ["cmake", "--build", "build"], ["build/program"]]:
        done = subprocess.run(command, cwd=program, text=True, capture_output=True, timeout=600)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert re.fullmatch(r"\d\d\.\d % of the validation digits are right\n", done.stdout)
    assert (program / "digits.onnx").exists()
