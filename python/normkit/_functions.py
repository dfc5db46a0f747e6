"""A normalization for one call. Plans are kept: a call with arrays like earlier ones makes none."""

from __future__ import annotations

import functools
from typing import Any, Optional, Sequence

import numpy as np

from . import _core
from ._lies import lies
from ._plans import Gradients, Normalization, Result, labels_of, labels_of_axes

Axes = Optional["int | Sequence[int]"]


@functools.lru_cache(maxsize=256, typed=True)  # 2.0 groups are an error after 2 as well
def _plan(layer: str, labels: str, shape: tuple[int, ...], dtype: str, **options: Any) -> Normalization:
    return Normalization(layer, labels, shape, dtype, **options)


def _plan_of(
    layer: str,
    x: Any,
    parameters: Sequence[Any],
    format: Optional[str],
    axes: Axes,
    timed: bool = False,
    **options: Any,
) -> Normalization:
    found = lies(x, "x")
    if format is not None and axes is not None:
        raise ValueError(f"format '{format}' and axes {axes} given, expected one of them")
    if axes is not None:
        labels = labels_of_axes(layer, axes, len(found.shape), timed)
        if timed and layer == "layer":
            options["operation_dimension"] = "channel-only"
    else:
        labels = labels_of(format or "BC*", len(found.shape), timed)
    given = {lies(p, name).dtype for p, name in zip(parameters, ("scale", "offset")) if p is not None}
    if len(given) > 1:
        raise TypeError(f"scale and offset are {' and '.join(sorted(given))}, expected one type")
    return _plan(layer, labels, found.shape, found.dtype, parameter_dtype="".join(given), **options)


def _forward(
    layer: str,
    x: Any,
    scale: Any,
    offset: Any,
    format: Optional[str],
    axes: Axes,
    options: dict[str, Any],
    out: Any,
    residual: Any,
    addend: Any,
    gate: Any,
    lengths: Any,
    return_statistics: bool,
) -> Any:
    plan = _plan_of(layer, x, (scale, offset), format, axes, lengths is not None, **options)
    result = plan.forward(
        x, scale, offset, out=out, residual=residual, addend=addend, gate=gate, lengths=lengths
    )
    return result if return_statistics else result.y


def batch_norm(
    x: Any,
    scale: Any = None,
    offset: Any = None,
    mean: Any = None,
    variance: Any = None,
    *,
    format: Optional[str] = None,
    axes: Axes = None,
    epsilon: float = 1e-5,
    out: Any = None,
    activation: Optional[str] = None,
    residual: Any = None,
    addend: Any = None,
    gate: Any = None,
    lengths: Any = None,
    return_statistics: bool = False,
) -> Any:
    """Statistics over observations and space, from x itself or, where given, `mean` and `variance`."""
    if mean is None and variance is None:
        return _forward(
            "batch", x, scale, offset, format, axes, {"epsilon": epsilon, "activation": activation},
            out, residual, addend, gate, lengths, return_statistics,
        )  # fmt: skip
    options = {"epsilon": epsilon, "activation": activation}
    plan = _plan_of("batch", x, (scale, offset), format, axes, lengths is not None, **options)
    return plan.inference(
        x, scale, offset, mean, variance, out=out, residual=residual, addend=addend, gate=gate, lengths=lengths
    )


def layer_norm(
    x: Any,
    scale: Any = None,
    offset: Any = None,
    *,
    format: Optional[str] = None,
    axes: Axes = None,
    operation_dimension: str = "",
    epsilon: float = 1e-5,
    out: Any = None,
    activation: Optional[str] = None,
    residual: Any = None,
    addend: Any = None,
    gate: Any = None,
    lengths: Any = None,
    return_statistics: bool = False,
) -> Any:
    """Statistics over `axes` (the last one where nothing is said), which scale and offset have as well; with a
    format over all but observations, or as `operation_dimension` says, with scale and offset a channel."""
    options = {"epsilon": epsilon, "activation": activation, "operation_dimension": operation_dimension}
    axes = -1 if axes is None and format is None else axes
    return _forward(
        "layer", x, scale, offset, format, axes, options, out, residual, addend, gate, lengths, return_statistics
    )


def instance_norm(
    x: Any,
    scale: Any = None,
    offset: Any = None,
    *,
    format: Optional[str] = None,
    axes: Axes = None,
    epsilon: float = 1e-5,
    out: Any = None,
    activation: Optional[str] = None,
    residual: Any = None,
    addend: Any = None,
    gate: Any = None,
    lengths: Any = None,
    return_statistics: bool = False,
) -> Any:
    """Statistics over space, of each channel of each observation."""
    return _forward(
        "instance", x, scale, offset, format, axes, {"epsilon": epsilon, "activation": activation},
        out, residual, addend, gate, lengths, return_statistics,
    )  # fmt: skip


def group_norm(
    x: Any,
    num_groups: int | str,
    scale: Any = None,
    offset: Any = None,
    *,
    format: Optional[str] = None,
    axes: Axes = None,
    epsilon: float = 1e-5,
    out: Any = None,
    activation: Optional[str] = None,
    residual: Any = None,
    addend: Any = None,
    gate: Any = None,
    lengths: Any = None,
    return_statistics: bool = False,
) -> Any:
    """Statistics over space and the channels of each group; num_groups may be "all-channels" or "channel-wise".
    `axes`: that of the channels first, then those of space."""
    options = {"epsilon": epsilon, "activation": activation, "num_groups": num_groups}
    return _forward(
        "group", x, scale, offset, format, axes, options, out, residual, addend, gate, lengths, return_statistics
    )


def rms_norm(
    x: Any,
    scale: Any = None,
    *,
    format: Optional[str] = None,
    axes: Axes = None,
    epsilon: float = 1e-5,
    scale_plus_one: bool = False,
    out: Any = None,
    activation: Optional[str] = None,
    residual: Any = None,
    addend: Any = None,
    gate: Any = None,
    lengths: Any = None,
    return_statistics: bool = False,
) -> Any:
    """Divides by the root of the mean square over `axes` (the last one where nothing is said)."""
    options = {"epsilon": epsilon, "activation": activation, "scale_plus_one": scale_plus_one}
    axes = -1 if axes is None and format is None else axes
    return _forward(
        "rms", x, scale, None, format, axes, options, out, residual, addend, gate, lengths, return_statistics
    )


def _backward(
    layer: str,
    dy: Any,
    x: Any,
    scale: Any,
    offset: Any,
    format: Optional[str],
    axes: Axes,
    options: dict[str, Any],
    calls: dict[str, Any],
) -> Gradients:
    plan = _plan_of(layer, x, (scale, offset), format, axes, calls["lengths"] is not None, **options)
    return plan.backward(dy, x, scale, offset, **calls)


def batch_norm_backward(
    dy: Any,
    x: Any,
    scale: Any = None,
    offset: Any = None,
    *,
    mean: Any,
    rstd: Any,
    format: Optional[str] = None,
    axes: Axes = None,
    epsilon: float = 1e-5,
    activation: Optional[str] = None,
    y: Any = None,
    addend: Any = None,
    gate: Any = None,
    lengths: Any = None,
    fixed_statistics: bool = False,
) -> Gradients:
    """Gradients of `batch_norm`, whose result has mean and rstd. fixed_statistics: these are constants."""
    options = {"epsilon": epsilon, "activation": activation}
    calls = {"mean": mean, "rstd": rstd, "y": y, "addend": addend, "gate": gate, "lengths": lengths,
             "fixed_statistics": fixed_statistics}  # fmt: skip
    return _backward("batch", dy, x, scale, offset, format, axes, options, calls)


def layer_norm_backward(
    dy: Any,
    x: Any,
    scale: Any = None,
    offset: Any = None,
    *,
    mean: Any,
    rstd: Any,
    format: Optional[str] = None,
    axes: Axes = None,
    operation_dimension: str = "",
    epsilon: float = 1e-5,
    activation: Optional[str] = None,
    y: Any = None,
    addend: Any = None,
    gate: Any = None,
    lengths: Any = None,
) -> Gradients:
    """Gradients of `layer_norm`."""
    options = {"epsilon": epsilon, "activation": activation, "operation_dimension": operation_dimension}
    axes = -1 if axes is None and format is None else axes
    calls = {"mean": mean, "rstd": rstd, "y": y, "addend": addend, "gate": gate, "lengths": lengths}
    return _backward("layer", dy, x, scale, offset, format, axes, options, calls)


def instance_norm_backward(
    dy: Any,
    x: Any,
    scale: Any = None,
    offset: Any = None,
    *,
    mean: Any,
    rstd: Any,
    format: Optional[str] = None,
    axes: Axes = None,
    epsilon: float = 1e-5,
    activation: Optional[str] = None,
    y: Any = None,
    addend: Any = None,
    gate: Any = None,
    lengths: Any = None,
) -> Gradients:
    """Gradients of `instance_norm`."""
    options = {"epsilon": epsilon, "activation": activation}
    calls = {"mean": mean, "rstd": rstd, "y": y, "addend": addend, "gate": gate, "lengths": lengths}
    return _backward("instance", dy, x, scale, offset, format, axes, options, calls)


def group_norm_backward(
    dy: Any,
    x: Any,
    num_groups: int | str,
    scale: Any = None,
    offset: Any = None,
    *,
    mean: Any,
    rstd: Any,
    format: Optional[str] = None,
    axes: Axes = None,
    epsilon: float = 1e-5,
    activation: Optional[str] = None,
    y: Any = None,
    addend: Any = None,
    gate: Any = None,
    lengths: Any = None,
) -> Gradients:
    """Gradients of `group_norm`."""
    options = {"epsilon": epsilon, "activation": activation, "num_groups": num_groups}
    calls = {"mean": mean, "rstd": rstd, "y": y, "addend": addend, "gate": gate, "lengths": lengths}
    return _backward("group", dy, x, scale, offset, format, axes, options, calls)


def rms_norm_backward(
    dy: Any,
    x: Any,
    scale: Any = None,
    *,
    rstd: Any,
    format: Optional[str] = None,
    axes: Axes = None,
    epsilon: float = 1e-5,
    scale_plus_one: bool = False,
    activation: Optional[str] = None,
    y: Any = None,
    addend: Any = None,
    gate: Any = None,
    lengths: Any = None,
) -> Gradients:
    """Gradients of `rms_norm`."""
    options = {"epsilon": epsilon, "activation": activation, "scale_plus_one": scale_plus_one}
    axes = -1 if axes is None and format is None else axes
    calls = {"mean": np.zeros_like(rstd), "rstd": rstd, "y": y, "addend": addend, "gate": gate, "lengths": lengths}
    return _backward("rms", dy, x, scale, None, format, axes, options, calls)


def update_running(
    running_mean: Any,
    running_variance: Any,
    mean: Any,
    variance: Any,
    count: int,
    *,
    decay: float = 0.1,
    count_minus_one: bool = False,
) -> None:
    """running = (1 - decay) running + decay new, in place.

    `count`: elements behind each new value (Normalization.reduced_count). Variances divide by it, running ones by
    count - 1 where count_minus_one says so, as PyTorch's. One element leaves the running variance alone.
    """
    running = [
        lies(running_mean, "running_mean", writable=True),
        lies(running_variance, "running_variance", writable=True),
    ]
    new = [np.ascontiguousarray(values, np.float64).reshape(-1) for values in (mean, variance)]
    size = running[0].size()
    if count < 0:
        raise ValueError(f"count is {count}, expected 0 or more elements behind each new value")
    if any(r.size() != size or not r.dense() or r.dtype != running[0].dtype for r in running):
        raise ValueError("running_mean and running_variance differ in size or type or have gaps, expected two alike")
    if any(n.size != size for n in new):
        raise ValueError(f"mean has {new[0].size} and variance {new[1].size} elements, expected {size}")
    _core.update_running(
        running[0].dtype, size, new[0].ctypes.data, new[1].ctypes.data, count, decay, decay, count_minus_one,
        running[0].address, running[1].address,
    )  # fmt: skip


__all__ = [
    "Gradients", "Normalization", "Result", "batch_norm", "batch_norm_backward", "group_norm", "group_norm_backward",
    "instance_norm", "instance_norm_backward", "layer_norm", "layer_norm_backward", "rms_norm", "rms_norm_backward",
    "update_running",
]  # fmt: skip
