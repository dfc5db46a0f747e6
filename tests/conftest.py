"""What the Python tests share: the program, the library, and the folder of real data."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def _built(variable, default):
    path = pathlib.Path(os.environ.get(variable, ROOT / "build/release" / default))
    assert path.exists(), f"{path} is missing: build first (scripts/test), or set {variable}"
    return path


def but_summary(stderr):
    """Messages without the line that says what data were read."""
    return re.sub(r"^normkit: .*: \d+ classes \(.*\n", "", stderr, flags=re.M)


@pytest.fixture(scope="session")
def program():
    """Path of the normkit program."""
    return _built("NORMKIT_PROGRAM", "bin/normkit")


@pytest.fixture(scope="session")
def library():
    """Path of the shared library."""
    return _built("NORMKIT_LIBRARY", "lib/libnormkit.so")


@pytest.fixture(scope="session")
def norm_library(library):
    """Path of the library that holds the operation alone."""
    return library.with_name("libnormkit_norm.so")


@pytest.fixture(scope="session")
def normkit(program):
    """Runs the program: normkit("eval", model, code=0) gives a CompletedProcess with text."""

    def run(*arguments, code=0, **options):
        done = subprocess.run(
            [program, *map(str, arguments)], text=True, capture_output=True, timeout=300, **options
        )
        assert done.returncode == code, (
            f"normkit {' '.join(map(str, arguments))} ended with {done.returncode}, "
            f"expected {code}\n{done.stdout}\n{done.stderr}"
        )
        return done

    return run


@pytest.fixture(scope="session")
def real_data():
    """Folder with real data sets; tests that need it are skipped where it is absent."""
    path = pathlib.Path(os.environ.get("NORMKIT_TEST_DATA", ROOT / "../shared/data"))
    if not path.is_dir():
        pytest.skip(f"no real data at {path} (set NORMKIT_TEST_DATA)")
    return path
