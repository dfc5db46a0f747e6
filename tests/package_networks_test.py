"""Networks from Python: graphs, data of arrays, training with callbacks, prediction, model files."""

import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time

import normkit
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
RNG = np.random.default_rng(5)


def blobs(count=120, features=5):
    y = RNG.integers(0, 3, count)
    return (RNG.standard_normal((count, features)) + 3 * y[:, None]).astype(np.float32), y


def perceptron(features=5):
    graph = normkit.Graph().add("feature_input", num_features=features, normalization="zscore")
    graph.add("fully_connected", output_size=16).add("norm").add("relu")
    return graph.add("fully_connected").add("softmax")


OPTIONS = {"solver": "adam", "max_epochs": 10, "mini_batch_size": 20, "initial_learn_rate": 0.02}


@pytest.fixture(scope="module")
def trained():
    x, y = blobs()
    names = np.array(["low", "middle", "high"])[y]
    rows = []
    result = normkit.train(
        (x[:90], names[:90]), perceptron(), OPTIONS, validation=(x[90:], names[90:]), on_iteration=rows.append
    )
    return result, rows, x, names


def test_training_and_prediction(trained):
    result, rows, x, names = trained
    network = result.network
    assert network.classes == ["high", "low", "middle"]
    assert len(rows) == len(result.history) == 10 * 5
    assert rows[-1]["epoch"] == 10 and rows[-1]["batch_loss"] < rows[0]["batch_loss"]
    assert result.validation_accuracy > 90 and not result.stopped
    probabilities = network.predict(x)
    assert probabilities.shape == (120, 3) and np.allclose(probabilities.sum(1), 1, atol=1e-6)
    evaluation = network.evaluate(x[90:], names[90:])
    assert evaluation.accuracy == result.validation_accuracy
    assert evaluation.confusion.sum() == 30
    assert np.array_equal(evaluation.predicted, probabilities[90:].argmax(1))
    assert [layer[1] for layer in network.layers][:2] == ["feature input", "fully connected"]
    assert network.parameters["fc_1.weights"].shape in ((16, 5), (5, 16))


def test_model_files(trained, tmp_path):
    network, x = trained[0].network, trained[2]
    network.save(tmp_path / "model.onnx")
    again = normkit.load(tmp_path / "model.onnx")
    assert again.classes == network.classes
    for other in (again, pickle.loads(pickle.dumps(network))):
        assert np.array_equal(other.predict(x), network.predict(x))
    with pytest.raises(FileNotFoundError):
        normkit.load(tmp_path / "none.onnx")
    with pytest.raises(IsADirectoryError):
        normkit.load(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(normkit.Error, match="broken.onnx"):
        normkit.load(tmp_path / "broken.onnx")


def test_the_same_bytes_for_the_same_seed():
    x, y = blobs()
    first, second = (normkit.train((x, y), perceptron(), OPTIONS).network.predict(x) for _ in range(2))
    assert np.array_equal(first, second)


def test_images_in_any_order_and_regression():
    images = RNG.integers(0, 256, (40, 6, 8, 3)).astype(np.float32)
    targets = images.mean((1, 2, 3)) / 255
    graph = normkit.Graph().add("image_input")
    graph.add("convolution2d", filter_size=3, num_filters=4).add("norm").add("relu", name="a")
    graph.add("convolution2d", filter_size=3, num_filters=4, padding="same", name="b")
    graph.add("addition", inputs=["a", "b"]).add("flatten").add("fully_connected", output_size=1)
    network = normkit.train((images, targets), graph, max_epochs=2, mini_batch_size=8, norm="group:2").network
    first = normkit.data(images.transpose(0, 3, 1, 2), targets, format="BCSS")
    assert np.array_equal(network.predict(first), network.predict(images))
    assert network.predict(images).shape == (40, 1)
    assert network.evaluate(images, targets).loss >= 0


def test_networks_by_name_and_files_of_data():
    assert "resnet-tiny" in normkit.network_names()
    digits = normkit.open_data("digits:300")
    assert len(digits) == 300 and digits.classes[3] == "3" and "28 x 28" in digits.summary()
    first, second = digits.split(0.2)
    result = normkit.train(first, "lenet", {"max_epochs": 1}, validation=second, norm="layer")
    assert result.network.evaluate(second).accuracy == result.validation_accuracy


def test_callbacks_stop():
    x, y = blobs()
    result = normkit.train((x, y), perceptron(), OPTIONS, on_iteration=lambda row: row["iteration"] == 7)
    assert result.stopped and len(result.history) == 7

    def fails(row):
        raise RuntimeError(f"at {row['iteration']}")

    with pytest.raises(RuntimeError, match="^at 1$"):
        normkit.train((x, y), perceptron(), OPTIONS, on_iteration=fails)


def test_ctrl_c_stops():
    x, y = blobs()
    main = threading.main_thread().ident

    def interrupt():
        time.sleep(0.3)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        normkit.train((x, y), perceptron(), {**OPTIONS, "max_epochs": 1000000})
    thread.join()


def test_misuse(trained):
    x, y = blobs()
    cases = [
        ((x, y[:5]), perceptron(), {}, "x has 120 observations and y 5"),
        ((x[0], y), perceptron(), {}, "x has shape .5., expected"),
        ((x, y), perceptron(6), {}, "6|features"),
        ((x, y), normkit.Graph().add("relux"), {}, "type 'relux' is unknown, did you mean 'relu'"),
        ((x, y), normkit.Graph(), {}, "0 layers given"),
        ((x, y), perceptron(), {"solver": "adm"}, "'adm' given, expected .* did you mean 'adam'"),
        ((x, y), perceptron(), {"epochs": 3}, "training options: 'epochs'"),
        ((x, y), perceptron(), {"max_epochs": 0}, "'0' given, expected"),
        ((x, y), "resnet", {}, "resnet"),
    ]
    for data, graph, options, message in cases:
        with pytest.raises(ValueError, match=message):
            normkit.train(data, graph, options)
    for given, message in [({"max_epoch": 1}, "'max_epoch' is none, did you mean 'max_epochs'"),
                           ({"max_epochs": "many"}, "training options: max_epochs: 'many' given, expected a whole")]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            normkit.train(blobs(), perceptron(), given)
    for call in (lambda: normkit.data(blobs()[0], None), lambda: trained[0].network.evaluate(blobs())):
        with pytest.raises(TypeError, match="y is None, expected the answers to x"):
            call()
    assert repr(normkit.data(*blobs(30))).startswith("<normkit.Data: arrays")
    assert repr(perceptron()) == "<normkit.Graph of 6 layers: feature_input, fully_connected, norm, relu, fully_connected, softmax>"
    assert repr(trained[0].network).startswith("<normkit.Network of 6 layers, ")
    with pytest.raises(normkit.DivergedError):
        normkit.train((x, y), perceptron(), {**OPTIONS, "solver": "sgdm", "initial_learn_rate": 1e30})
    network = normkit.train((x, y), perceptron(), {"max_epochs": 1}).network
    with pytest.raises(ValueError, match=r"x is BC \[2, 4\], expected BC \['N', 5\]"):
        network.predict(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="y has classes that the network has not, expected 0, 1, 2"):
        network.evaluate(x, y + 1)
    assert network.predict(np.zeros((0, 5))).shape == (0, 3)


def test_the_program():
    done = subprocess.run(
        [sys.executable, "-m", "normkit", "--version"], capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert done.returncode == 0 and normkit.__version__ in done.stdout


def test_the_notebook_runs():
    text = (ROOT / "examples/choosing_a_normalization.ipynb").read_text()
    names: dict = {}
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)


def test_trains_on_from_a_network_with_other_parameters(trained):
    result, _, x, names = trained
    given = {"fc_1.weights": np.zeros_like(result.network.parameters["fc_1.weights"])}
    other = result.network.with_parameters(given)
    assert np.array_equal(other.parameters["fc_1.weights"], given["fc_1.weights"])
    assert not np.array_equal(result.network.parameters["fc_1.weights"], given["fc_1.weights"])
    data = normkit.data(x, names)
    more = normkit.train(data, result.network, max_epochs=1, initial_learn_rate=1e-9)
    np.testing.assert_allclose(more.network.parameters["fc_1.weights"], result.network.parameters["fc_1.weights"], atol=1e-6)
    with pytest.raises(ValueError, match="the network has no parameter 'fc', expected"):
        result.network.with_parameters({"fc": 1})
    with pytest.raises(ValueError, match=r"parameter 'fc_1.bias' has shape \[16\], \[2\] given"):
        result.network.with_parameters({"fc_1.bias": [1, 2]})


def test_conventions_of_other_frameworks():
    assert normkit.convert_momentum(0.99, "keras", "pytorch") == pytest.approx(0.01)
    assert np.array_equal(normkit.convert_variance([1, 4], 5, "normkit", "pytorch"), [1.25, 5])
    there = normkit.convert_weights(np.arange(6).reshape(3, 2), "connection", "pytorch", "keras")
    assert np.array_equal(there, np.arange(6).reshape(3, 2).T)
    assert normkit.convert_epsilon([2], [1], 3, 8)[0] == pytest.approx(3)
    with pytest.raises(normkit.Error, match="framework 'torch' is unknown, expected normkit, toolbox, pytorch"):
        normkit.convert_momentum(0.9, "torch", "keras")
