"""Networks trained in PyTorch and Keras, continued in normkit and back: what the other framework would have done, by
the converters of momentum, divisor, epsilon and the order of weights."""

import inspect
import os

import normkit
import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: this judge is not heard")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="Keras is not installed: this judge is not heard")

COUNT, BATCH, SIDE, FILTERS, CLASSES = 64, 16, 8, 6, 4
RATE, MOMENTUM = 0.02, 0.9
PIXELS = BATCH * SIDE * SIDE  # behind each statistic
FLATTENED = (SIDE // 2, SIDE // 2, FILTERS)

RNG = np.random.default_rng(7)
LABELS = (np.arange(COUNT) % CLASSES).astype(np.int64)
PICTURES = RNG.normal(LABELS[:, None, None, None] % 2, 1 + LABELS[:, None, None, None] // 2, (COUNT, SIDE, SIDE, 3))
PICTURES = PICTURES.astype(np.float32)
# A network is one whatever it was trained with; of a normalization only its decays and epsilon are its own.
PARAMETERS = {"conv.weights": "convolution", "fc.weights": "connection"}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(3)
    keras.utils.set_random_seed(3)


def graph_with(epsilon, decay):
    graph = normkit.Graph().add("image_input", input_size=[SIDE, SIDE, 3], normalization="none")
    graph.add("convolution2d", name="conv", filter_size=3, num_filters=FILTERS, padding="same")
    graph.add("batch_normalization", name="bn", epsilon=epsilon, mean_decay=decay, variance_decay=decay).add("relu")
    graph.add("max_pooling2d", pool_size=2, stride=2).add("flatten")
    return graph.add("fully_connected", name="fc", output_size=CLASSES).add("softmax")


def trained(start, epochs):
    """Mini-batches in the order of the data, statistics that move."""
    given = normkit.data(PICTURES, LABELS, classes=[str(k) for k in range(CLASSES)])
    return normkit.train(given, start, solver="sgdm", momentum=MOMENTUM, initial_learn_rate=RATE, max_epochs=epochs,
                         mini_batch_size=BATCH, shuffle="never", l2_regularization=0,
                         batch_normalization_statistics="moving", verbose="off").network  # fmt: skip


def convert(values, source, target):
    """Arrays by normkit's names."""
    out = {}
    for name, value in values.items():
        if name in PARAMETERS:
            flattened = FLATTENED if name == "fc.weights" else None
            out[name] = normkit.convert_weights(value, PARAMETERS[name], source, target, flattened=flattened)
        elif name == "bn.trained_variance":
            out[name] = normkit.convert_variance(value, PIXELS, source, target)
        else:
            out[name] = value
    return out


class Torch:
    """The network in PyTorch; momentum and epsilon as nn.BatchNorm2d begins with."""

    name, momentum, epsilon = "pytorch", 0.1, 1e-5
    NAMES = {"conv.weights": "0.weight", "conv.bias": "0.bias", "bn.scale": "1.weight", "bn.offset": "1.bias",
             "bn.trained_mean": "1.running_mean", "bn.trained_variance": "1.running_var",
             "fc.weights": "5.weight", "fc.bias": "5.bias"}  # fmt: skip

    def __init__(self):
        nn = torch.nn
        self.net = nn.Sequential(nn.Conv2d(3, FILTERS, 3, padding=1), nn.BatchNorm2d(FILTERS), nn.ReLU(), nn.MaxPool2d(2),
                                 nn.Flatten(), nn.Linear(int(np.prod(FLATTENED)), CLASSES))  # fmt: skip

    def train(self, epochs):
        self.net.train()
        optimizer = torch.optim.SGD(self.net.parameters(), RATE, momentum=MOMENTUM)
        x, y = torch.from_numpy(PICTURES.transpose(0, 3, 1, 2).copy()), torch.from_numpy(LABELS)
        for _ in range(epochs):
            for begin in range(0, COUNT, BATCH):
                optimizer.zero_grad()
                some = slice(begin, begin + BATCH)
                torch.nn.functional.cross_entropy(self.net(x[some]), y[some]).backward()
                optimizer.step()

    def predict(self):
        self.net.eval()
        with torch.no_grad():
            return torch.softmax(self.net(torch.from_numpy(PICTURES.transpose(0, 3, 1, 2).copy())), 1).numpy()

    def values(self):
        state = self.net.state_dict()
        return {name: state[theirs].numpy().copy() for name, theirs in self.NAMES.items()}

    def take(self, values):
        state = {self.NAMES[name]: torch.from_numpy(np.ascontiguousarray(value)) for name, value in values.items()}
        self.net.load_state_dict(state, strict=False)


class Keras:
    """The same in Keras, with its momentum and epsilon."""

    name, momentum, epsilon = "keras", 0.99, 1e-3
    LAYERS = {"conv": ["weights", "bias"], "bn": ["scale", "offset", "trained_mean", "trained_variance"],
              "fc": ["weights", "bias"]}  # in the order of get_weights  # fmt: skip

    def __init__(self):
        layers = keras.layers
        self.net = keras.Sequential([
            layers.Input((SIDE, SIDE, 3)), layers.Conv2D(FILTERS, 3, padding="same", name="conv"),
            layers.BatchNormalization(name="bn"), layers.ReLU(), layers.MaxPooling2D(2), layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax", name="fc")])  # fmt: skip

    def train(self, epochs):
        self.net.compile(optimizer=keras.optimizers.SGD(RATE, momentum=MOMENTUM), loss="sparse_categorical_crossentropy")
        for _ in range(epochs):
            for begin in range(0, COUNT, BATCH):
                self.net.train_on_batch(PICTURES[begin : begin + BATCH], LABELS[begin : begin + BATCH])

    def predict(self):
        return self.net.predict(PICTURES, verbose=0)

    def values(self):
        return {f"{layer}.{name}": value for layer, names in self.LAYERS.items()
                for name, value in zip(names, self.net.get_layer(layer).get_weights())}  # fmt: skip

    def take(self, values):
        for layer, names in self.LAYERS.items():
            self.net.get_layer(layer).set_weights([values[f"{layer}.{name}"] for name in names])


def predicted(ours, name):
    """With running variances as the other framework has them: what it divided by stays what is divided by."""
    variance = convert(ours.parameters, "normkit", name)["bn.trained_variance"]
    return ours.with_parameters({"bn.trained_variance": variance}).predict(PICTURES)


@pytest.mark.parametrize("framework", [Torch, Keras])
def test_there_and_back(framework):
    other = framework()
    other.train(2)
    start = other.values()

    decay = normkit.convert_momentum(other.momentum, other.name, "normkit")
    ours = trained(graph_with(other.epsilon, decay), 1).with_parameters(convert(start, other.name, "normkit"))
    np.testing.assert_allclose(predicted(ours, other.name), other.predict(), rtol=0, atol=1e-5)

    ours = trained(ours, 2)
    other.train(2)
    would_have = other.values()
    np.testing.assert_allclose(predicted(ours, other.name), other.predict(), rtol=0, atol=1e-5)
    expected = other.predict()

    back = convert(ours.parameters, "normkit", other.name)
    moved = 0
    for name in ("bn.trained_mean", "bn.trained_variance"):
        np.testing.assert_allclose(back[name], would_have[name], rtol=1e-6, atol=1e-6)
        moved = max(moved, np.abs(back[name] - start[name]).max())
    assert moved > 0.01  # there was something to agree about
    other.take(back)
    np.testing.assert_allclose(other.predict(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("framework", [Torch, Keras])
def test_without_the_converters_they_differ(framework):
    """The divisor, or momentum and epsilon, of the one are not those of the other."""
    other = framework()
    other.train(2)
    start = convert(other.values(), other.name, "normkit")
    as_they_are = {**start, "bn.trained_variance": other.values()["bn.trained_variance"]}
    ours = trained(trained(graph_with(1e-5, 0.1), 1).with_parameters(as_they_are), 2)
    other.train(2)
    variance = other.values()["bn.trained_variance"]
    assert np.abs(ours.parameters["bn.trained_variance"] / variance - 1).max() > 1e-4


def test_another_epsilon():
    other = Keras()
    other.train(2)
    values = convert(other.values(), "keras", "normkit")
    values["bn.scale"] = normkit.convert_epsilon(values["bn.scale"], values["bn.trained_variance"], 1e-3, 1e-5)
    ours = trained(graph_with(1e-5, 0.1), 1).with_parameters(values)
    np.testing.assert_allclose(ours.predict(PICTURES), other.predict(), rtol=0, atol=1e-5)


STEPS, FEATURES, UNITS = 9, 3, 5
SEQUENCES = RNG.normal(size=(4, STEPS, FEATURES)).astype(np.float32)
RESET = {"reset_gate_mode": "recurrent-bias-after-multiplication"}


def recurrent(kind, values):
    """What normkit's layer of this kind gives for every step."""
    graph = normkit.Graph().add("sequence_input", num_features=FEATURES)
    graph.add(kind, name="cells", num_hidden_units=UNITS, **(RESET if kind == "gru" else {}))
    given = normkit.data(list(SEQUENCES), np.zeros((4, STEPS, UNITS), np.float32))
    network = normkit.train(given, graph, max_epochs=1, verbose="off").network
    network = network.with_parameters({f"cells.{name}": value for name, value in values.items()})
    return np.stack(network.predict(list(SEQUENCES)))


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_gates_of_pytorch(kind):
    cells = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](FEATURES, UNITS, batch_first=True)
    state = {name: value.detach().numpy() for name, value in cells.named_parameters()}
    state = {name: normkit.convert_weights(value, kind, "pytorch", "normkit") for name, value in state.items()}
    values = {"input_weights": state["weight_ih_l0"], "recurrent_weights": state["weight_hh_l0"]}
    if kind == "lstm":
        values["bias"] = state["bias_ih_l0"] + state["bias_hh_l0"]
    else:
        values |= {"bias": state["bias_ih_l0"], "recurrent_bias": state["bias_hh_l0"]}
    expected = cells(torch.from_numpy(SEQUENCES))[0].detach().numpy()
    np.testing.assert_allclose(recurrent(kind, values), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_gates_of_keras(kind):
    cells = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[kind](UNITS, return_sequences=True)
    cells.build(SEQUENCES.shape)
    inner, across, bias = cells.get_weights()
    bias = RNG.normal(size=bias.shape).astype(np.float32)
    cells.set_weights([inner, across, bias])
    expected = cells(SEQUENCES).detach().numpy()
    to = [normkit.convert_weights(value, kind, "keras", "normkit") for value in (inner, across)]
    values = {"input_weights": to[0], "recurrent_weights": to[1]}
    rows = [normkit.convert_weights(row, kind, "keras", "normkit") for row in np.atleast_2d(bias)]
    values |= dict(zip(["bias", "recurrent_bias"], rows))
    np.testing.assert_allclose(recurrent(kind, values), expected, rtol=0, atol=1e-5)


def defaults(function):
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


def test_defaults_are_as_documented():
    """docs/toolbox.md, and ConventionOf."""
    theirs = defaults(torch.nn.BatchNorm2d.__init__)
    assert (theirs["eps"], theirs["momentum"]) == (Torch.epsilon, Torch.momentum)
    assert not defaults(torch.nn.InstanceNorm2d.__init__)["affine"]
    assert defaults(torch.nn.RMSNorm.__init__)["eps"] is None
    theirs = defaults(keras.layers.BatchNormalization.__init__)
    assert (theirs["epsilon"], theirs["momentum"]) == (Keras.epsilon, Keras.momentum)
    assert defaults(keras.layers.LayerNormalization.__init__)["epsilon"] == 1e-3
    assert defaults(keras.layers.GroupNormalization.__init__)["groups"] == 32
    assert defaults(keras.layers.RMSNormalization.__init__)["epsilon"] == 1e-6
    schema = {name: value.default_value.f for name, value in onnx.defs.get_schema("BatchNormalization", 15).attributes.items()}
    assert (schema["epsilon"], schema["momentum"]) == (np.float32(1e-5), np.float32(0.9))
