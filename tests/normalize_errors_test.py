"""What `normkit normalize` says of a wrong command line (exit code 2) and of files that do not fit
(exit code 1): one line on stderr, nothing written."""

import pathlib

import ml_dtypes
import numpy as np
import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with arrays of every kind a test needs."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    np.save("x.npy", rng.standard_normal((2, 6, 4, 5), dtype=np.float32))
    np.save("x64.npy", rng.standard_normal((2, 6, 4, 5)))
    np.save("turned.npy", rng.standard_normal((2, 6, 5, 4), dtype=np.float32))
    np.save("six.npy", np.ones(6))
    np.save("five.npy", np.ones(5))
    np.save("integers.npy", np.arange(6))
    np.save("complex.npy", np.ones(6, dtype=complex))
    np.save("negative.npy", np.array([1, 1, 1, -2, 1, 1.0]))
    np.save("nan.npy", np.array([1, np.nan, 1, 1, 1, 1]))
    (tmp_path / "text.npy").write_text("these are no numbers")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.fixture
def message(normkit):
    """message(code, ARGS): the one line of a run that has to fail, and to leave nothing behind."""

    def run(code, *args):
        before = sorted(pathlib.Path().iterdir())
        done = normkit(*args, code=code)
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1, done.stderr
        assert before == sorted(pathlib.Path().iterdir())
        return done.stderr.strip()

    return run


SEE = " (see normkit normalize --help)"
BATCH = ["--layer", "batch", "--format", "BCSS", "-o", "y.npy"]
LAYER = ["--layer", "layer", "--format", "BCSS", "-o", "y.npy"]
GROUP = ["--layer", "group", "--format", "BCSS", "-o", "y.npy"]
RMS = ["--layer", "rms", "--format", "BCSS", "-o", "y.npy"]

COMMAND_LINES = [
    (["--layer", "batch", "--format", "BCXS", "-o", "y.npy"],
     "--format: format 'BCXS': letter 'X' is unknown, expected B, T, S and C, did you mean 'BCSS'?"),
    (["--layer", "batch", "--format", "BCCS", "-o", "y.npy"],
     "--format: format 'BCCS': C stands twice, expected at most once"),
    (["--layer", "batch", "--format", "BSS", "-o", "y.npy"],
     "--format: 'BSS' has no channel axis (C)"),
    (["--layer", "batch", "--format", "", "-o", "y.npy"],
     "--format: '' given, expected a letter of B, T, S, C for each axis"),
    ([*BATCH, "--epsilon", "0"], "--epsilon: '0' given, expected a number above 0"),
    ([*BATCH, "--epsilon", "-1e-5"], "--epsilon: '-1e-5' given, expected a number above 0"),
    ([*BATCH, "--epsilon", "nan"], "--epsilon: 'nan' given, expected a number above 0"),
    ([*BATCH, "--epsilon", "small"], "--epsilon: 'small' given, expected a number above 0"),
    ([*BATCH, "--threads", "-1"], "--threads: '-1' given, expected a whole number from 0 to 1024, or auto"),
    ([*BATCH, "--threads", "9999"], "--threads: '9999' given, expected a whole number from 0 to 1024, or auto"),
    ([*BATCH, "--num-groups", "3"], "--num-groups: belongs to --layer group, not batch"),
    (GROUP, "--num-groups: needed by --layer group"),
    ([*GROUP, "--num-groups", "0"],
     "--num-groups: '0' given, expected a whole number from 1 to 1000000000, "
     "all-channels or channel-wise"),
    ([*GROUP, "--num-groups", "all"],
     "--num-groups: 'all' given, expected a whole number from 1 to 1000000000, "
     "all-channels or channel-wise, did you mean 'all-channels'?"),
    ([*GROUP, "--num-groups", "3.5"],
     "--num-groups: '3.5' given, expected a whole number from 1 to 1000000000, "
     "all-channels or channel-wise"),
    ([*BATCH, "--operation-dimension", "auto"],
     "--operation-dimension: belongs to --layer layer, not batch"),
    ([*LAYER, "--operation-dimension", "chanel-only"],
     "--operation-dimension: operation dimension 'chanel-only' is unknown, expected batch-excluded, "
     "auto, channel-only, spatial-channel, did you mean 'channel-only'?"),
    ([*BATCH, "--mean", "six.npy"], "--mean: needs --variance as well"),
    ([*BATCH, "--variance", "six.npy"], "--variance: needs --mean as well"),
    ([*RMS, "--mean", "six.npy", "--variance", "six.npy"],
     "--mean: rms normalization subtracts no mean, give --variance (the mean square) alone"),
    ([*BATCH, "--mean", "six.npy", "--variance", "six.npy", "--stats-mean", "m.npy"],
     "--stats-mean: the statistics are given by --mean and --variance, none are computed"),
    ([*BATCH, "--mean", "six.npy", "--variance", "six.npy", "--stats-variance", "v.npy"],
     "--stats-variance: the statistics are given by --mean and --variance, none are computed"),
    ([*BATCH, "--dy", "x.npy"],
     "--dy: needs at least one of --dx, --dscale and --doffset to write"),
    ([*BATCH, "--dx", "dx.npy"], "--dx: needs --dy, the gradient with respect to Y"),
    ([*BATCH, "--dscale", "d.npy"], "--dscale: needs --dy, the gradient with respect to Y"),
    ([*BATCH, "--doffset", "d.npy"], "--doffset: needs --dy, the gradient with respect to Y"),
    ([*BATCH, "--dy", "x.npy", "--dx", "y.npy"], "--output: 'y.npy' is named for two outputs"),
]  # fmt: skip


@pytest.mark.parametrize("args, text", COMMAND_LINES, ids=lambda v: v if isinstance(v, str) else "")
def test_wrong_command_line(folder, message, args, text):
    assert message(2, "normalize", "x.npy", *args) == "normkit normalize: " + text + SEE


def test_what_is_missing_or_unknown(folder, message):
    assert "--layer" in message(2, "normalize", "x.npy", "--format", "BCSS", "-o", "y.npy")
    assert "--format" in message(2, "normalize", "x.npy", "--layer", "batch", "-o", "y.npy")
    assert "--output" in message(2, "normalize", "x.npy", "--layer", "batch", "--format", "BCSS")
    assert "X" in message(2, "normalize", *BATCH)
    unknown = message(2, "normalize", "x.npy", *BATCH[2:], "--layer", "bath")
    assert "--layer" in unknown and "bath" in unknown
    assert "unknown option '--epsilom', did you mean '--epsilon'?" in message(
        2, "normalize", "x.npy", *BATCH, "--epsilom", "1"
    )


OF_X = "x.npy, BCSS [2,6,4,5]"
FILES = [
    ("none.npy", BATCH, "none.npy: cannot be read: No such file or directory"),
    ("folder", BATCH, "folder: is a folder, expected a file"),
    ("x.npy", ["--layer", "batch", "--format", "BCS", "-o", "y.npy"],
     "x.npy: format 'BCS' has 3 letters, but the array has 4 dimensions [2,6,4,5]"),
    ("x.npy", [*GROUP, "--num-groups", "4"],
     "x.npy: group normalization: 4 groups do not divide 6 channels of BCSS [2,6,4,5]"),
    ("x.npy", [*BATCH, "--scale", "five.npy"],
     f"five.npy: --scale has 5 values, expected 6 (channels of {OF_X})"),
    ("x.npy", [*BATCH, "--offset", "five.npy"],
     f"five.npy: --offset has 5 values, expected 6 (channels of {OF_X})"),
    ("x.npy", [*BATCH, "--mean", "five.npy", "--variance", "six.npy"],
     f"five.npy: --mean has 5 values, expected 6 (statistics of {OF_X})"),
    ("x.npy", [*LAYER, "--mean", "six.npy", "--variance", "six.npy"],
     f"six.npy: --mean has 6 values, expected 2 (statistics of {OF_X})"),
    ("x.npy", [*BATCH, "--mean", "six.npy", "--variance", "negative.npy"],
     "batch normalization of BCSS [2,6,4,5]: variance 3 of 6 is -2, expected finite and >= 0"),
    ("x.npy", [*BATCH, "--mean", "six.npy", "--variance", "nan.npy"],
     "batch normalization of BCSS [2,6,4,5]: variance 1 of 6 is nan, expected finite and >= 0"),
    ("x.npy", [*BATCH, "--dy", "turned.npy", "--dx", "dx.npy"],
     "turned.npy: --dy is <f4 [2,6,5,4], expected that of x.npy, <f4 [2,6,4,5]"),
    ("x.npy", [*BATCH, "--dy", "x64.npy", "--dx", "dx.npy"],
     "x64.npy: --dy is <f8 [2,6,4,5], expected that of x.npy, <f4 [2,6,4,5]"),
]  # fmt: skip


@pytest.mark.parametrize("x, args, text", FILES, ids=lambda v: v if isinstance(v, str) else "")
def test_files_that_do_not_fit(folder, message, x, args, text):
    assert message(1, "normalize", x, *args) == "normkit: " + text


def test_files_that_are_no_arrays_of_numbers(folder, message):
    assert message(1, "normalize", "text.npy", *BATCH).startswith("normkit: text.npy: ")
    integers = ["normalize", "integers.npy", "--layer", "batch", "--format", "C", "-o", "y.npy"]
    assert message(1, *integers).startswith("normkit: integers.npy: ")
    assert "complex.npy" in message(1, "normalize", "x.npy", *BATCH, "--scale", "complex.npy")
    missing = message(1, "normalize", "x.npy", *BATCH[:-1], "nowhere/y.npy")
    assert missing.startswith("normkit: nowhere/y.npy"), missing


def test_parameters_of_any_numeric_type_and_shape(folder, normkit):
    """A column of integers is as good a scale as a vector of f32."""
    results = set()
    for dtype in [np.int64, np.uint8, np.float16, np.float32, np.float64, ml_dtypes.bfloat16]:
        np.save("scale.npy", np.arange(6).astype(dtype).reshape(6, 1, 1))
        normkit("normalize", "x.npy", *BATCH, "--scale", "scale.npy")
        results.add(open("y.npy", "rb").read())
    assert len(results) == 1


def test_the_input_may_be_the_output(folder, normkit):
    normkit("normalize", "x.npy", *BATCH)
    normkit("normalize", "x.npy", *BATCH[:-1], "x.npy")
    assert open("x.npy", "rb").read() == open("y.npy", "rb").read()


def test_an_empty_batch_and_a_single_value(folder, normkit):
    np.save("x.npy", np.zeros((0, 6, 4, 5), dtype=np.float32))
    np.save("beta.npy", np.arange(6.0))
    normkit("normalize", "x.npy", *BATCH, "--dy", "x.npy", "--dx", "dx.npy", "--dscale", "dscale.npy")
    assert np.load("y.npy").shape == np.load("dx.npy").shape == (0, 6, 4, 5)
    assert not np.load("dscale.npy").any()
    np.save("x.npy", np.full((1, 6, 1, 1), 7, dtype=np.float32))
    done = normkit("normalize", "x.npy", *BATCH, "--offset", "beta.npy")
    assert done.stderr == (
        "normkit: batch normalization of BCSS [1,6,1,1]: one value per statistic: the output is the "
        "offset (beta), and running variances are left alone; use larger batches\n"
        "normkit: batch normalization of f32 BCSS [1,6,1,1]: 6 statistics over B,S of 1 value each\n"
    )
    assert np.array_equal(np.load("y.npy").ravel(), np.arange(6))


def test_says_what_was_reduced_on_stderr_alone(folder, normkit):
    done = normkit("normalize", "x.npy", *LAYER)
    said = "normkit: layer normalization of f32 BCSS [2,6,4,5]: 2 statistics over C,S of 120 values each"
    assert (done.stdout, done.stderr) == ("", said + "\n")
    np.save("six.npy", np.ones(6))
    done = normkit("normalize", "x.npy", *BATCH, "--mean", "six.npy", "--variance", "six.npy")
    assert done.stderr.endswith(": 6 statistics over B,S of 40 values each, given\n")
    for quiet in ["-q", "--quiet"]:
        done = normkit("normalize", "x.npy", *LAYER, quiet)
        assert (done.stdout, done.stderr) == ("", "")


def test_nan_stays_in_its_own_statistic(folder, normkit):
    x = np.load("x.npy")
    x[1, 2, 3, 4] = np.nan
    np.save("x.npy", x)
    normkit("normalize", "x.npy", *BATCH)
    y = np.load("y.npy")
    assert np.isnan(y[:, 2]).all()
    assert not np.isnan(np.delete(y, 2, axis=1)).any()


def test_shapes_of_saved_statistics(folder, normkit):
    shapes = {"batch": (6,), "layer": (2,), "instance": (2, 6), "rms": (2, 4, 5), "group": (2, 3)}
    for layer, shape in shapes.items():
        groups = ["--num-groups", 3] if layer == "group" else []
        outputs = ["--stats-mean", "m.npy", "--stats-variance", "v.npy", "-o", "y.npy"]
        normkit("normalize", "x.npy", "--layer", layer, "--format", "BCSS", *groups, *outputs)
        assert np.load("m.npy").shape == np.load("v.npy").shape == shape
        assert np.load("m.npy").dtype == np.float64
