"""The wheel of scripts/wheel in an environment that has nothing else: what it loads comes from itself."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The C library's, and the loader.
OF_THE_SYSTEM = re.compile(r"(libc|libm|libdl|libpthread|librt|libutil|libmvec|libresolv|ld-linux-x86-64)\.so\.\d$")
CODE = """
import json, pathlib, tempfile, numpy as np, numpy.random
{normkit}
"""
USE = """
import normkit
x = np.random.default_rng(1).standard_normal((4, 6)).astype(np.float32)
assert abs(normkit.layer_norm(x).mean(1)).max() < 1e-6
network = normkit.train(normkit.open_data("digits:60"), "lenet", {"max_epochs": 1}).network
with tempfile.TemporaryDirectory() as folder:
    network.save(pathlib.Path(folder, "model.onnx"))
    assert normkit.load(pathlib.Path(folder, "model.onnx")).classes == network.classes
print(normkit.__file__)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An interpreter with the wheel, and NumPy from where the tests have it."""
    folder = tmp_path_factory.mktemp("wheel")
    environment = {**os.environ, "NORMKIT_PYTHON": sys.executable}
    build = os.environ.get("NORMKIT_BUILD", ROOT / "build/release")
    made = subprocess.run(
        [ROOT / "scripts/wheel", "--build", build, "--output", folder],
        capture_output=True, text=True, timeout=500, env=environment,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    wheel = made.stdout.split()[-1]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=100)
    (packages,) = (folder / "venv/lib").glob("python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--no-index", "--target", packages, wheel]
    subprocess.run(pip, check=True, timeout=100)
    for of_numpy in pathlib.Path(np.__file__).parents[1].glob("numpy*"):
        (packages / of_numpy.name).symlink_to(of_numpy)
    return folder / "venv"


def loaded(command):
    """The libraries that a command loads, by the loader's own log, and what it prints."""
    environment = {"LD_DEBUG": "libs", "PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(re.findall(r"calling init: (\S+)", done.stderr)), done.stdout


def not_own(libraries, environment):
    places = str(environment), str(environment.resolve())
    return {path for path in libraries if not path.startswith(places) and not OF_THE_SYSTEM.search(path)}


def test_the_package_brings_its_libraries(environment):
    python = environment / "bin/python"
    before, _ = loaded([python, "-c", CODE.format(normkit="")])
    after, printed = loaded([python, "-c", CODE.format(normkit=USE)])
    assert printed.strip().splitlines()[-1].startswith(str(environment))
    assert any("_core" in path for path in after) and any("libdnnl" in path for path in after)
    assert not not_own(after - before, environment)


def test_the_program_brings_its_libraries(environment):
    (program,) = environment.glob("lib/python*/site-packages/normkit/bin/normkit")
    libraries, printed = loaded([program, "--version"])
    assert "normkit" in printed and not not_own(libraries, environment)
    done = subprocess.run(
        [environment / "bin/python", "-m", "normkit", "--version"], capture_output=True, text=True, env={"PATH": ""}
    )
    assert done.returncode == 0 and done.stdout == printed
