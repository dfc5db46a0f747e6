"""Networks: graphs of layers by their names, data of arrays, training, model files."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
from typing import Any, Callable, NamedTuple, Optional, Sequence

import numpy as np

from . import _core



class Graph:
    """Layers in the words of docs/network-json.md, one after the other.

    >>> graph = Graph()
    >>> graph.add("image_input", input_size=[28, 28, 1], normalization="zscore")
    >>> graph.add("convolution2d", filter_size=3, num_filters=16, name="conv")
    >>> graph.add("addition", inputs=["conv", "other"])

    A size of the input, a number of classes and a `norm` that are left open come from the data and options of
    whoever trains.
    """

    def __init__(self) -> None:
        self._layers: list[dict[str, Any]] = []

    def add(self, type: str, *, name: str = "", inputs: Optional[Sequence[str]] = None, **properties: Any) -> Graph:
        """One more layer, which reads the one before it unless `inputs` names others. Gives the graph."""
        layer: dict[str, Any] = {"type": type, **properties}
        if name:
            layer["name"] = name
        if inputs is not None:
            layer["inputs"] = list(inputs)
        self._layers.append(layer)
        return self

    def __repr__(self) -> str:
        return f"<normkit.Graph of {len(self._layers)} layers: {', '.join(str(layer['type']) for layer in self._layers)}>"

    def json(self) -> str:
        """As a file of `normkit train --network` has it."""
        return json.dumps({"layers": self._layers})

    def build(self, input_size: Sequence[int] = (0, 0, 0), num_classes: int = 0, norm: str = "batch") -> _core.Graph:
        """Throws Error that names the layer that does not fit."""
        return _core.Graph.from_json(self.json(), list(input_size), num_classes, norm)


def network_names() -> list[str]:
    """What `train` takes in place of a graph: "resnet-tiny", ..."""
    return list(_core.network_names())


class Data:
    """Observations with labels or targets. `data(x, y)` makes one of arrays, `open_data` of files."""

    def __init__(self, held: _core.Data) -> None:
        self._held = held

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"<normkit.Data: {self.summary()}>"

    @property
    def classes(self) -> list[str]:
        """Empty: a regression."""
        return list(self._held.classes)

    def summary(self) -> str:
        """One line: how many observations of which classes and sizes."""
        return self._held.summary()

    def split(self, fraction: float, seed: int = 1) -> tuple[Data, Data]:
        """Two parts; `fraction` of each class goes to the second."""
        first, second = self._held.split(fraction, seed)
        return Data(first), Data(second)


def _labels(y: np.ndarray, classes: Optional[Sequence[str]]) -> tuple[np.ndarray, list[str]]:
    if classes is not None:
        return np.ascontiguousarray(y, np.int64), [str(c) for c in classes]
    found, labels = np.unique(y, return_inverse=True)
    return np.ascontiguousarray(labels.reshape(-1), np.int64), [str(c) for c in found]


def _in_memory_order(x: np.ndarray, format: Optional[str]) -> tuple[np.ndarray, str]:
    """Channels last: of [N,F], [N,H,W] and [N,H,W,C], or of what the format says."""
    if format is None:
        if x.ndim not in (2, 3, 4):
            raise ValueError(f"x has shape {list(x.shape)}, expected [N,F], [N,H,W], [N,H,W,C] or a format")
        format = {2: "BC", 3: "BSS", 4: "BSSC"}[x.ndim]
    if len(format) != x.ndim or format.count("B") != 1 or format.count("C") > 1 or set(format) - set("BSC"):
        raise ValueError(f"format '{format}' given for {x.ndim} axes, expected B, C and S, one letter an axis")
    if "C" not in format:
        x, format = x[..., None], format + "C"
    order = sorted(range(x.ndim), key=lambda axis: "BSC".index(format[axis]))
    return np.ascontiguousarray(x.transpose(order), np.float32), "".join(format[axis] for axis in order)


def _is_sequences(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and len(x) > 0 and getattr(x[0], "ndim", 0) == 2


def _cut(x: Any, lengths: Any, format: Optional[str]) -> list[np.ndarray]:
    """The sequences [T,F] of a padded array."""
    x, format = np.asarray(x), format or "BTC"
    if x.ndim != len(format) or sorted(format) not in (["B", "C", "T"], ["B", "T"]):
        raise ValueError(
            f"x has shape {list(x.shape)}, format '{format}', expected a letter an axis: B, T and C, or B and T"
        )
    x = x.transpose([format.index(label) for label in "BTC" if label in format])
    x = x if x.ndim == 3 else x[..., None]
    given = np.asarray(lengths)
    if given.dtype.kind not in "iu" or given.shape != (len(x),):
        raise ValueError(f"lengths is {given.dtype} {list(given.shape)}, expected whole numbers [{len(x)}]")
    if len(x) and not 1 <= given.min() <= given.max() <= x.shape[1]:
        raise ValueError(f"lengths go from {given.min()} to {given.max()}, expected 1 to {x.shape[1]}, the steps of x")
    return [one[:length] for one, length in zip(x, given)]


def _answers_of_steps(y: Any, x: Sequence[Any]) -> np.ndarray:
    """Answers to each step, of sequences of them or padded; else y as it is."""
    if isinstance(y, (list, tuple)) and len(y) == len(x) and all(np.ndim(one) > 0 for one in y):
        for number, (one, steps) in enumerate(zip(y, x)):
            if len(one) != len(steps):
                raise ValueError(f"y[{number}] has {len(one)} answers, expected {len(steps)}, the steps of x[{number}]")
        y = np.concatenate([np.asarray(one) for one in y])
    answers: np.ndarray = np.asarray(y)
    if len(answers) != len(x) or answers.ndim != (3 if answers.dtype.kind == "f" else 2):
        return answers
    if answers.shape[1] < max(map(len, x)):
        raise ValueError(f"y has {answers.shape[1]} steps, expected at least {max(map(len, x))}")
    rows: np.ndarray = np.concatenate([one[: len(steps)] for one, steps in zip(answers, x)])
    return rows


def _expect_no_format(format: Optional[str]) -> None:
    if format is not None:
        raise ValueError(f"format '{format}' given for a list of sequences [T,F], expected none")


def _expect_answers(y: Any) -> None:
    if y is None:
        raise TypeError("y is None, expected the answers to x: classes or targets")


def _expect_arrays(*given: Any) -> None:
    if any(one is not None for one in given):
        raise ValueError("y, format or lengths given with Data, expected them with arrays alone")


def data(
    x: Any, y: Any, *, format: Optional[str] = None, classes: Optional[Sequence[str]] = None, lengths: Any = None
) -> Data:
    """Observations of arrays, which are copied as f32.

    x: [N,F] features, [N,H,W] or [N,H,W,C] images (0 to 255), another order as `format` says ("BCSS"); a list of
    sequences [T,F], or padded ones [N,T,F] (another order as `format` says, "BCT") with the `lengths` [N] that count.
    y: floating-point targets [N] or [N,K], or anything else for classes: numbers or names, which are sorted; with
    `classes`, indices of these. Of sequences also one answer a step: a list, or [N,T] classes, [N,T,K] targets.
    """
    _expect_answers(y)
    if lengths is not None:
        x, format = _cut(x, lengths, format), None
    if _is_sequences(x):
        _expect_no_format(format)
        return _sequences(x, _answers_of_steps(y, x), classes)
    x, format = _in_memory_order(np.asarray(x), format)
    y = np.asarray(y)
    if len(y) != len(x):
        raise ValueError(f"x has {len(x)} observations and y {len(y)}, expected as many")
    shape = [1, *x.shape[1:]]
    if y.dtype.kind == "f" and classes is None:
        targets = np.ascontiguousarray(y.reshape(len(y), -1), np.float32)
        return Data(_core.data_for_regression(format, shape, x, targets, targets.shape[1]))
    labels, names = _labels(y, classes)
    return Data(_core.data_from_arrays(format, shape, x, labels, names))


def _sequences(x: Sequence[Any], y: np.ndarray, classes: Optional[Sequence[str]]) -> Data:
    lengths = np.array([len(one) for one in x], np.int64)
    rows = np.ascontiguousarray(np.concatenate([np.asarray(one, np.float32) for one in x]))
    each_row = len(y) == len(rows) and len(y) != len(x)
    if not each_row and len(y) != len(x):
        raise ValueError(f"{len(x)} sequences of {len(rows)} rows and {len(y)} answers, expected one each")
    labels, targets = np.empty(0, np.int64), np.empty((0, 0), np.float32)
    names: list[str] = []
    if y.dtype.kind == "f" and classes is None:
        targets = np.ascontiguousarray(y.reshape(len(y), -1), np.float32)
    else:
        labels, names = _labels(y, classes)
    return Data(
        _core.data_of_sequences(
            rows, lengths, rows.shape[1], each_row, labels, names, targets, targets.shape[1] if targets.size else 0
        )
    )


def _as_data(given: Any) -> Data:
    """What `train` takes."""
    if isinstance(given, Data):
        return given
    if not isinstance(given, tuple) or len(given) not in (2, 3):
        raise TypeError(f"data is {type(given).__name__}, expected normkit.Data, (x, y) or (x, y, lengths)")
    x, y, *lengths = given
    return data(x, y, lengths=lengths[0] if lengths else None)


def open_data(spec: str, *, format: str = "", seed: int = 1) -> Data:
    """What `normkit --data` takes: "digits:2000", a folder of pictures, an .npz file (docs/data.md)."""
    return Data(_core.open_data(spec, format, seed))


class Evaluation(NamedTuple):
    """Accuracy in percent (RMSE for a regression), loss, class indices, and counts [true][predicted]."""

    accuracy: float
    loss: float
    predicted: np.ndarray
    confusion: np.ndarray


class Network:
    """A trained network. Pickles as the bytes of its model file."""

    def __init__(self, held: _core.Network) -> None:
        self._held = held

    def __repr__(self) -> str:
        count = sum(values.size for values in self.parameters.values())
        return f"<normkit.Network of {len(self.layers)} layers, {count} parameters>"

    @property
    def classes(self) -> list[str]:
        return list(self._held.classes)

    @property
    def layers(self) -> list[tuple[str, str, str, str]]:
        """(name, type, what it does, shape of what it gives for one observation)."""
        return list(self._held.layers)

    @property
    def facts(self) -> dict[str, str]:
        """How it was trained."""
        return dict(self._held.facts)

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """Copies, by name: "bn1.scale"."""
        return dict(self._held.parameters)

    def with_parameters(self, values: "dict[str, Any]") -> Network:
        """The same with other values of some parameters, which have names and shapes of `parameters`."""
        own, arrays = self.parameters, {name: np.ascontiguousarray(value, np.float32) for name, value in values.items()}
        for name, array in arrays.items():
            if name not in own:
                raise ValueError(f"the network has no parameter '{name}', expected {', '.join(own)}")
            if array.shape != own[name].shape:
                raise ValueError(f"parameter '{name}' has shape {list(own[name].shape)}, {list(array.shape)} given")
        return Network(self._held.with_parameters(arrays))

    def predict(
        self, x: Any, *, format: Optional[str] = None, mini_batch_size: int = 128, lengths: Any = None
    ) -> Any:
        """What the network gives, [N, ...]: of a classifier probabilities. x and lengths as for `data`, or a Data. Of
        sequences that it answers step by step a list: what it gives for each."""
        if isinstance(x, Data):
            _expect_arrays(format, lengths)
        if lengths is not None:
            x, format = _cut(x, lengths, format), None
        if isinstance(x, Data):
            given, offsets, of_steps = self._held.predict_data(x._held, mini_batch_size)
            return [given[a:b] for a, b in zip(offsets, offsets[1:])] if of_steps else given
        if _is_sequences(x):
            _expect_no_format(format)
            return self.predict(_sequences(x, np.zeros(len(x)), None), mini_batch_size=mini_batch_size)
        rows, found = _in_memory_order(np.asarray(x), format)
        wanted, shape = self._held.input_format, list(self._held.input_shape)
        if found != wanted or list(rows.shape[1:]) != shape[1:]:
            raise ValueError(f"x is {found} {list(rows.shape)}, expected {wanted} {['N', *shape[1:]]}")
        return self._held.predict(rows, mini_batch_size)

    def evaluate(
        self,
        given: Any,
        y: Any = None,
        *,
        format: Optional[str] = None,
        mini_batch_size: int = 128,
        lengths: Any = None,
    ) -> Evaluation:
        """How well it does on data, or on arrays x and y, whose classes are numbers or names of its own."""
        if isinstance(given, Data):
            _expect_arrays(y, format, lengths)
        else:
            _expect_answers(y)
            if lengths is not None:
                given, format = _cut(given, lengths, format), None
            y = _answers_of_steps(y, given) if _is_sequences(given) else np.asarray(y)
            if self.classes and y.dtype.kind != "f":
                places = {name: place for place, name in enumerate(self.classes)}
                y = np.array([places.get(str(label), -1) for label in y.tolist()], np.int64)
                if (y < 0).any():
                    raise ValueError(f"y has classes that the network has not, expected {', '.join(self.classes)}")
            given = data(given, y, format=format, classes=self.classes or None)
        found = _core.evaluate(self._held, given._held, mini_batch_size)
        return Evaluation(
            found["accuracy"], found["loss"], np.array(found["predicted"]), np.array(found["confusion"])
        )

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Writes an ONNX model: docs/onnx.md."""
        self._held.save(os.fspath(path))

    def __getstate__(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "model.onnx")
            self.save(path)
            return path.read_bytes()

    def __setstate__(self, state: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "model.onnx")
            path.write_bytes(state)
            self._held = _core.load(str(path))


def load(path: "str | os.PathLike[str]") -> Network:
    """Reads what `Network.save` or `normkit train` wrote. OSError where there is no file to be read."""
    with open(path, "rb"):  # the error of the system, as its own class
        pass
    return Network(_core.load(os.fspath(path)))


class TrainingResult(NamedTuple):
    """Rows of `history` are those of on_iteration; validation figures are None without validation data."""

    network: Network
    history: list[dict[str, float]]
    validation_accuracy: Optional[float]
    validation_loss: Optional[float]
    stopped: bool
    stopped_early: bool
    seconds: float
    peak_bytes: int


Callback = Callable[["dict[str, float]"], Optional[bool]]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def train(
    given: Any,
    graph: Graph | Network | str,
    options: Optional[dict[str, Any]] = None,
    *,
    validation: Any = None,
    norm: Optional[str] = None,
    on_iteration: Optional[Callback] = None,
    on_row: Optional[Callback] = None,
    **more: Any,
) -> TrainingResult:
    """Trains a graph, or a network by name or JSON file, on Data, (x, y) or, padded, (x, y, lengths) as for `data`; a
    Network is trained on.

    norm: of a graph from JSON or by name, where its layers do not say (None: batch). options: those of docs/options.md by name (solver="adam", max_epochs=5, ...), and checkpoint_path and
    resume_from. Callbacks get a dict of the iteration; True stops the training, an exception too. Ctrl-C stops it
    and is raised as KeyboardInterrupt, when a checkpoint has been written where there is a path for it.
    """
    training = _as_data(given)
    checked = None if validation is None else _as_data(validation)
    start: _core.Graph | _core.Network
    if isinstance(graph, Network):
        if norm is not None:
            raise ValueError(f"norm '{norm}' given with a Network, expected none: it has its own")
        start = graph._held
    elif isinstance(graph, Graph):
        start = _core.graph_of_json(training._held, graph.json(), norm or "batch")
    else:
        start = _core.graph_for(training._held, graph, norm or "batch")
    words = {name: _word(value) for name, value in {**(options or {}), **more}.items()}
    held = None if checked is None else checked._held
    result = _core.train(training._held, start, words, held, on_iteration, on_row)
    return TrainingResult(
        Network(result["network"]),
        result["history"],
        result.get("validation_accuracy"),
        result.get("validation_loss"),
        result["stopped"],
        result["stopped_early"],
        result["seconds"],
        result["peak_bytes"],
    )


__all__ = [
    "Data", "Evaluation", "Graph", "Network", "TrainingResult", "data", "load", "network_names", "open_data", "train",
]  # fmt: skip
