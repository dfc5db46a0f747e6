"""A network file of as many layers as one may have: trained for an iteration, saved, read again. What takes
the square of their number shows as minutes."""

import json

import numpy as np
from PIL import Image

BLOCK = [
    {"type": "batch_normalization"},
    {"type": "relu"},
    {"type": "rms_normalization"},
    {"type": "convolution2d", "filter_size": 1, "num_filters": 2},
]


def test_ten_thousand_layers(normkit, tmp_path):
    rng = np.random.default_rng(1)
    for name in "ab":
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    head = [{"type": "image_input"}, {"type": "convolution2d", "filter_size": 1, "num_filters": 2}]
    tail = [{"type": "global_average_pooling2d"}, {"type": "flatten"}, {"type": "fully_connected"},
            {"type": "softmax"}]  # fmt: skip
    layers = head + BLOCK * ((10_000 - len(head) - len(tail)) // len(BLOCK)) + tail
    assert 9_990 < len(layers) <= 10_000
    network = tmp_path / "network.json"
    network.write_text(json.dumps({"layers": layers}))
    normkit("train", "--data", tmp_path / "data", "--network", network, "--max-epochs", 1,
            "--mini-batch-size", 8, "--validation-fraction", 0.25, "--output", tmp_path / "out")  # fmt: skip
    model = tmp_path / "out" / "model.onnx"
    found = json.loads(normkit("inspect", model, "--json").stdout)
    assert len(found["layers"]) == len(layers)
    assert found["layers"][-1]["type"] == "softmax"
    picture = tmp_path / "data" / "a" / "0.png"
    answer = json.loads(normkit("predict", model, picture, "--top", 2, "--json").stdout)
    assert {p["class"] for p in answer[0]["predictions"]} == {"a", "b"}
