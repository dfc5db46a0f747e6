"""normkit style train and what it writes, on pictures that normkit draws; ONNX Runtime runs the networks."""

import json
import signal
import subprocess
import time

import numpy as np
import onnxruntime
from PIL import Image

TINY = ["--width", "4", "--blocks", "1", "--size", "48", "--mini-batch-size", "2"]


def session(model):
    return onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])


def as_nchw(path):
    return (np.asarray(Image.open(path).convert("RGB"), np.float32) / 255).transpose(2, 0, 1)[None].copy()


def as_bytes(y):
    return np.floor(np.clip(y[0].transpose(1, 2, 0) * 255, 0, 255) + 0.5)


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"), np.float32)


def test_a_style_is_learned_and_used(normkit, tmp_path):
    """Nothing is needed but the program; the written network is that of ONNX Runtime."""
    model, photo, out = (tmp_path / name for name in ("waves.onnx", "photo.png", "out.png"))
    normkit("image", "--draw", "content", "--size", "50", "--seed", "3", "-o", photo)
    done = normkit("style", "train", "--style", "waves", "-o", model, *TINY, "--steps", "20", "--json")
    facts = json.loads(done.stdout)
    assert facts["steps"] == 20
    assert facts["styles"][0]["style_loss"] < facts["styles"][0]["style_loss_of_content"]
    page = (tmp_path / "waves.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 1 + 4 + 4 * 21  # style, contents, what came of them at first and after each step
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "waves.html", "waves.onnx"]

    done = normkit("stylize", photo, "--model", model, "-o", out)
    assert "pixels are RGB, 0 to 1 (metadata)" in done.stderr
    padded = np.pad(as_nchw(photo), ((0, 0), (0, 0), (0, 2), (0, 2)), mode="reflect")  # to a multiple of 4
    expected = as_bytes(session(model).run(None, {"image": padded})[0])[:50, :50]
    assert np.abs(pixels(out) - expected).max() <= 1
    assert "normalization" in normkit("inspect", model).stdout

    again = normkit("style", "train", "--style", "waves", "-o", model, *TINY, "--steps", "1", code=1)
    assert again.stderr == f"normkit: {model}: is there already, expected another name; --overwrite replaces it\n"


def test_stopped_and_resumed_to_the_same_bytes(normkit, program, tmp_path):
    words = ["style", "train", "--style", "strokes", *TINY, "--steps", "150", "--threads", "1"]
    normkit(*words, "-o", tmp_path / "whole.onnx")
    checkpoint = tmp_path / "parts.checkpoint.npz"
    process = subprocess.Popen([program, *words, "-o", tmp_path / "parts.onnx"], stderr=subprocess.PIPE, text=True)
    while not checkpoint.exists() and process.poll() is None:  # written before the first step
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    message = process.communicate()[1]
    if process.returncode == 1:  # it was not done by then
        assert f"the same command with --resume {checkpoint} goes on" in message
        refused = normkit(*words, "-o", tmp_path / "parts.onnx", code=1).stderr
        assert f"{checkpoint}: the checkpoint of another run" in refused
        other = ["style", "train", "--style", "waves", *words[4:]]
        assert "made with" in normkit(*other, "-o", tmp_path / "parts.onnx", "--resume", checkpoint, code=1).stderr
        normkit(*words[:-1], "2", "-o", tmp_path / "parts.onnx", "--resume", checkpoint)  # on two threads
    assert (tmp_path / "parts.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()
    assert not checkpoint.exists()


def test_several_styles_and_one_more(normkit, tmp_path):
    two, three = tmp_path / "two.onnx", tmp_path / "three.onnx"
    normkit("style", "train", "--style", "waves,mosaic", "-o", two, *TINY, "--steps", "6")
    normkit("style", "train", "--style", "waves,mosaic,hatching", "--add-to", two, "-o", three, *TINY, "--steps", "6")
    wrong = normkit("style", "train", "--style", "mosaic,waves,hatching", "--add-to", two, "-o", tmp_path / "x.onnx", code=1)
    assert f"{two}: has the styles waves, mosaic, and --style begins with mosaic, waves" in wrong.stderr
    few = normkit("style", "train", "--style", "mosaic", "--add-to", two, "-o", tmp_path / "x.onnx", code=1)
    assert f"{two}: has 2 styles (waves, mosaic), and --style names 1, expected these and one more" in few.stderr
    x = np.random.default_rng(1).random((1, 3, 40, 48), np.float32)

    def run(model, style):
        return session(model).run(None, {"image": x, "style": np.float32([style])})[0]

    for style in ([1, 0], [0, 1], [0.3, 0.7]):  # what was there gives what it gave
        np.testing.assert_allclose(run(three, [*style, 0]), run(two, style), atol=1e-6)
    assert np.abs(run(three, [0, 0, 1]) - run(three, [1, 0, 0])).max() > 1e-3

    photo, out = tmp_path / "photo.png", tmp_path / "out.png"
    normkit("image", "--draw", "content", "--size", "48", "-o", photo)
    for words, style in ([["--style-mix", "0.25,0.75"], [0.25, 0.75]], [[], [1, 0]]):
        done = normkit("stylize", photo, "--model", two, "-o", out, *words)
        mixed = ",".join(f"{weight:g}" for weight in style)
        assert f"two.onnx: 2 styles (waves, mosaic), mixed {mixed}\n" in done.stderr
        expected = as_bytes(session(two).run(None, {"image": as_nchw(photo), "style": np.float32([style])})[0])
        assert np.abs(pixels(out) - expected).max() <= 1
        whole = out.read_bytes()
        normkit("stylize", photo, "--model", two, "-o", out, *words, "--tile", "16")
        assert out.read_bytes() == whole
    error = normkit("stylize", photo, "--model", two, "-o", out, "--style-mix", "1,2,3", code=2).stderr
    assert f"--style-mix: '1,2,3' given, expected 2 weights, one for each style of {two}" in error


def test_errors(normkit, tmp_path):
    def error(*words, code=1):
        return normkit("style", "train", "-o", tmp_path / "o.onnx", *words, code=code).stderr

    assert "2 styles with norm batch, expected instance" in error("--style", "waves,mosaic", "--norm", "batch")
    assert "there is no picture 'wave', and none of that name is drawn" in error("--style", "wave")
    assert "did you mean 'waves'?" in error("--style", "wave")
    assert "wave.jpg: cannot be read" in error("--style", "wave.jpg")
    assert "size is 42, expected a multiple of 4 from 40" in error("--style", "waves", "--size", "42")
    thin = tmp_path / "thin.png"
    Image.new("RGB", (900, 3)).save(thin)
    assert "thin.png: is 256 x 1 pixels with the longer side at 256 (--style-size), expected 40" in error("--style", thin)
    (tmp_path / "o.html").write_text("mine")
    assert "o.html: is there already" in error("--style", "waves")
    (tmp_path / "o.html").unlink()
    picture = tmp_path / "style.onnx"
    Image.new("RGB", (64, 64)).save(picture, "PNG")
    mine = ["style", "train", "--style", picture, "-o", picture, "--overwrite"]
    assert "would be replaced by what is made of it" in normkit(*mine, code=1).stderr
    assert "expected a name that ends with .onnx" in normkit(*mine[:-2], tmp_path / "o.pb", code=2).stderr
    nan = error("--style", "waves", *TINY, "--steps", "50", "--learn-rate", "1e30")
    assert "expected a finite number; try a lower learning rate" in nan
    assert not list(tmp_path.glob("*.npz"))  # nobody goes on from there
    (tmp_path / "o.html").unlink()
    (tmp_path / "empty").mkdir()
    assert "no pictures, expected some to learn on" in error("--style", "waves", "--content", tmp_path / "empty")
    assert "--style-nodes: given without --features" in error("--style", "waves", "--style-nodes", "a", code=2)
    assert not (tmp_path / "o.onnx").exists()
    drawn = normkit("image", "--draw", "stroke", "-o", tmp_path / "o.png", code=2).stderr
    assert "did you mean 'strokes'?" in drawn
