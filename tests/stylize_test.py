"""normkit stylize and normkit image, held against ONNX Runtime and Pillow."""

import json
import resource

import numpy as np
import onnxruntime
import pytest
from onnx import helper
from PIL import Image
from style_networks import minus, save, style_network


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("stylize")
    save(style_network(), path / "style.onnx")
    y, x = np.mgrid[0:37, 0:50]
    photo = np.stack([4 * x, 6 * y, 128 + 100 * np.sin(x * y / 40)], axis=-1).astype(np.uint8)
    Image.fromarray(photo).save(path / "photo.png")
    return path


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"), np.float32)


def run_onnxruntime(model, image):
    """[H,W,3] in and out."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    y = session.run(None, {session.get_inputs()[0].name: image.transpose(2, 0, 1)[None].copy()})[0]
    return y[0].transpose(1, 2, 0)


def as_bytes(y):
    return np.floor(np.clip(y, 0, 255) + 0.5)


def test_any_size(normkit, folder, tmp_path):
    photo = pixels(folder / "photo.png")
    done = normkit("stylize", folder / "photo.png", "--model", folder / "style.onnx", "-o", tmp_path / "out.png")
    assert "pixels are RGB, 0 to 255 (assumed: the model does not say)" in done.stderr
    # 37 rows are 19 with stride 2 and 38 again: the 38th is the mirror of the 36th.
    padded = np.concatenate([photo, photo[35:36]])
    expected = as_bytes(run_onnxruntime(folder / "style.onnx", padded)[:37])
    assert expected.std() > 20
    assert np.abs(pixels(tmp_path / "out.png") - expected).max() <= 1


def test_the_same_for_any_number_of_threads(normkit, tmp_path):
    save(style_network(width=16), tmp_path / "style.onnx")
    noise = np.random.default_rng(3).integers(0, 256, (301, 402, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    results = []
    for threads in (1, 2, 5):
        normkit("stylize", tmp_path / "photo.png", "--model", tmp_path / "style.onnx", "-o", tmp_path / "o.png",
                "--threads", threads)  # fmt: skip
        results.append((tmp_path / "o.png").read_bytes())
    assert results[0] == results[1] == results[2]


def test_fixed_size(normkit, folder, tmp_path):
    model = save(style_network((24, 32)), tmp_path / "fixed.onnx")
    done = normkit("stylize", folder / "photo.png", "--model", model, "-o", tmp_path / "out.png")
    assert "fixed.onnx: takes 32 x 24 pixels: pictures are scaled to that and the results back" in done.stderr
    assert Image.open(tmp_path / "out.png").size == (50, 37)
    small = tmp_path / "small.png"
    Image.open(folder / "photo.png").crop((0, 0, 32, 24)).save(small)  # which fits as it is
    normkit("stylize", small, "--model", model, "-o", tmp_path / "out.png")
    expected = as_bytes(run_onnxruntime(model, pixels(small)))
    assert np.abs(pixels(tmp_path / "out.png") - expected).max() <= 1


@pytest.mark.parametrize("means, meant, order, largest", [
    ([103.939, 116.779, 123.68], "BGR, 0 to 255 (node 'center' subtracts 103.9, 116.8, 123.7)", -1, 255),
    ([0.485, 0.456, 0.406], "RGB, 0 to 1 (node 'center' subtracts 0.485, 0.456, 0.406)", 1, 1),
    ([7, 8, 9], "RGB, 0 to 255 (assumed: the model does not say)", 1, 255),
])  # fmt: skip
def test_what_pixels_mean(normkit, folder, tmp_path, means, meant, order, largest):
    model = save(style_network((24, 32), minus(means)), tmp_path / "model.onnx")
    photo = tmp_path / "photo.png"
    Image.open(folder / "photo.png").crop((0, 0, 32, 24)).save(photo)
    done = normkit("stylize", photo, "--model", model, "-o", tmp_path / "out.png")
    assert f"pixels are {meant}" in done.stderr
    y = run_onnxruntime(model, pixels(photo)[..., ::order] * np.float32(largest / 255))
    assert np.abs(pixels(tmp_path / "out.png") - as_bytes(y * (255 / largest))[..., ::order]).max() <= 1
    # Flags have the last word.
    done = normkit("stylize", photo, "--model", model, "-o", tmp_path / "asked.png", "--channel-order", "bgr",
                   "--range", "255")  # fmt: skip
    assert "pixels are BGR, 0 to 255 (as asked for)" in done.stderr
    y = as_bytes(run_onnxruntime(model, pixels(photo)[..., ::-1]))[..., ::-1]
    assert np.abs(pixels(tmp_path / "asked.png") - y).max() <= 1


def test_strength_colours_and_comparison(normkit, folder, tmp_path):
    photo = pixels(folder / "photo.png")

    def styled(*more):
        normkit("stylize", folder / "photo.png", "--model", folder / "style.onnx", "-o", tmp_path / "o.png", *more)
        return pixels(tmp_path / "o.png")

    full = styled()
    assert np.array_equal(styled("--strength", 0), photo)
    assert np.abs(styled("--strength", 0.25) - (0.25 * full + 0.75 * photo)).max() <= 0.5
    luma = np.array([0.299, 0.587, 0.114])
    change = (full @ luma - photo @ luma)[..., None]
    assert np.abs(styled("--preserve-colors") - np.clip(photo + change, 0, 255)).max() <= 0.51
    both = styled("--compare")
    assert np.array_equal(both, np.concatenate([photo, full], axis=1))
    assert styled("--size", 25).shape == (19, 25, 3)


def test_folders(normkit, folder, tmp_path):
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    picture = Image.open(folder / "photo.png")
    picture.convert("L").save(photos / "grey.jpg")
    picture.convert("RGBA").save(photos / "more/alpha.webp")
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (photos / "notes.txt").write_text("no picture")
    words = ["stylize", photos, folder / "photo.png", "--model", folder / "style.onnx", "-o", tmp_path / "out"]
    done = normkit(*words, "--json", code=1)
    assert "photos: 3 pictures; left out: " in done.stderr and "damaged PNG" in done.stderr
    assert "1 of 4 pictures could not be stylized" in done.stderr
    results = {one["output"].rsplit("/", 1)[1]: (one["width"], one["height"]) for one in json.loads(done.stdout)}
    assert results == {"grey.jpg": (50, 37), "alpha.png": (50, 37), "photo.png": (50, 37)}
    for name in results:
        assert Image.open(tmp_path / "out" / name).size == (50, 37)


def test_errors(normkit, folder, tmp_path):
    style, photo = folder / "style.onnx", folder / "photo.png"

    def refused(*words):
        done = normkit("stylize", *words, code=1)
        assert done.stderr.count("\n") == 1
        return done.stderr

    assert "the result would replace the picture" in refused(photo, "--model", style, "-o", photo)
    assert "names one file for 2 pictures, expected a folder" in refused(
        photo, photo, "--model", style, "-o", tmp_path / "out.png")  # fmt: skip
    other = tmp_path / "photo.png"
    other.write_bytes(photo.read_bytes())
    assert "would both become" in refused(photo, other, "--model", style, "-o", tmp_path / "out")
    grey = style_network()
    grey.graph.output[0].name = "r1"
    save(grey, tmp_path / "r1.onnx")
    assert "gives r1 [1,3,any,any], expected one picture, [1,3,H,W]" in refused(
        photo, "--model", tmp_path / "r1.onnx", "-o", tmp_path / "out.png")  # fmt: skip
    tiny = tmp_path / "tiny.png"
    Image.new("RGB", (1, 1)).save(tiny)
    normkit("stylize", tiny, "--model", style, "-o", tmp_path / "out.png")
    assert Image.open(tmp_path / "out.png").size == (1, 1)


@pytest.mark.parametrize("layout", ["nchw", "chw", "nhwc", "hwc"])
@pytest.mark.parametrize("largest", [255, 1])
def test_image(normkit, folder, tmp_path, layout, largest):
    normkit("image", folder / "photo.png", "-o", tmp_path / "x.npy", "--layout", layout, "--range", largest)
    x, photo = np.load(tmp_path / "x.npy"), pixels(folder / "photo.png")
    expected = photo.transpose(2, 0, 1) if layout.endswith("chw") else photo
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, (expected * np.float32(largest / 255))[None if layout[0] == "n" else ...])
    x = x + np.float32(largest / 255) * 0.3  # rounds back
    x[..., 0, 0] = np.nan
    np.save(tmp_path / "y.npy", x)
    done = normkit("image", tmp_path / "y.npy", "-o", tmp_path / "y.png", "--layout", layout, "--range", largest)
    nan = int(np.isnan(x).sum())
    assert f"{nan} of {x.size} values are not between 0 and {largest}: cut off, NaN is black" in done.stderr
    assert (np.abs(pixels(tmp_path / "y.png") - photo) > 0).mean() < 0.4


def test_image_errors(normkit, folder, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4, 5), np.float32))
    done = normkit("image", tmp_path / "x.npy", "-o", tmp_path / "x.png", code=1)
    assert "is [2,3,4,5], expected one picture of 1 or 3 channels, nchw (--layout)" in done.stderr
    done = normkit("image", folder / "photo.png", "-o", tmp_path / "x.gif", code=1)
    assert "the ending is '.gif', expected .png, .jpg or .jpeg" in done.stderr


def test_what_fails_at_the_end_fails_at_the_start(normkit, folder, tmp_path):
    nowhere = tmp_path / "nowhere"
    style, photo = folder / "style.onnx", folder / "photo.png"
    for words in (["stylize", photo, "--model", style, "-o", nowhere / "out.png"],
                  ["image", photo, "-o", nowhere / "x.npy"]):  # fmt: skip
        done = normkit(*words, code=1)
        assert f"there is no folder '{nowhere}'" in done.stderr and "assumed" not in done.stderr
    nowhere.write_text("a file")
    done = normkit("run", style, "--input", tmp_path / "missing.npy", "--output-dir", nowhere, code=1)
    assert str(nowhere) in done.stderr and "missing.npy" not in done.stderr


def test_tiles_have_the_bits_of_the_whole(normkit, tmp_path):
    save(style_network(width=16), tmp_path / "style.onnx")
    noise = np.random.default_rng(4).integers(0, 256, (301, 402, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    results = []
    for tile, shown in ((0, None), (64, 64), (200, 192)):
        done = normkit("stylize", tmp_path / "photo.png", "--model", tmp_path / "style.onnx", "-o", tmp_path / "o.png",
                       "--tile", tile, "--json")  # fmt: skip
        report = json.loads(done.stdout)[0]
        assert report["tile"] == (shown and {"width": shown, "height": shown})
        assert report["work"] >= 1 and report["seconds_a_megapixel"] > 0
        results.append((tmp_path / "o.png").read_bytes())
    assert results[0] == results[1] == results[2]


def limit_memory():
    resource.setrlimit(resource.RLIMIT_DATA, (500 << 20, 500 << 20))


def test_large_pictures_fit_by_tiles(normkit, folder, tmp_path):
    done = normkit("stylize", folder / "photo.png", "--model", folder / "style.onnx", "-o", tmp_path / "out.png",
                   "--size", 6000, "--threads", 1, "--json", preexec_fn=limit_memory)  # fmt: skip
    report = json.loads(done.stdout)[0]
    assert (report["width"], report["height"]) == (6000, 4440)
    assert 0 < report["tile"]["height"] < 1000
    assert Image.open(tmp_path / "out.png").size == (6000, 4440)


def test_what_cannot_be_cut_says_so(normkit, folder, tmp_path):
    pool = helper.make_node("MaxPool", ["image"], ["x"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], name="most")
    model = save(style_network(first=([pool], {})), tmp_path / "pool.onnx")
    args = ["stylize", folder / "photo.png", "--model", model, "-o", tmp_path / "out.png"]
    report = json.loads(normkit(*args, "--json").stdout)[0]
    assert report["tile"] is None
    done = normkit(*args, "--tile", 64, code=1)
    assert "pool.onnx: node 'most' (MaxPool) cannot be computed by tiles, expected no --tile" in done.stderr
    done = normkit(*args, "--size", 6000, "--threads", 1, code=1, preexec_fn=limit_memory)
    assert " needs " in done.stderr and "ulimit -d has" in done.stderr
    assert f"smaller pictures (--size) take less ({model}: node 'most' (MaxPool) cannot be computed" in done.stderr


@pytest.mark.parametrize("name, size, order", [("candy", 1080, 1), ("candy-decomposed-256", 256, 1),
                                               ("candy-opset7-720", 720, -1)])  # fmt: skip
def test_real_style_networks(normkit, real_data, tmp_path, name, size, order):
    model, photo = real_data / f"style/{name}.onnx", tmp_path / "photo.png"
    Image.open(real_data / "photos/amber.jpg").resize((size, size)).save(photo)
    normkit("stylize", photo, "--model", model, "-o", tmp_path / "out.png")
    expected = as_bytes(run_onnxruntime(model, pixels(photo)[..., ::order]))[..., ::order]
    assert np.abs(pixels(tmp_path / "out.png") - expected).max() <= 1
