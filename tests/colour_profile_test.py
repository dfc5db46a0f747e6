"""Pictures with colour profiles, as Pillow writes them: what is read is what its littlecms makes of them."""

import io
import struct
import zlib

import icc
import numpy as np
import pytest
from PIL import Image, ImageCms
from style_networks import save, style_network

COLOUR = {"p3": icc.rgb(icc.DISPLAY_P3, icc.SRGB_CURVE), "adobe": icc.rgb(icc.ADOBE, 2.2),
          "linear": icc.rgb(icc.SRGB, 1.0), "power": icc.rgb(icc.SRGB, 2.2)}  # fmt: skip
FORMATS = {"png": {}, "jpg": {"quality": 95, "subsampling": 0}, "webp": {"lossless": True}, "tif": {}}


def photo(mode="RGB", size=(40, 50)):
    y, x = np.mgrid[: size[0], : size[1]]
    parts = [5 * x, 6 * y, 128 + 120 * np.sin(x * y / 300), 255 - 4 * x]
    picture = np.stack(parts, axis=-1).clip(0, 255).astype(np.uint8)
    if mode == "LA":
        return Image.merge("LA", [Image.fromarray(picture[..., 0]), Image.fromarray(picture[..., 3])])
    return Image.fromarray(picture[..., 0] if mode == "L" else picture[..., : len(mode)], mode if mode == "CMYK" else None)


@pytest.fixture
def read(normkit, tmp_path):
    """[H,W,C] as normkit reads it, and what it says on stderr."""

    def run(path, channels=None):
        done = normkit("image", path, "-o", tmp_path / "read.npy", "--layout", "hwc")
        return np.load(tmp_path / "read.npy"), done.stderr

    return run


def converted(picture, profile, mode):
    """Pillow's own conversion to sRGB."""
    return ImageCms.profileToProfile(
        picture, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode=mode,
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOOPTIMIZE)  # fmt: skip


def on_white(picture):
    rgba = np.asarray(picture.convert("RGBA"), np.float64)
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + 255 * (1 - alpha)


def compare(got, expected, original, least=8):
    assert np.abs(got - expected).max() <= 2
    assert np.abs(got - original).max() >= least  # that there was something to do


@pytest.mark.parametrize("name", COLOUR)
@pytest.mark.parametrize("ending", FORMATS)
def test_colours(read, tmp_path, name, ending):
    path = tmp_path / f"x.{ending}"
    photo().save(path, icc_profile=COLOUR[name], **FORMATS[ending])
    stored = Image.open(path)
    assert stored.info["icc_profile"] == COLOUR[name]
    got, said = read(path)
    assert "profile" not in said
    compare(got, np.asarray(converted(stored, COLOUR[name], "RGB"), np.float64), np.asarray(stored, np.float64))


@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_transparent_colours(read, tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    photo("RGBA").save(path, icc_profile=COLOUR["p3"], **FORMATS[ending])
    stored = Image.open(path)
    compare(read(path)[0], on_white(converted(stored, COLOUR["p3"], "RGBA")), on_white(stored))


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.8])
@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_grey(read, tmp_path, gamma, ending):
    path, profile = tmp_path / f"x.{ending}", icc.grey(gamma)
    photo("L").save(path, icc_profile=profile, **FORMATS[ending])
    stored = Image.open(path)
    expected = np.asarray(converted(stored, profile, "RGB"), np.float64)
    compare(read(path)[0], expected, on_white(stored))


def test_grey_with_a_profile_of_colours_and_transparency(read, tmp_path):
    photo("L").save(tmp_path / "x.jpg", icc_profile=COLOUR["linear"], **FORMATS["jpg"])
    stored = Image.open(tmp_path / "x.jpg").convert("RGB")
    expected = np.asarray(converted(stored, COLOUR["linear"], "RGB"), np.float64)
    compare(read(tmp_path / "x.jpg")[0], expected, on_white(stored))
    photo("LA").save(tmp_path / "x.png", icc_profile=icc.grey(1.0))
    grey, alpha = photo("LA").split()
    rgba = converted(grey, icc.grey(1.0), "RGB").convert("RGBA")
    rgba.putalpha(alpha)
    compare(read(tmp_path / "x.png")[0], on_white(rgba), on_white(photo("LA")))


def test_16_bits_and_palettes(read, tmp_path):
    grey = Image.fromarray(np.arange(0, 65536, 13, np.uint16).reshape(-1, 1)[:5000].reshape(50, 100))
    grey.save(tmp_path / "x.png", icc_profile=icc.grey(1.8))
    eight = Image.fromarray(np.rint(np.asarray(grey) / 257).astype(np.uint8))
    compare(read(tmp_path / "x.png")[0], np.asarray(converted(eight, icc.grey(1.8), "RGB"), float), on_white(eight))
    palette = photo().quantize(64)
    palette.save(tmp_path / "p.png", icc_profile=COLOUR["adobe"])
    rgb = palette.convert("RGB")
    compare(read(tmp_path / "p.png")[0], np.asarray(converted(rgb, COLOUR["adobe"], "RGB"), float), on_white(rgb))


def test_inks(read, tmp_path):
    profile = icc.cmyk()
    photo("CMYK").save(tmp_path / "x.jpg", icc_profile=profile, **FORMATS["jpg"])
    stored = Image.open(tmp_path / "x.jpg")
    assert stored.mode == "CMYK" and b"Adobe" in (tmp_path / "x.jpg").read_bytes()
    compare(read(tmp_path / "x.jpg")[0], np.asarray(converted(stored, profile, "RGB"), float), on_white(stored))


@pytest.mark.parametrize("profile", [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
                                     icc.rgb(icc.SRGB, icc.SRGB_CURVE)], ids=["Pillow's", "ours"])  # fmt: skip
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("ending", FORMATS)
def test_srgb_changes_no_byte(read, tmp_path, profile, mode, ending):
    if (mode, ending) in {("RGBA", "jpg"), ("L", "png")}:
        pytest.skip("there is no such file")
    plain, tagged = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    photo(mode).save(plain, **FORMATS[ending])
    photo(mode).save(tagged, icc_profile=profile, **FORMATS[ending])
    assert plain.read_bytes() != tagged.read_bytes()
    got, said = read(tagged)
    np.testing.assert_array_equal(got, read(plain)[0])
    assert "profile" not in said


def test_profiles_in_parts(read, tmp_path):
    """More than 64 KB take several segments of a JPEG; some come in no order, some do not come."""
    profile = icc.rgb(icc.DISPLAY_P3, 1.8, **{"zzzz": b"data\0\0\0\0" + bytes(200_000)})
    photo().save(tmp_path / "x.jpg", icc_profile=profile, **FORMATS["jpg"])
    stored = (tmp_path / "x.jpg").read_bytes()
    expected = np.asarray(converted(Image.open(tmp_path / "x.jpg"), profile, "RGB"), np.float64)
    parts, at = [], stored.index(b"\xff\xe2")
    start = at
    while stored[at : at + 2] == b"\xff\xe2":
        size = 2 + struct.unpack(">H", stored[at + 2 : at + 4])[0]
        parts.append(stored[at : at + size])
        at += size
    assert len(parts) == 4

    def write(parts):
        (tmp_path / "y.jpg").write_bytes(stored[:start] + b"".join(parts) + stored[at:])
        return read(tmp_path / "y.jpg")

    got, said = write(parts[::-1])
    compare(got, expected, np.asarray(Image.open(tmp_path / "x.jpg"), float))
    got, said = write(parts[1:])
    np.testing.assert_array_equal(got, write([])[0])
    assert f"{tmp_path / 'y.jpg'}: its colour profile is ignored: its parts do not make one" in said


def damaged():
    good = COLOUR["p3"]
    yield "cut", good[: len(good) // 2], "it is damaged ("
    yield "no profile", b"hello" * 40, "it is damaged ("
    yield "other colours", icc.cmyk(), "it is of 'CMYK', the picture's pixels are RGB"
    yield "of grey", icc.grey(1.8), "it is of 'GRAY', the picture's pixels are RGB"
    yield "of a link", good[:12] + b"link" + good[16:], "it is of class 'link'"
    yield "no curves", good.replace(b"rTRC", b"xxxx"), "it is damaged ("
    yield "huge", icc.rgb(icc.ADOBE, 2.2, zzzz=b"data\0\0\0\0" + bytes(5 << 20)), "expected at most 4194304"


@pytest.mark.parametrize("name, profile, message", list(damaged()), ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("ending", FORMATS)
def test_damaged_profiles_are_ignored_aloud(read, tmp_path, name, profile, message, ending):
    """PNG: libpng looks at profiles first, and has words of its own."""
    plain, tagged = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    photo().save(plain, **FORMATS[ending])
    photo().save(tagged, icc_profile=profile, **FORMATS[ending])
    got, said = read(tagged)
    np.testing.assert_array_equal(got, read(plain)[0])
    lines = [line for line in said.splitlines() if "profile" in line]
    assert len(lines) == 1 and lines[0].startswith(f"normkit: {tagged}: its colour profile is ignored: "), said
    assert ending == "png" or message in lines[0]


def test_png_gamma_and_primaries_are_not_applied(read, tmp_path):
    photo().save(tmp_path / "a.png")
    plain = (tmp_path / "a.png").read_bytes()

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    primaries = [31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000]
    extra = chunk(b"gAMA", struct.pack(">I", 100_000)) + chunk(b"cHRM", struct.pack(">8I", *primaries))
    (tmp_path / "b.png").write_bytes(plain[:33] + extra + plain[33:])
    (tmp_path / "c.png").write_bytes(plain[:33] + chunk(b"sRGB", b"\0") + plain[33:])
    for name in ["b.png", "c.png"]:
        got, said = read(tmp_path / name)
        np.testing.assert_array_equal(got, read(tmp_path / "a.png")[0])
        assert "profile" not in said


@pytest.mark.parametrize("command", ["stylize", "normalize"])
def test_commands_see_colours_as_srgb(normkit, tmp_path, command):
    """A photo in Display P3 gives what its sRGB gives, up to the last bit of some pixels; not what its numbers give."""
    photo().save(tmp_path / "p3.png", icc_profile=COLOUR["p3"])
    converted(photo(), COLOUR["p3"], "RGB").save(tmp_path / "srgb.png", icc_profile=None)
    photo().save(tmp_path / "numbers.png")
    save(style_network(), tmp_path / "style.onnx")
    options = ["--model", tmp_path / "style.onnx"] if command == "stylize" else ["--layer", "instance"]
    results = {}
    for name in ["p3", "srgb", "numbers"]:
        normkit(command, tmp_path / f"{name}.png", *options, "-o", tmp_path / f"{name}_out.png")
        written = Image.open(tmp_path / f"{name}_out.png")
        assert "icc_profile" not in written.info
        results[name] = np.asarray(written, np.float64)
    assert np.abs(results["p3"] - results["srgb"]).mean() < 0.5
    assert np.abs(results["p3"] - results["numbers"]).mean() > 1.5
