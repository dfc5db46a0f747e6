"""The pages that the program writes, in a real browser: whole, alone, and with their curves drawn."""

import pytest

import browser

CURVES = """[...document.querySelectorAll('svg path.curve')].map(path => {
  const box = path.getBoundingClientRect(), style = getComputedStyle(path);
  return {length: path.getTotalLength(), width: box.width, height: box.height, stroke: style.stroke};
})"""
TEXTS = """[...document.querySelectorAll('svg text')].filter(text => {
  const box = text.getBoundingClientRect(), svg = text.closest('svg').getBoundingClientRect();
  return box.left < svg.left - 1 || box.right > svg.right + 1 || box.bottom > svg.bottom + 1;
}).map(text => text.textContent)"""


@pytest.fixture(scope="module")
def pages(normkit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    small = ["--data", "digits:200", "--network", "mlp", "--max-epochs", "2"]
    normkit("train", *small, "--output", folder / "train", "--mini-batch-size", "16",
            "--validation-frequency", "5")
    normkit("compare", *small, "--norms", "none,batch", "--batch-sizes", "32,8",
            "--checkpoints", "3", "--output", folder / "compare")
    return {"train": folder / "train/report.html", "compare": folder / "compare/compare.html"}


@pytest.fixture(scope="module")
def page():
    with browser.open_page() as page:
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(("name", "svgs", "curves"), [("train", 5, 16), ("compare", 5, 10)])
def test_a_page_is_drawn(page, pages, name, svgs, curves, width, scheme):
    page.resize(width, 900)
    page.prefer(scheme)
    page.open(pages[name])
    assert page.problems == []
    assert [url for url in page.requests if not url.startswith("data:image/png;")] == [pages[name].as_uri()]  # nothing from elsewhere
    assert page.evaluate("document.querySelectorAll('svg').length") == svgs
    drawn = page.evaluate(CURVES)
    assert len(drawn) >= curves
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    for curve in drawn:
        assert curve["length"] > 20 and curve["width"] > 20, curve
        assert curve["stroke"] not in ("none", paper), curve
    assert page.evaluate(TEXTS) == []  # no label is cut off
    # The page itself is never wider than the window: tables scroll on their own.
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_problems_are_noticed(page, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='missing.png'><script>console.error('oh'); undefined_name();</script>")
    page.open(bad)
    text = " ".join(page.problems)
    assert "network: " in text and "oh" in text and "exception: " in text
