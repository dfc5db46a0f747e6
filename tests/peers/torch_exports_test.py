"""Networks that PyTorch's two exporters write: `normkit run` gives what ONNX Runtime gives, and `normkit inspect`
names the norms."""

import re

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: this judge is not heard")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: PyTorch's newer exporter needs it")

import numpy as np  # noqa: E402
import onnx  # noqa: E402
from import_test import check_same, run_normkit, run_onnxruntime  # noqa: E402
from torch_networks import NETWORKS, spread  # noqa: E402

# Opset 17 is the oldest with layer normalization; None is what the exporter takes by itself.
EXPORTERS = {"script-17": (False, 17), "script-18": (False, 18), "script": (False, None),
             "dynamo-18": (True, 18), "dynamo": (True, None)}  # fmt: skip
NOT_EXPORTED = {("transformer-rms", False), ("encoder", False)}  # by torch.onnx.export itself


def export(net, x, axes, dynamo, opset, path):
    """Sizes of these axes are left open."""
    if dynamo:
        any_size = {"dynamic_shapes": ({axis: torch.export.Dim.DYNAMIC for axis in axes},), "verbose": False}
    else:
        any_size = {"dynamic_axes": {"x": {axis: f"any{axis}" for axis in axes}}}
    torch.onnx.export(net, (x,), path, dynamo=dynamo, opset_version=opset, input_names=["x"], output_names=["y"],
                      **any_size)  # fmt: skip


def norms_found(text):
    """How many there are, and the kinds of those that the file spells out."""
    counted = re.search(r"^normalization +(\d+)", text, re.M)
    return int(counted[1]) if counted else 0, re.findall(r"(\w+) normalization from ", text)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_exported(normkit, tmp_path, name, exporter):
    make, shape, axes, kind, count = NETWORKS[name]
    dynamo, opset = EXPORTERS[exporter]
    if (name, dynamo) in NOT_EXPORTED:
        pytest.skip("PyTorch does not export it")
    torch.manual_seed(1)
    net, x = spread(make()), torch.randn(shape)
    path = tmp_path / "model.onnx"
    export(net, x, axes, dynamo, opset, path)
    for grown in (0, 1):  # the sizes at hand, then others on the axes that are open
        given = torch.randn([size + 4 * grown * (i in axes) for i, size in enumerate(shape)])
        feeds = {"x": given.numpy()}
        ours = run_normkit(normkit, tmp_path, path, feeds)
        check_same(ours, run_onnxruntime(path, feeds))
        with torch.no_grad():
            check_same(ours, {"y": net(given).numpy()})

    found, spelled = norms_found(normkit("inspect", path).stdout)
    if kind == "batch":  # which are folded into the convolutions
        assert "BatchNormalization" not in {node.op_type for node in onnx.load(path).graph.node}
        count = 0
    assert found == count
    assert spelled == (["RMS"] * count if kind == "rms" else [])  # the others are operators


# ---- What trips importers: each is exported by both --------------------------------------------------


class Deviations(torch.nn.Module):
    """An instance norm by hand with the deviation over n - 1."""

    def forward(self, x):
        return (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 1e-5)


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(24, 4, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class Causal(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = torch.nn.Linear(24, 72)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        hidden = torch.triu(torch.full((x.shape[1], x.shape[1]), -1e9), diagonal=1)
        return torch.softmax(q @ k.transpose(1, 2) / 5 + hidden, dim=-1) @ v


class Circle(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.pad(x, (1, 2, 1, 1), mode="circular")


IMAGES, SEQUENCES = (2, 3, 16, 20), (2, 7, 24)
OTHERS = {
    "deviations": (Deviations, IMAGES, (0, 2, 3)),
    "pixel-shuffle": (lambda: torch.nn.Sequential(torch.nn.Conv2d(3, 12, 3, padding=1), torch.nn.PixelShuffle(2)),
                      IMAGES, (0, 2, 3)),
    "pixel-unshuffle": (lambda: torch.nn.PixelUnshuffle(2), IMAGES, (0,)),
    "encoder": (lambda: torch.nn.TransformerEncoderLayer(24, 4, 48, batch_first=True, norm_first=True),
                SEQUENCES, (0, 1)),
    "attention": (Attention, SEQUENCES, (0, 1)),
    "causal": (Causal, SEQUENCES, (0, 1)),
    "bilinear": (lambda: torch.nn.Upsample(scale_factor=2, mode="bilinear"), IMAGES, (0, 2, 3)),
    "conv-1d": (lambda: torch.nn.Sequential(torch.nn.Conv1d(4, 8, 3), torch.nn.BatchNorm1d(8), torch.nn.ELU(),
                                            torch.nn.AvgPool1d(2), torch.nn.ConvTranspose1d(8, 4, 4, 2, 1),
                                            torch.nn.InstanceNorm1d(4)), (2, 4, 16), (0,)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [False, True], ids=["script", "dynamo"])
@pytest.mark.parametrize("name", OTHERS)
def test_others(normkit, tmp_path, name, dynamo):
    make, shape, axes = OTHERS[name]
    if (name, dynamo) in NOT_EXPORTED:
        pytest.skip("PyTorch does not export it")
    torch.manual_seed(2)
    net, x = make().eval(), torch.randn(shape)
    export(net, x, axes, dynamo, 18, tmp_path / "model.onnx")
    feeds = {"x": x.numpy()}
    ours = run_normkit(normkit, tmp_path, tmp_path / "model.onnx", feeds)
    check_same(ours, run_onnxruntime(tmp_path / "model.onnx", feeds))


@pytest.mark.filterwarnings("ignore")
def test_padding_in_a_circle(normkit, tmp_path):
    """Which the newer exporter writes as what ONNX has from opset 19 on."""
    x = np.random.default_rng(1).normal(size=(1, 2, 5, 4)).astype(np.float32)
    export(Circle(), torch.tensor(x), (2, 3), True, 20, tmp_path / "model.onnx")
    expected = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 2)), mode="wrap")
    check_same(run_normkit(normkit, tmp_path, tmp_path / "model.onnx", {"x": x}), {"y": expected}, 0)
