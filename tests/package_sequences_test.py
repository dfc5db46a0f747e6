"""Networks over time from Python: lists of sequences, padded arrays with lengths, answers to each and to each step."""

import normkit
import numpy as np
import pytest

RNG = np.random.default_rng(7)
LENGTHS = RNG.integers(3, 10, 80)
X = [RNG.standard_normal((n, 3)).astype(np.float32) for n in LENGTHS]
STEPS = [(x[:, 1] > 0).astype(int) for x in X]  # each step's own
ONCE = np.array(["down", "up"])[[int(x[-1, 0] > 0) for x in X]]
OPTIONS = {"max_epochs": 15, "mini_batch_size": 10, "solver": "adam", "initial_learn_rate": 0.02}


def padded(parts, value):
    result = np.full((len(parts), 12, *parts[0].shape[1:]), value, parts[0].dtype)
    for row, part in zip(result, parts):
        row[: len(part)] = part
    return result


def network(output_mode, answers="classes"):
    graph = normkit.Graph().add("sequence_input").add("lstm", num_hidden_units=12, output_mode=output_mode).add("norm")
    return graph.add("fully_connected").add("softmax") if answers == "classes" else graph.add("fully_connected")


def test_one_answer_each():
    trained = normkit.train((X, ONCE), network("last"), OPTIONS, norm="layer", validation=(X, ONCE))
    again = normkit.train((padded(X, np.nan), ONCE, LENGTHS), network("last"), OPTIONS, norm="layer").network
    given = trained.network.predict(X)
    assert given.shape == (80, 2) and np.array_equal(given, again.predict(padded(X, np.nan), lengths=LENGTHS))
    evaluation = again.evaluate(padded(X, np.nan), ONCE, lengths=LENGTHS)
    assert evaluation.accuracy == trained.validation_accuracy > 90
    assert evaluation.accuracy == pytest.approx(100 * np.mean(np.array(again.classes)[given.argmax(1)] == ONCE))
    assert again.predict([x[:1] for x in X]).shape == (80, 2)
    turned = padded(X, np.nan).transpose(0, 2, 1)
    assert np.array_equal(given, again.predict(turned, lengths=LENGTHS, format="BCT"))


def test_an_answer_a_step(tmp_path):
    trained = normkit.train((X, STEPS), network("sequence"), OPTIONS, norm="layer", validation=(X, STEPS))
    again = normkit.train((padded(X, 0), padded(STEPS, 9), LENGTHS), network("sequence"), OPTIONS, norm="layer").network
    given = trained.network.predict(X)
    for one, other, steps in zip(given, again.predict(padded(X, 0), lengths=LENGTHS), STEPS):
        assert one.shape == (len(steps), 2) and np.array_equal(one, other)
    right = np.concatenate([one.argmax(1) == steps for one, steps in zip(given, STEPS)])
    for evaluation in (
        again.evaluate(X, STEPS),
        again.evaluate(padded(X, 0), padded(STEPS, 9), lengths=LENGTHS),
        again.evaluate(normkit.data(X, STEPS)),
    ):
        assert evaluation.accuracy == trained.validation_accuracy > 90
        assert evaluation.accuracy == pytest.approx(100 * right.mean())
    trained.network.save(tmp_path / "model.onnx")
    loaded = normkit.load(tmp_path / "model.onnx").predict(X)
    assert all(np.array_equal(a, b) for a, b in zip(loaded, given))


def test_targets():
    targets = [x[:, :2].cumsum(0) for x in X]
    network_ = normkit.train((X, targets), network("sequence", "targets"), max_epochs=1).network
    assert network_.predict(X)[5].shape == (LENGTHS[5], 2)
    cut = normkit.train((padded(X, 0), padded(targets, 0), LENGTHS), network("sequence", "targets"), max_epochs=1)
    assert np.array_equal(cut.network.predict(X)[5], network_.predict(X)[5])
    sums = np.array([t[-1] for t in targets])
    assert normkit.train((X, sums), network("last", "targets"), max_epochs=1).network.predict(X).shape == (80, 2)


def test_networks_by_name_and_tasks():
    parity = normkit.open_data("parity:60")
    given = normkit.train(parity, "lstm", max_epochs=1).network.predict(parity)
    assert len(given) == 60 and given[0].shape[1] == 2


def test_misuse():
    x = padded(X, 0)
    cases = [
        (lambda: normkit.data(x, ONCE, lengths=LENGTHS[:5]), r"lengths is int64 \[5\], expected whole numbers \[80\]"),
        (lambda: normkit.data(x, ONCE, lengths=LENGTHS + 9), "lengths go from 1. to 1., expected 1 to 12, the steps of x"),
        (lambda: normkit.data(x, ONCE, lengths=LENGTHS * 1.0), "lengths is float64"),
        (lambda: normkit.data(x, ONCE, lengths=LENGTHS, format="BSC"), "format 'BSC', expected a letter an axis"),
        (lambda: normkit.data(X, STEPS[1:] + STEPS[:1]), r"y\[0\] has . answers, expected ., the steps of x\[0\]"),
        (lambda: normkit.data(X, padded(STEPS, 0)[:, :4]), "y has 4 steps, expected at least 9"),
        (lambda: normkit.data(X, ONCE[1:]), "sequences of .* and 79 answers"),
        (lambda: normkit.train((X, STEPS), network("last"), max_epochs=1), "one class for each row"),
        (lambda: normkit.train((X, ONCE), network("sequence"), max_epochs=1), "one class for each observation"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match=r"data is list, expected normkit.Data, \(x, y\) or \(x, y, lengths\)"):
        normkit.train(X, "lstm")
