"""Data as other programs and people write them: pictures of Pillow, archives of NumPy and zipfile,
names and places of all kinds. What is read must be what is meant, and what is not read is counted."""

import gzip
import io
import json
import os
import re
import socket
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

QUICK = ["--network", "mlp", "--max-epochs", "1", "--mini-batch-size", "8"]
AXES = "(height x width x channels)"


@pytest.fixture
def summary(normkit, tmp_path):
    """Trains on data for a moment and gives the summary line; summary.model is what came of it."""

    def run(data, *options):
        run.count += 1
        out = tmp_path / f"trained{run.count}"
        done = normkit("train", "--data", data, *QUICK, *options, "--output", out,
                       "--validation-fraction", "0", "--json")
        lines = [line for line in done.stderr.splitlines() if AXES in line]
        assert len(lines) == 1, done.stderr
        run.model = out / "model.onnx"
        return lines[0]

    run.count = 0
    return run


def error_of(normkit, data, *options, command="train", tmp_path=None):
    done = normkit(command, "--data", data, *QUICK, *options, "--output", tmp_path / "none", code=1)
    assert done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "none" / "model.onnx").exists()
    return done.stderr.rstrip("\n")


def paint(path, size=(8, 6), mode="RGB", seed=0, **options):
    """A picture of this size (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "LA": (2,), "1": ()}[mode if mode != "P" else "RGB"]
    pixels = rng.integers(0, 256, (*size, *channels)).astype(np.uint8)
    image = Image.fromarray(pixels > 128) if mode == "1" else Image.fromarray(pixels)
    if mode == "P":
        image = image.quantize(16)
    image.save(path, **options)


def classes(folder, count=4, names=("cat", "dog"), **options):
    for name in names:
        for i in range(count):
            paint(folder / name / f"{i}.png", seed=i, **options)
    return folder


# ---- Folders of pictures ------------------------------------------------------------------------


def test_one_grey_or_tiny_picture_does_not_decide(summary, tmp_path):
    folder = classes(tmp_path / "f")
    paint(folder / "cat" / "000.png", (1, 1), "L")
    line = summary(folder)
    assert line == (f"normkit: {folder} (9 pictures in 2 folders): 2 classes (cat 5, dog 4), 8 x 6 x 3 "
                    f"{AXES}; 1 resized (they have 1 x 1 to 8 x 6); 1 grey made colour")


def test_size_and_channels_are_options(normkit, summary, tmp_path):
    folder = classes(tmp_path / "f")
    line = summary(folder, "--image-size", "32x28", "--channels", "1")
    assert f"32 x 28 x 1 {AXES}; 8 resized (they have 8 x 6 to 8 x 6); 8 colour made grey" in line
    shown = normkit("inspect", summary.model)
    assert f"32 x 28 x 1 {AXES}" in shown.stdout
    # The model decides from then on.
    model = summary.model
    normkit("eval", model, "--data", folder)
    done = normkit("eval", model, "--data", folder, "--image-size", "9x9", code=1)
    assert "takes 32 x 28 x 1" in done.stderr and "9 x 9 x any is asked for" in done.stderr


def test_everything_in_a_folder_is_read_or_counted(summary, tmp_path):
    folder = classes(tmp_path / "f")
    paint(folder / "cat/deep/er/x.PNG")
    paint(folder / "cat/photo.jpg", format="PNG")
    paint(folder / "cat/no_ending", format="JPEG")
    paint(folder / "dog/a.jpeg")
    paint(folder / "dog/b.JPE", format="JPEG")
    paint(folder / "dog/c.webp")
    paint(folder / "dog/d.gif", mode="P")
    paint(folder / "dog/e.tif")
    paint(folder / "dog/f.tiff", mode="L")
    paint(folder / "dog/g.bmp")
    paint(folder / "dog/h.PPM", format="PPM")
    paint(folder / "loose.png")
    (folder / "cat/README.txt").write_text("about")
    (folder / "cat/Thumbs.db").write_bytes(b"x")
    (folder / "cat/.DS_Store").write_bytes(b"x")
    (folder / "cat/phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    os.mkfifo(folder / "cat/pipe.png")
    (folder / "cat/gone.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "cat/again").symlink_to(folder / "cat")
    (folder / "dog/zero.jpg").symlink_to("/dev/zero")
    line = summary(folder)
    assert "(17 pictures in 2 folders): 2 classes (cat 7, dog 10)" in line
    assert line.endswith(
        "; 1 grey made colour; left out: 1 .bmp, 1 .db, 1 .heic, 1 .ppm, 1 .txt, 1 device, 1 hidden, "
        "1 in no folder of a class, 1 link to a folder read before, 1 link to nothing, 1 others")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1"])
@pytest.mark.parametrize("ending, lossless, options", [
    ("png", True, {}), ("webp", True, {"lossless": True}), ("webp", False, {"quality": 90}),
    ("gif", True, {}), ("tif", True, {}), ("tif", True, {"compression": "tiff_lzw"}),
    ("tif", True, {"compression": "tiff_adobe_deflate"}), ("tif", True, {"compression": "packbits"}),
    ("tif", True, {"big_tiff": True}), ("jpg", False, {"quality": 95})])
def test_pictures_of_pillow(normkit, identity_model, tmp_path, mode, ending, lossless, options):
    """`predict` with a model whose output is the mean of the picture tells what was read."""
    path = tmp_path / f"x.{ending}"
    try:
        paint(path, (16, 12), mode, **options)
    except (OSError, ValueError) as error:
        pytest.skip(f"Pillow does not write it: {error}")
    image = Image.open(path)
    if "A" in image.getbands() or "transparency" in image.info:
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image.convert("RGBA"))
    expected = np.asarray(image.convert("RGB"), np.float64).mean()
    got = read_mean(normkit, identity_model, path)
    assert got == pytest.approx(expected, abs=0.01 + (0.5 if "A" in mode else 0) + (0 if lossless else 0.8))


@pytest.fixture(scope="module")
def identity_model(tmp_path_factory):
    """An ONNX model of 16 x 12 x 3 pictures that gives their mean."""
    import onnx
    from onnx import TensorProto, helper

    weights = np.full((3, 1), 1 / 3, np.float32)
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["x"], ["p"]),
         helper.make_node("Flatten", ["p"], ["f"]),
         helper.make_node("Gemm", ["f", "w", "b"], ["y"], transB=1)],
        "mean", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 16, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
        [helper.make_tensor("w", TensorProto.FLOAT, [1, 3], weights.ravel()),
         helper.make_tensor("b", TensorProto.FLOAT, [1], [0.0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path_factory.mktemp("model") / "mean.onnx"
    onnx.save(model, path)
    return path


def read_mean(normkit, model, path):
    return json.loads(normkit("predict", model, path, "--json").stdout)[0]["values"][0]


def test_first_of_several_pictures(normkit, identity_model, tmp_path):
    frames = [Image.new("RGB", (12, 16), (value, value, value)) for value in (10, 200)]
    for ending, options in {"webp": {"lossless": True}, "gif": {}, "tif": {}}.items():
        path = tmp_path / f"x.{ending}"
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        assert read_mean(normkit, identity_model, path) == pytest.approx(10, abs=1e-3), ending


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_orientation(summary, tmp_path, ending):
    """Pictures turned by their EXIF data are seen upright, and so is their size in the summary."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a", "b"):
        for i in range(2):
            paint(tmp_path / f"f/{name}/{i}.{ending}", (8, 6), exif=exif)
    assert f"6 x 8 x 3 {AXES}" in summary(tmp_path / "f")


def test_what_only_looks_like_a_picture_is_named(normkit, tmp_path):
    for content, kind in [
            (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC picture"), (b"\0\0\0\x1cftypavif", "an AVIF picture"),
            (b"<!DOCTYPE html><html>", "an HTML page"), (gzip.compress(b"x"), "compressed with gzip"),
            (b"%PDF-1.4", "a PDF document"), (b"", "empty"), (b"BM1234", "a BMP picture"),
            (b"<?xml version='1.0'?><svg/>", "an SVG drawing"), (b"\1\2\3", "of a kind that is not known here")]:
        folder = classes(tmp_path / "f", count=2)
        bad = folder / "cat/bad.jpg"
        bad.write_bytes(content)
        assert error_of(normkit, folder, tmp_path=tmp_path) == (
            f"normkit: {bad}: is {kind}, expected a picture (JPEG, PNG, WebP, GIF or TIFF)")


def test_damaged_pictures_are_found_before_training(normkit, tmp_path):
    folder = classes(tmp_path / "f")
    for ending, options in {"png": {}, "jpg": {}, "webp": {"lossless": True}, "gif": {}, "tif": {}}.items():
        path = folder / f"cat/bad.{ending}"
        paint(path, (40, 40), **options)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])
        assert error_of(normkit, folder, tmp_path=tmp_path).startswith(f"normkit: {path}: damaged ")
        path.unlink()


def test_parts_of_a_data_set(normkit, tmp_path):
    for part in ("train", "val", "test"):
        classes(tmp_path / "f" / part)
    error = error_of(normkit, tmp_path / "f", tmp_path=tmp_path)
    assert error.endswith(f"expected --data {tmp_path}/f/train --validation-data {tmp_path}/f/val")


def test_names_of_all_kinds(normkit, tmp_path):
    """Not UTF-8, control characters, blanks, quotes: one line in messages, kept through a model."""
    names = [b"caf\xe9", b"two\nlines", b"\x1b[31mred", "K\u00e4fer \u732b".encode(), b"it's", b"a,b; c=d"]
    root = os.fsencode(tmp_path / "f")
    for k, name in enumerate(names):
        paint(tmp_path / "p.png", seed=k)
        os.makedirs(os.path.join(root, name))
        for i in range(3):
            with open(os.path.join(root, name, b"\xff%d\n.png" % i), "wb") as file:
                file.write((tmp_path / "p.png").read_bytes())
    shown = [r"\x1b[31mred", "a,b; c=d", r"caf\xe9", "it's", "K\u00e4fer \u732b", r"two\nlines"]
    normkit("train", "--data", tmp_path / "f", *QUICK, "--output", tmp_path / "out")
    described = json.loads(normkit("inspect", tmp_path / "out/model.onnx", "--json").stdout)
    assert sorted(described["classes"]) == sorted(shown)
    normkit("eval", tmp_path / "out/model.onnx", "--data", tmp_path / "f")
    bad = os.path.join(root, names[1], b"bad\n.png")
    with open(bad, "wb") as file:
        file.write(b"%PDF-1.4")
    assert r"two\nlines/bad\n.png: is a PDF document" in error_of(normkit, tmp_path / "f", tmp_path=tmp_path)


def test_predict_takes_folders(normkit, tmp_path):
    folder = classes(tmp_path / "f")
    (folder / "cat/notes.txt").write_text("x")
    normkit("train", "--data", folder, *QUICK, "--output", tmp_path / "out")
    done = normkit("predict", tmp_path / "out/model.onnx", folder, "--json")
    assert [p["file"] for p in json.loads(done.stdout)] == [
        str(folder / name / f"{i}.png") for name in ("cat", "dog") for i in range(4)]
    assert done.stderr == f"normkit: {folder}: 8 pictures; left out: 1 .txt\n"
    (tmp_path / "empty").mkdir()
    done = normkit("predict", tmp_path / "out/model.onnx", tmp_path / "empty", code=1)
    assert f"{tmp_path}/empty: holds no pictures" in done.stderr


def test_digits_beside_a_folder_of_that_name(normkit, tmp_path):
    classes(tmp_path / "digits", names=("0", "1"))
    done = normkit("train", "--data", "digits", "--output", "out", code=1, cwd=tmp_path)
    assert done.stderr == ("normkit: data 'digits': means digits that are drawn, but there is a file or "
                           "folder of that name; expected ./digits for that one, or digits:5000 for the "
                           "drawn ones\n")
    normkit("train", "--data", "./digits", *QUICK, "--output", "out", cwd=tmp_path)


# ---- Files that are no files --------------------------------------------------------------------


@pytest.mark.parametrize("command", [
    ["train", "--output", "out", "--data"], ["eval", "model.onnx", "--data"], ["predict"], ["inspect"],
    ["normalize", "--layer", "batch", "--format", "BC", "-o", "y.npy"],
    ["train", "--output", "out", "--data", "digits:40", "--network", "net.json", "--resume"]])
def test_nothing_waits_for_what_has_no_end(normkit, program, tmp_path, command):
    if command[0] in ("eval", "predict"):
        normkit("train", "--data", "digits:60", *QUICK, "--output", tmp_path / "m")
        command = [command[0], tmp_path / "m/model.onnx", *command[2:]]
    if command[-1] == "--resume":
        command = ["train", "--resume"]
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    server = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(tmp_path)
    server.bind("socket")
    os.chdir(here)
    for path in ["pipe", "/dev/zero", "/dev/random", "socket", "circle", "gone", "folder"]:
        done = normkit(*command, path, code=1, cwd=tmp_path)
        assert done.stderr.startswith("normkit: ") and path in done.stderr, done.stderr
        assert done.stderr.count("\n") <= 2, done.stderr
    server.close()


# ---- Arrays -------------------------------------------------------------------------------------


def save(path, x, y=None, writer=np.savez, **more):
    y = np.arange(len(x)) % 2 if y is None else y
    writer(path, x=x, y=y, **more)
    return path


RNG = np.random.default_rng(3)
BYTES = RNG.integers(0, 256, (8, 12, 10)).astype(np.uint8)


@pytest.mark.parametrize("x, shape", [
    (BYTES, "12 x 10 x 1"), (BYTES.astype(np.int64), "12 x 10 x 1"), (BYTES.astype(">u2"), "12 x 10 x 1"),
    (BYTES[..., None], "12 x 10 x 1"), (np.stack([BYTES] * 3, -1), "12 x 10 x 3"),
    (np.stack([BYTES] * 3, -1) / 255.0, "12 x 10 x 3"), (np.asfortranarray(BYTES), "12 x 10 x 1"),
    (BYTES > 9, "12 x 10 x 1")])
def test_arrays_that_can_only_be_pictures(summary, tmp_path, x, shape):
    assert f"{shape} {AXES}" in summary(save(tmp_path / "a.npz", x))


@pytest.mark.parametrize("x, formats", [
    (np.stack([BYTES] * 3, 1), ["BCSS", "BSSC"]), (BYTES[:, None], ["BCSS", "BSSC"]),
    (np.stack([BYTES] * 3, 1) / 255.0, ["BCSS", "BSSC"]),
    (BYTES / 255.0, ["BSS"]), (BYTES.astype(np.float32), ["BSS"]), (BYTES[:, :3], ["BSS"]),
    (np.stack([BYTES] * 4, -1), ["BCSS", "BSSC"])])
def test_arrays_whose_axes_are_unclear(normkit, summary, tmp_path, x, formats):
    path = save(tmp_path / "a.npz", x)
    error = error_of(normkit, path, tmp_path=tmp_path)
    assert error.startswith(f"normkit: {path}: x is ") and "--format says which" in error
    for name in formats:
        assert name in error
        summary(path, "--format", name)
    error = error_of(normkit, path, "--format", "BTC"[: x.ndim].ljust(x.ndim, "S"), tmp_path=tmp_path)
    lines = "has lines over time"  # BTCS
    assert (lines if x.ndim == 4 else "network 'mlp' takes pictures, volumes or features, expected one for sequences") in error


def test_channels_first_are_read_as_meant(normkit, tmp_path):
    """The same pictures in both orders train the same model."""
    last = np.stack([BYTES, BYTES // 2, 255 - BYTES], -1)
    models = []
    for name, x, options in [("last", last, []), ("first", last.transpose(0, 3, 1, 2), ["--format", "BCSS"])]:
        path = save(tmp_path / f"{name}.npz", x)
        normkit("train", "--data", path, *options, *QUICK, "--output", tmp_path / name)
        done = normkit("eval", tmp_path / name / "model.onnx", "--data", path, *options, "--json")
        models.append(json.loads(done.stdout)["loss"])
        np.save(tmp_path / "x.npy", x)
        done = normkit("predict", tmp_path / name / "model.onnx", tmp_path / "x.npy", *options, "--json")
        models.append(json.loads(done.stdout))
    assert models[:2] == models[2:]


def test_labels(summary, normkit, tmp_path):
    x = BYTES
    assert "2 classes (1 4, 2 4)" in (line := summary(save(tmp_path / "a.npz", x, np.arange(8) % 2 + 1)))
    assert line.endswith("; class numbers 1 to 2, of which 2 occur; x [N,H,W] taken for grey pictures (--format BTC: for "
                         "sequences)")
    names = np.array(["ox", "cat"])[np.arange(8) % 2]
    assert "2 classes (cat 4, ox 4)" in summary(save(tmp_path / "b.npz", x, names))
    assert "2 classes (off 4, on 4)" in summary(save(tmp_path / "c.npz", x, classes=["off", "on"]))
    assert "2 classes (0 4, 1 4)" in summary(save(tmp_path / "d.npz", x, np.arange(8) % 2 == 1))
    error = error_of(normkit, save(tmp_path / "e.npz", x, np.arange(8) % 2 + 1, classes=["a", "b"]),
                     tmp_path=tmp_path)
    assert "e.npz: y[1] is 2, expected a class number from 0 to 1 (classes has 2 names" in error


def stored_with(method):
    """Writes as zipfile does, with other things beside what is needed."""

    def write(path, **arrays):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("folder/", b"")
            archive.writestr("README.md", "hello")
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(array))
            archive.comment = b"written by hand"

    return write


@pytest.mark.parametrize("writer", [
    np.savez, np.savez_compressed, stored_with(zipfile.ZIP_STORED), stored_with(zipfile.ZIP_DEFLATED)])
@pytest.mark.parametrize("name", ["a.npz", "A.NPZ", "a.zip", "a", "a b's\u00e9.npz", "archive.npz.bak"])
def test_archives_of_others(summary, tmp_path, writer, name):
    """Names of files say nothing about what is in them."""
    save(tmp_path / "written.npz", BYTES, writer=writer)
    (tmp_path / "written.npz").rename(tmp_path / name)
    assert f"12 x 10 x 1 {AXES}" in summary(tmp_path / name)


@pytest.mark.parametrize("extra", [
    {"objects": np.array([{"a": 1}, None], dtype=object)}, {"times": np.array(["2020-01-01"], "M8[D]")},
    {"records": np.zeros(3, [("a", "f4"), ("b", "i2")])}, {"wide": np.zeros(2, np.longdouble)},
    {"scalar": np.array(3)}, {"empty": np.zeros((0, 4))}, {"void": np.zeros(2, "V5")}])
def test_arrays_that_nobody_needs(summary, tmp_path, extra):
    assert "12 x 10 x 1" in summary(save(tmp_path / "a.npz", BYTES, **extra))


def test_bytes_around_archives(summary, tmp_path):
    whole = save(tmp_path / "a.npz", BYTES).read_bytes()
    (tmp_path / "b.npz").write_bytes(whole + b"\0" * 100)
    (tmp_path / "c.npz").write_bytes(b"PK-maker 1.0\n" + whole)
    for name in "bc":
        assert "12 x 10 x 1" in summary(tmp_path / f"{name}.npz")
    buffer = io.BytesIO()
    np.save(buffer, BYTES)
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("set/x.npy", buffer.getvalue() + b"more")
        archive.writestr("set/y.npy", np_bytes(np.arange(8) % 2))
    assert "12 x 10 x 1" in summary(tmp_path / "d.npz")


def np_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_a_folder_called_like_an_archive(summary, tmp_path):
    assert "(8 pictures in 2 folders)" in summary(classes(tmp_path / "x.npz"))


def test_messages_name_file_and_array(normkit, tmp_path):
    path = tmp_path / "a.npz"
    y = np.arange(8) % 2
    for arrays, says in [
            ({"x": BYTES.astype(complex), "y": y}, "x is <c16 [8,12,10], expected real numbers"),
            ({"x": np.array([["a"]] * 8), "y": y}, "x is <U1 [8,1], expected real numbers"),
            ({"x": BYTES, "y": y.astype(complex)}, "y: array <c16 [8]: holds no real numbers"),
            ({"x": BYTES, "y": y[:3]}, "y is [3], expected 8 observations as in x [8,12,10]"),
            ({"x": np.array([None] * 8), "y": y}, "member 'x.npy': element type '|O' is not supported"),
            ({"x": BYTES}, "has no array 'y', expected x and y (it has: x)"),
            ({"x": BYTES.astype(np.int64) * 9, "y": y}, "x is <i8 [8,12,10] and holds ")]:
        np.savez(path, **arrays)
        assert error_of(normkit, path, tmp_path=tmp_path).startswith(f"normkit: {path}: {says}")


# ---- IDX ----------------------------------------------------------------------------------------


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("images, labels", [
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"), ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
    ("Train_Images_IDX3_ubyte.GZ", "Train_Labels_IDX1_ubyte.GZ"), ("images-idx3-ubyte.gz", "labels-idx1-ubyte")])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_names(summary, tmp_path, images, labels, pack):
    y = (np.arange(8) % 2 + 1).astype(np.uint8)
    (tmp_path / images).write_bytes(pack(idx(BYTES)))
    (tmp_path / labels).write_bytes(pack(idx(y) + b"trailing"))
    prefix = re.split("[-_]?images", images, flags=re.I)[0]
    for spec in [images, labels] + ([prefix] if prefix else []):
        line = summary(tmp_path / spec)
        assert f"2 classes (1 4, 2 4), 12 x 10 x 1 {AXES}" in line
        assert line.endswith("; class numbers 1 to 2, of which 2 occur")


# ---- Memory -------------------------------------------------------------------------------------


def test_great_pictures_are_known_from_their_headers(normkit, program, tmp_path):
    """What is claimed costs nothing before it is needed: `--image-size` reads it."""
    for name in ("a", "b"):
        for i in range(2):
            (tmp_path / f"f/{name}").mkdir(parents=True, exist_ok=True)
            Image.new("L", (4000, 3000), i).save(tmp_path / f"f/{name}/{i}.png")
    done = normkit("train", "--data", tmp_path / "f", *QUICK, "--image-size", "30x40", "--output",
                   tmp_path / "out")
    assert "30 x 40 x 1" in done.stderr and "4 resized (they have 3000 x 4000 to 3000 x 4000)" in done.stderr


def test_files_of_keras_and_medmnist(normkit, tmp_path):
    rng = np.random.default_rng(1)
    parts = {part: (rng.integers(0, 255, (n, 8, 8), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 3)
             for part, n in [("train", 60), ("val", 12), ("test", 9)]}
    np.savez(tmp_path / "keras.npz", **{f"x_{part}": x for part, (x, _) in parts.items()},
             **{f"y_{part}": y for part, (_, y) in parts.items()})
    np.savez_compressed(tmp_path / "medmnist.npz", **{f"{part}_images": x for part, (x, _) in parts.items()},
                        **{f"{part}_labels": y[:, None] for part, (_, y) in parts.items()})
    np.savez(tmp_path / "onehot.npz", x=parts["train"][0], y=np.eye(3, dtype=bool)[parts["train"][1]])
    models = {}
    for name in ["keras", "medmnist"]:
        few = ["--network", "mlp", "--max-epochs", 1, "--validation-data", f"{name}.npz:val"]
        done = normkit("train", "--data", f"{name}.npz", *few, "--output", name, cwd=tmp_path)
        assert f"{name}.npz (60 observations)" in done.stderr and "others: FILE:val, FILE:test" in done.stderr
        shown = normkit("eval", f"{name}/model.onnx", "--data", f"{name}.npz:test", "--json", cwd=tmp_path).stdout
        models[name] = shown.replace(name, "")
        assert '"observations": 9' in shown
    assert models["keras"] == models["medmnist"]
    done = normkit("eval", "keras/model.onnx", "--data", "onehot.npz", cwd=tmp_path)
    assert "y [N,3] taken for one-hot classes" in done.stderr
    done = normkit("eval", "keras/model.onnx", "--data", "onehot.npz:test", cwd=tmp_path, code=1)
    assert "has no part 'test', expected arrays x_test and y_test" in done.stderr
