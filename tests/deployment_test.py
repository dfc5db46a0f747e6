"""docs/deployment.md: its code, run as it stands there, gives the probabilities of `normkit predict`."""

import json
import pathlib
import re

import icc
import numpy as np
import pytest
from PIL import Image

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/deployment.md"


@pytest.fixture(scope="module")
def page():
    """What the code of the page defines."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    names = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def picture(rng, height, width, kind):
    """Blobs of two kinds, so that two classes can be told apart, with some noise."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    wave = np.sin(25 * x) if kind == "bars" else np.sin(25 * np.hypot(x - 0.5, y - 0.5))
    colours = 128 + wave[..., None] * rng.integers(-120, 120, 3) + rng.normal(0, 8, (height, width, 3))
    return np.clip(colours, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module", params=[3, 1], ids=["colour", "grey"])
def model(request, normkit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deployment")
    rng = np.random.default_rng(4)
    for kind in ["bars", "rings"]:
        (folder / "data" / kind).mkdir(parents=True)
        for i in range(24):
            pixels = Image.fromarray(picture(rng, 20, 24, kind))
            pixels = pixels if request.param == 3 else pixels.convert("L")
            pixels.save(folder / "data" / kind / f"{i}.png")
    normkit("train", "--data", folder / "data", "--network", "small-cnn", "--max-epochs", 3,
            "--mini-batch-size", 8, "--output", folder / "out")  # fmt: skip
    return folder / "out" / "model.onnx"


def pictures(folder):
    """Files of every kind the page speaks of: (path, how far probabilities may be apart)."""
    rng = np.random.default_rng(5)
    exact, decoded = 1e-4, 2e-3
    sizes = {"same": (20, 24), "larger": (61, 83), "wide": (30, 200), "smaller": (7, 9), "dot": (1, 1)}
    for name, size in sizes.items():
        Image.fromarray(picture(rng, *size, "rings")).save(folder / f"{name}.png")
        yield folder / f"{name}.png", exact
    colour = Image.fromarray(picture(rng, 45, 33, "bars"))
    colour.convert("L").save(folder / "grey.png")
    colour.quantize(16).save(folder / "palette.png")
    alpha = colour.convert("RGBA")
    alpha.putalpha(Image.fromarray(rng.integers(0, 256, (45, 33)).astype(np.uint8)))
    alpha.save(folder / "transparent.png")
    alpha.convert("LA").save(folder / "grey_transparent.png")
    for name in ["grey", "palette", "transparent", "grey_transparent"]:
        yield folder / f"{name}.png", exact
    colour.save(folder / "p3.png", icc_profile=icc.rgb(icc.DISPLAY_P3, icc.SRGB_CURVE))
    yield folder / "p3.png", decoded
    colour.save(folder / "photo.jpg", quality=90)
    colour.convert("L").save(folder / "grey.jpeg", quality=90)
    yield folder / "photo.jpg", decoded
    yield folder / "grey.jpeg", decoded
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        colour.save(folder / f"turned{orientation}.jpg", quality=95, subsampling=0, exif=exif)
        yield folder / f"turned{orientation}.jpg", decoded


def test_the_page_gives_what_predict_gives(page, model, normkit, tmp_path):
    files = list(pictures(tmp_path))
    said = normkit("predict", model, *[path for path, _ in files], "--top", 2, "--json").stdout
    answers = {answer["file"]: answer["predictions"] for answer in json.loads(said)}
    seen = set()
    for path, tolerance in files:
        expected = {p["class"]: p["probability"] for p in answers[str(path)]}
        got = page["predict"](str(model), path)
        assert got.keys() == expected.keys() == {"bars", "rings"}
        apart = max(abs(got[name] - expected[name]) for name in got)
        assert apart <= tolerance, f"{path.name}: {got}, expected {expected}"
        seen.add(round(expected["bars"], 2))
    assert len(seen) > 5  # the pictures are not all alike to the model


def test_resizing_keeps_what_it_should(page):
    for old, new in [(1, 1), (1, 5), (5, 1), (7, 7), (9, 4), (4, 9), (100, 33), (33, 100)]:
        weights = page["weights"](old, new)
        assert weights.shape == (new, old)
        assert np.allclose(weights.sum(axis=1), 1)
        if old == new:
            assert np.array_equal(weights, np.eye(old))
