"""The page of --plots training-progress in a real browser, while a real training runs."""

import re
import subprocess

import pytest

import browser
from browser_test import CURVES, TEXTS

WORDS = ["--data", "digits:2000", "--network", "small-cnn", "--validation-frequency", "10", "--max-epochs", "400"]
FIRST_CURVE = "document.querySelector('#progress path.curve').getAttribute('d')"
STATE = "document.getElementById('state').textContent"


@pytest.fixture(scope="module")
def page():
    with browser.open_page() as page:
        yield page


@pytest.fixture
def training(program, tmp_path):
    process = subprocess.Popen([program, "train", *WORDS, "--plots", "training-progress", "--output", "out"],
                               cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url = process.stdout.readline().split()[-1]
    assert url.startswith("http://127.0.0.1:")
    yield process, url
    if process.poll() is None:
        process.kill()
    process.communicate()


def figure(page, name):
    return page.evaluate(f"""[...document.querySelectorAll('#figures div')].filter(
        box => box.firstChild.textContent === {name!r}).map(box => box.lastChild.textContent)[0]""")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_drawn(page, training, width, scheme):
    _, url = training
    page.resize(width, 900)
    page.prefer(scheme)
    page.open(url)
    page.wait_for("data.validations.length > 1 && data.samples.length > 2 && document.querySelector('circle')")
    assert page.problems == []
    assert all(request.startswith((url, "data:")) for request in page.requests)
    curves = page.evaluate(CURVES)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert len(curves) > 20
    for curve in curves:
        assert curve["stroke"] not in ("none", paper), curve
    assert page.evaluate(TEXTS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    titles = page.evaluate("[...document.querySelectorAll('svg .title')].map(text => text.textContent)")
    assert titles == ["Accuracy (percent)", "Loss", "Learning rate", "Norm of the gradient", "Scale", "Offset",
                      "Trained mean", "Trained standard deviation"]
    assert page.evaluate("document.querySelectorAll('#settings tr').length") > 20
    # Of one layer the mean, in a band from the lowest to the highest of its channels.
    page.evaluate("document.getElementById('layer').value = 'norm1'; draw()")
    assert page.evaluate("document.querySelectorAll('#layers .band').length") == 4
    assert page.evaluate("document.querySelectorAll('#layers .curve.s0[d]').length") == 4


def test_it_moves_and_stops(page, training):
    process, url = training
    page.resize(1280, 900)
    page.open(url)
    page.wait_for("data.iterations.length > 30 && document.querySelector('.epoch')")  # epochs are shaded
    first = page.evaluate(FIRST_CURVE)
    begun = figure(page, "iteration")
    assert re.fullmatch(r"\d+ of 10800", begun) and re.fullmatch(r"[\d:]+", figure(page, "time left"))
    page.wait_for(f"data.iterations.length > {int(begun.split()[0]) + 20}")
    page.evaluate("draw()")
    assert figure(page, "iteration") != begun
    assert page.evaluate(FIRST_CURVE) != first
    assert page.evaluate(STATE) == "Training."
    page.evaluate("document.querySelector('#stop button').click()")
    page.wait_for(f"{STATE} === 'Stopped.'")
    note = page.evaluate("document.getElementById('note').textContent")
    assert "go on with: normkit train --resume out/checkpoint.npz" in note
    assert page.evaluate("document.querySelector('#stop button').disabled")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and note in err
