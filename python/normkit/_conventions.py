"""What other frameworks mean by the numbers that networks hold: docs/toolbox.md.

Frameworks are "normkit", "toolbox" (MATLAB's), "pytorch", "keras" and "onnx".
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

from . import _core


def _floats(values: Any) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)


def convert_momentum(momentum: float, source: str, target: str) -> float:
    """Of batch normalization: 0.99 of "keras" is 0.01 of "pytorch" and of "normkit", whose mean_decay it is."""
    return _core.convert_momentum(momentum, source, target)


def convert_variance(variance: Any, count: int, source: str, target: str) -> np.ndarray:
    """Running variances of mini-batches with `count` values behind each statistic: PyTorch's divide by one less.

    For training on, and back behind it; a network that is to predict what it predicted takes them as they are.
    """
    return np.asarray(_core.convert_variance(_floats(variance).reshape(-1), count, source, target))


def convert_epsilon(scale: Any, variance: Any, source: float, target: float) -> np.ndarray:
    """The scale that predicts with another epsilon what it predicted: scale sqrt((variance + target) / (variance + source))."""
    return np.asarray(_core.convert_epsilon(_floats(scale).reshape(-1), _floats(variance).reshape(-1), source, target))


def convert_weights(
    weights: Any, kind: str, source: str, target: str, *, flattened: Optional[Sequence[int]] = None
) -> np.ndarray:
    """Weights in the order of axes and gates of another framework.

    kind: "convolution", "connection" (fully connected), "lstm" or "gru" (weights and biases). `flattened` is (height,
    width, channels) of the image that a connection reads behind a flattening. Axes are as each framework lists them.
    """
    return np.asarray(_core.convert_weights(_floats(weights), kind, source, target, list(flattened or ())))


__all__ = ["convert_epsilon", "convert_momentum", "convert_variance", "convert_weights"]
