"""Networks of sequences some steps at a time in ONNX Runtime, states in and out, beside the whole sequence."""

import numpy as np
import onnxruntime
import pytest

# Products of a step are those of the whole sequence; what differs is the order in which a runtime adds.
TOLERANCE = 1e-5


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=["lstm", "gru", "layer-norm-lstm"])
def trained(request, normkit, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    normkit("train", "--data", "parity:60", "--network", request.param, "--norm", "batch", "--max-epochs", 1,
            "--output", folder / "out")  # fmt: skip
    normkit("inspect", folder / "out/model.onnx", "--streaming", folder / "steps.onnx")
    return folder


@pytest.mark.parametrize("piece", [1, 3])
def test_pieces_give_what_the_whole_sequence_gives(trained, piece):
    whole, steps = session(trained / "out/model.onnx"), session(trained / "steps.onnx")
    x = np.random.default_rng(1).integers(0, 2, (4, 12, 1)).astype(np.float32)
    expected = whole.run(None, {whole.get_inputs()[0].name: x, "lengths": np.full(4, 12)})[0]
    first, lengths, *states = steps.get_inputs()
    _, *nexts = steps.get_outputs()
    assert lengths.name == "lengths"
    assert [n.name for n in nexts] == [s.name + "_next" for s in states]
    assert [s.name for s in states] == (["gru1.h"] if "gru" in trained.name else ["lstm1.h", "lstm1.c"])
    now = {s.name: np.zeros((4, s.shape[1]), np.float32) for s in states}
    for t in range(0, 12, piece):
        y, *after = steps.run(None, {first.name: x[:, t : t + piece], "lengths": np.full(4, piece)} | now)
        np.testing.assert_allclose(y, expected[:, t : t + piece], atol=TOLERANCE)
        now = dict(zip(now, after, strict=True))


def test_normkit_reads_the_network_that_it_was(trained, normkit):
    words = ["--data", "parity:60", "--json"]
    assert (normkit("eval", trained / "steps.onnx", *words).stdout.replace("steps.onnx", "out/model.onnx")
            == normkit("eval", trained / "out/model.onnx", *words).stdout)  # fmt: skip


def test_what_does_not_stream(normkit, tmp_path):
    normkit("train", "--data", "parity:60", "--network", "tcn", "--max-epochs", 1, "--output", tmp_path / "out")
    done = normkit("inspect", tmp_path / "out/model.onnx", "--streaming", tmp_path / "steps.onnx", code=1)
    assert done.stderr.startswith("normkit: convolution 1-D 'conv1a': looks at other steps, expected in a network that streams")
    normkit("train", "--data", "digits:60", "--max-epochs", 1, "--output", tmp_path / "pictures")
    done = normkit("inspect", tmp_path / "pictures/model.onnx", "--streaming", tmp_path / "steps.onnx", code=1)
    assert done.stderr == ("normkit: model file: the network reads no sequences, expected one that does: others have "
                           "no step to stream\n")  # fmt: skip
    assert not (tmp_path / "steps.onnx").exists()
