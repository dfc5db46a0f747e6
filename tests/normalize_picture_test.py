"""`normkit normalize` on pictures, held against NumPy and Pillow."""

import numpy as np
import pytest
from PIL import Image

import oracle
from oracle import Layer

CASES = [Layer("instance"), Layer("layer"), Layer("layer", operation_dimension="channel-only"),
         Layer("group", num_groups=3), Layer("batch"), Layer("rms")]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[0:30, 0:41]
    photo = np.stack([6 * x, 8 * y, 128 + 100 * np.sin(x * y / 40)], axis=-1).astype(np.uint8)
    photo[:3, :3] = [255, 0, 255]
    Image.fromarray(photo).save("photo.png")
    Image.fromarray(photo[..., 0]).save("grey.png")
    np.save("x.npy", np.zeros((1, 3, 4, 4), np.float32))
    return tmp_path


def read(path):
    """[1,C,H,W]"""
    pixels = np.asarray(Image.open(path), np.float32)
    return (pixels[..., None] if pixels.ndim == 2 else pixels).transpose(2, 0, 1)[None]


def normalized(layer, x, scale=1, offset=0):
    norm = oracle.Normalization(layer, "BCSS", x.shape, 1e-5)
    channels = np.ones(x.shape[1])
    y = norm.forward(x, scale * channels, offset * channels, *norm.statistics(x))[0]
    return y.astype(np.float64).reshape(x.shape)


def as_picture(y, scale=42.5, shift=127.5):
    """The bytes, between which rounding may decide, and how many values were cut off."""
    values = scale * y + shift
    low, high = (np.floor(np.clip(values + e, 0, 255) + 0.5) for e in (-1e-3, 1e-3))
    return low, high, int(np.sum((values <= -0.5) | (values >= 255.5)))


@pytest.mark.parametrize("layer", CASES, ids=lambda layer: "-".join(map(str, filter(None, vars(layer).values()))))
def test_what_a_norm_does_to_a_photo(normkit, folder, layer):
    x = read("photo.png")
    expected = normalized(layer, x)
    normkit("normalize", "photo.png", *layer.options(), "-o", "y.npy")
    y = np.load("y.npy")
    assert y.dtype == np.float32 and y.shape == x.shape
    assert np.abs(y - expected).max() < 1e-5
    done = normkit("normalize", "photo.png", *layer.options(), "-o", "y.png")
    low, high, cut = as_picture(expected)
    assert ((low <= read("y.png")) & (read("y.png") <= high)).all()
    said = done.stderr.splitlines()
    assert said[0].startswith(f"normkit: {layer.name}") and len(said) == 2
    assert said[1] == (f"normkit: y.png: pixels are 127.5 + 42.5 y; {cut} of {x.size} values lie beyond 0 to 255, cut off")


def test_the_values_themselves_where_an_offset_places_them(normkit, folder):
    """The look of one picture for another: its means and deviations as offset and scale."""
    np.save("scale.npy", [20.0, 30, 90])
    np.save("offset.npy", [100.0, 120, 140])
    x = read("photo.png")
    expected = normalized(Layer("instance"), x, np.array([20, 30, 90]), np.array([100, 120, 140]))
    done = normkit("normalize", "photo.png", "--layer", "instance", "--scale", "scale.npy", "--offset", "offset.npy",
                   "-o", "y.png")  # fmt: skip
    low, high, cut = as_picture(expected, 1, 0)
    assert cut > 0 and f"y.png: pixels are y; {cut} of {x.size} values lie beyond 0 to 255, cut off\n" in done.stderr
    assert ((low <= read("y.png")) & (read("y.png") <= high)).all()


def test_grey_and_jpeg_and_quiet(normkit, folder):
    for photo, out, mode in [("grey.png", "y.png", "L"), ("photo.png", "y.jpg", "RGB")]:
        done = normkit("normalize", photo, "--layer", "instance", "-o", out, "-q")
        assert (done.stdout, done.stderr) == ("", "")
        assert Image.open(out).mode == mode
    low = as_picture(normalized(Layer("instance"), read("photo.png")))[0]
    assert np.abs(read("y.jpg") - low).mean() < 3


def test_pictures_are_arrays_of_format_bcss(normkit, folder):
    """The same bytes by way of normkit image."""
    normkit("image", "photo.png", "-o", "photo.npy")
    rest = ["--layer", "instance", "--format", "BCSS", "--stats-mean"]
    normkit("normalize", "photo.png", *rest, "a.npy", "-o", "y1.npy")
    normkit("normalize", "photo.npy", *rest, "b.npy", "-o", "y2.npy")
    for one, other in [("y1.npy", "y2.npy"), ("a.npy", "b.npy")]:
        assert open(one, "rb").read() == open(other, "rb").read()
    np.save("mean.npy", np.load("a.npy"))
    np.save("variance.npy", np.full((1, 3), 400.0))
    given = ["--mean", "mean.npy", "--variance", "variance.npy", "--epsilon", "1e-9", "-o", "y.npy"]
    normkit("normalize", "photo.png", "--layer", "instance", *given)
    assert np.allclose(np.load("y.npy"), (read("photo.png") - np.load("a.npy")[..., None, None]) / 20, atol=1e-5)


SEE = " (see normkit normalize --help)\n"
IS_PICTURE = "belongs to arrays, and photo.png is a picture (normkit image makes an array of it)"
WRONG = [
    ("photo.png", "--format BSSC -o y.png", "--format: 'BSSC' given, but photo.png is a picture, which is read as BCSS"),
    ("photo.png", "--dy x.npy --dx dx.npy -o y.png", f"--dy: {IS_PICTURE}"),
    ("photo.png", "--dy x.npy --dscale dx.npy -o y.npy", f"--dy: {IS_PICTURE}"),
    ("photo.png", "-o y.gif", "--output: 'y.gif' given, expected .npy, or .png or .jpg for a picture of Y"),
    ("photo.png", "-o y", "--output: 'y' given, expected .npy, or .png or .jpg for a picture of Y"),
    ("x.npy", "--format BCSS -o y.png",
     "--output: 'y.png' names a picture, but x.npy is an array: expected .npy (normkit image makes pictures of arrays)"),
    ("x.npy", "-o y.npy", "--format: needed where X is an array: a letter of B, T, S, C for each axis"),
]  # fmt: skip


@pytest.mark.parametrize("x, rest, message", WRONG)
def test_wrong_command_lines(normkit, folder, x, rest, message):
    before = sorted(folder.iterdir())
    done = normkit("normalize", x, "--layer", "instance", *rest.split(), code=2)
    assert (done.stdout, done.stderr) == ("", f"normkit normalize: {message}{SEE}")
    assert before == sorted(folder.iterdir())


def test_what_may_be_replaced(normkit, folder):
    layer = ["--layer", "instance", "-q", "-o"]
    (folder / "text.png").write_text("no picture")
    photo = (folder / "photo.png").read_bytes()
    for x, y, said in [
        ("photo.png", "photo.png", "photo.png: the result would replace the picture, expected another --output"),
        ("photo.png", "text.png", "text.png: holds something else than a picture, expected a new file or --overwrite"),
    ]:
        assert normkit("normalize", x, *layer, y, code=1).stderr == f"normkit: {said}\n"
    normkit("normalize", "photo.png", *layer, "text.png", "--overwrite")
    first = (folder / "text.png").read_bytes()
    normkit("normalize", "photo.png", *layer, "grey.png")  # a picture
    assert (folder / "grey.png").read_bytes() == first and (folder / "photo.png").read_bytes() == photo
    (folder / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(40))
    assert normkit("normalize", "damaged.jpg", *layer, "y.png", code=1).stderr.startswith("normkit: damaged.jpg: ")


def test_groups_as_train_spells_them(normkit, folder):
    np.save("x.npy", np.random.default_rng(1).normal(size=(2, 6, 4, 5)))

    def run(*options, code=0):
        done = normkit("normalize", "x.npy", "--format", "BCSS", "-q", "-o", "y.npy", *options, code=code)
        return (folder / "y.npy").read_bytes() if code == 0 else done.stderr

    apart = run("--layer", "group", "--num-groups", 2)
    for spelled in (["group:2"], ["GroupNorm:2"], ["group:2", "--num-groups", 2]):
        assert run("--layer", *spelled) == apart
    assert run("--num-groups", 2, "--layer", "group:2") == apart
    assert run("--layer", "group:all-channels") == run("--layer", "group", "--num-groups", "all-channels")
    assert run("--layer", "layer:channel-only") == run("--layer", "layer", "--operation-dimension", "channel-only")
    for options, said in [
        ("--layer group:2 --num-groups 3", "--num-groups: '3' given, but --layer says another"),
        ("--num-groups 3 --layer group:2", "--num-groups: '3' given, but --layer says another"),
        ("--layer layer:auto --operation-dimension channel-only",
         "--operation-dimension: 'channel-only' given, but --layer says another"),
        ("--layer group:0", "--layer: '0' given, expected a whole number from 1 to 1000000000, all-channels or channel-wise"),
        ("--layer group:", "--layer: '' given, expected a whole number from 1 to 1000000000, all-channels or channel-wise"),
        ("--layer batch:2", "--layer: 'batch:2' given, expected nothing after the colon of batch"),
        ("--layer group", "--num-groups: needed by --layer group"),
    ]:  # fmt: skip
        assert run(*options.split(), code=2) == f"normkit normalize: {said}{SEE}"


def test_signs_are_no_spelling(normkit, folder):
    """A choice may be spelled otherwise, but "-1" is not "1"."""
    for command, option, text in [("normalize", "--layer", "-batch"), ("image", "--range", "-1"),
                                  ("image", "--layout", "-nchw"), ("image", "--layout", "nchw-")]:  # fmt: skip
        whole = {"normalize": ["x.npy", "--format", "BCSS", "-o", "y.npy"], "image": ["x.npy", "-o", "y.png"]}[command]
        done = normkit(command, *whole, f"{option}={text}", code=2)
        assert done.stderr.startswith(f"normkit {command}: {option}: '{text}' given, expected ")
    assert "'-inf' given" in normkit("train", "--data", "digits:20", "--output", "out", "--gradient-threshold=-inf",
                                     code=2).stderr  # fmt: skip
