"""Work that does not fit into memory says so before it begins: what takes how much, and the ways out."""

import re
import resource
import subprocess

import numpy as np
import pytest

from model_commands_test import write_png

GB = 1 << 30


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Eight pictures of 12 megapixels in two classes."""
    folder = tmp_path_factory.mktemp("photos")
    rows = np.arange(3000) % 251
    write_png(folder / "photo.png", np.broadcast_to(rows[:, None, None], (3000, 4000, 3)))
    for name in ("a", "b"):
        (folder / "data" / name).mkdir(parents=True)
        for i in range(4):
            (folder / "data" / name / f"{i}.png").hardlink_to(folder / "photo.png")
    return folder / "data"


@pytest.fixture(scope="module")
def model(normkit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    normkit("train", "--data", "digits:100", "--max-epochs", "1", "--output", folder)
    return folder / "model.onnx"


@pytest.fixture(scope="module")
def within(program):
    """within(bytes, command...): the program with so much memory for its data; sanitizers take more."""

    def run(limit, *command):
        def set_limit():
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

        return subprocess.run([program, *map(str, command)], text=True, capture_output=True, timeout=120,
                              preexec_fn=set_limit)

    if run(GB, "train", "--help").returncode != 0:
        pytest.skip("the program does not start with 1 GB of memory")
    return run


def assert_refused(done, work, parts, ways_out):
    assert (done.returncode, done.stdout) == (1, ""), done
    pattern = (rf"normkit: {work} needs (\d+\.\d) GB of memory, ulimit -d has \d+\.\d [GM]B left: {parts}; "
               rf"{ways_out}\n")
    match = re.fullmatch(pattern, done.stderr)
    assert match, done.stderr
    return float(match[1])


def test_training(within, photos, tmp_path):
    gigabytes = assert_refused(
        within(4 * GB, "train", "--data", photos, "--output", tmp_path / "out"),
        rf"training on '\d+ of .*{photos.name} \(8 pictures in 2 folders\)'",
        r"\d+\.\d GB activations and gradients.*, .*",
        "a smaller --mini-batch-size or --image-size takes less")
    assert gigabytes > 10
    assert not (tmp_path / "out").exists()
    # Of a mini-batch of one observation, less.
    less = assert_refused(
        within(2 * GB, "train", "--data", photos, "--mini-batch-size", "1", "--output", tmp_path / "out"),
        "training on .*", ".*", ".*")
    assert less < gigabytes / 3


def test_comparing(within, photos, tmp_path):
    done = within(4 * GB, "compare", "--data", photos, "--mini-batch-size", "1,8", "--norm", "none,batch",
                  "--output", tmp_path / "out")
    assert_refused(done, "training with norm batch on .*", ".* GB activations and gradients.*",
                   "a smaller --mini-batch-size or --image-size takes less")
    assert not (tmp_path / "out").exists()


def test_measuring_a_training_step(within):
    done = within(4 * GB, "bench", "--network", "small-cnn", "--input", "3000,4000,3", "--mini-batch-size", "8")
    assert_refused(done, "the training step", ".*activations and gradients of 8 observations.*",
                   "a smaller --mini-batch-size or --input takes less")


def test_evaluating(within, model):
    done = within(GB // 2, "eval", model, "--data", "digits:20000", "--mini-batch-size", "20000")
    assert_refused(done, r"evaluating 'digits \(20000 generated, seed 1\)'",
                   r"\d+\.\d GB activations of 20000 observations.*",
                   "a smaller --mini-batch-size or --image-size takes less")
    assert within(GB // 2, "eval", model, "--data", "digits:20000", "--json").returncode == 0


def test_making_sequences(within, tmp_path):
    done = within(2 * GB, "train", "--data", "moving:1000000", "--output", tmp_path / "out")
    assert_refused(done, "making 'moving:1000000'", r"6\.9 GB steps", "fewer sequences take less")
    assert not (tmp_path / "out").exists()


def test_normalizing(within, tmp_path):
    with open(tmp_path / "x.npy", "wb") as file:  # a file with a hole: nothing is written
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 14, 1 << 14)})
        file.truncate(file.tell() + 4 * (1 << 28))
    done = within(2 * GB, "normalize", tmp_path / "x.npy", "--layer", "layer", "--format", "BC",
                  "-o", tmp_path / "y.npy")
    assert_refused(done, "normalizing", r"1\.1 GB .*x\.npy, 1\.1 GB the result, 1\.1 GB the bytes of a file",
                   "a part of the array at a time takes less")
    assert not (tmp_path / "y.npy").exists()
