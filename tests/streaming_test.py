"""Networks of sequences some steps at a time in ONNX Runtime, states in and out, beside the whole sequence."""

import json

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


CALLS = [2, 1, 3, 2]  # steps of a call, of the sequence that has the most


def padded(x, lengths):
    """Each sequence behind its last step something that no output may depend on."""
    x = x.copy()
    for rows, length in zip(x, lengths):
        rows[length:] = np.nan
    return x


def in_calls(folder, x, rng):
    """What a whole sequence gives and what the steps of each call give, with the steps that there were before and after it."""
    whole, steps = session(folder / "out/model.onnx"), session(folder / "steps.onnx")
    first, _, *states = steps.get_inputs()
    now = {s.name: np.zeros((len(x), s.shape[1]), np.float32) for s in states}
    seen = np.zeros(len(x), np.int64)
    for most in CALLS:
        lengths = rng.integers(1, most + 1, len(x))
        lengths[rng.integers(len(x))] = most
        after = seen + lengths
        piece = np.stack([np.resize(rows[at : at + most], (most, x.shape[2])) for rows, at in zip(x, seen)])
        y, *nexts = steps.run(None, {first.name: padded(piece, lengths), "lengths": lengths} | now)
        now = dict(zip(now, nexts, strict=True))
        expected = whole.run(None, {whole.get_inputs()[0].name: padded(x, after), "lengths": after})[0]
        yield y, expected, seen, after
        seen = after


def test_sequences_of_a_call_have_lengths_of_their_own(trained):
    rng = np.random.default_rng(2)
    x = rng.integers(0, 2, (5, 12, 1)).astype(np.float32)
    for y, expected, before, after in in_calls(trained, x, rng):
        for i in range(len(x)):
            count = after[i] - before[i]
            np.testing.assert_allclose(y[i, :count], expected[i, before[i] : after[i]], atol=TOLERANCE)
            assert not y[i, count:].any()  # padding


LAST = [{"type": "gru", "num_hidden_units": 7}, {"type": "lstm", "num_hidden_units": 5, "output_mode": "last"},
        {"type": "fully_connected"}, {"type": "softmax"}]  # fmt: skip


@pytest.mark.parametrize("network", ["lstm", LAST], ids=["last step", "output mode last"])
def test_what_is_told_once_is_told_of_the_steps_so_far(network, normkit, tmp_path):
    if network == LAST:
        network = tmp_path / "network.json"
        network.write_text(json.dumps({"layers": [{"type": "sequence_input"}, *LAST]}))
    normkit("train", "--data", "waves:60", "--network", network, "--max-epochs", 1, "--output", tmp_path / "out")
    normkit("inspect", tmp_path / "out/model.onnx", "--streaming", tmp_path / "steps.onnx")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(5, 12, 1)).astype(np.float32)
    for y, expected, *_ in in_calls(tmp_path, x, rng):
        assert y.shape == (5, 4)
        np.testing.assert_allclose(y, expected, atol=TOLERANCE)


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


def test_no_file_of_the_model_is_replaced(trained, normkit):
    model = trained / "out/model.onnx"
    before = model.read_bytes()
    done = normkit("inspect", model, "--streaming", trained / "out/../out/model.onnx", code=1)
    assert done.stderr == f"normkit: {model}: would be replaced by the file that streams, expected another --streaming\n"
    assert model.read_bytes() == before


def test_other_statistics_of_it_are_of_whole_sequences(trained, normkit, tmp_path):
    said = " reads whole sequences, not some steps at a time as "
    done = normkit("statistics", trained / "steps.onnx", "--data", "parity:60", "--output", tmp_path / "a.onnx")
    assert f"normkit: {tmp_path / 'a.onnx'}:{said}{trained / 'steps.onnx'} does; normkit inspect --streaming" in done.stderr
    assert [i.name for i in session(tmp_path / "a.onnx").get_inputs()][1:] == ["lengths"]
    done = normkit("statistics", trained / "out/model.onnx", "--data", "parity:60", "--output", tmp_path / "b.onnx")
    assert said not in done.stderr


def test_given_states_are_no_statistics(normkit, tmp_path):
    lstm = {"type": "lstm", "num_hidden_units": 3, "hidden_state": [1, 2, 3]}
    layers = [{"type": "sequence_input"}, lstm, {"type": "batch_normalization"}, {"type": "fully_connected"}, {"type": "softmax"}]
    (tmp_path / "network.json").write_text(json.dumps({"layers": layers}))
    normkit("train", "--data", "parity:60", "--network", tmp_path / "network.json", "--max-epochs", 1, "--output", tmp_path)
    found = json.loads(normkit("inspect", tmp_path / "model.onnx", "--json").stdout)
    assert (found["statistics"], found["given_states"]) == (6, 6)
    assert " learnable, 6 statistics, 6 of given states\n" in normkit("inspect", tmp_path / "model.onnx").stdout
