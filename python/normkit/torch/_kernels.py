"""Passes over tensors of the processor's memory: plans, outputs, addresses. No gradients are recorded here."""

from __future__ import annotations

import os
import pathlib
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

from .. import _core
from .._plans import make_plan

DTYPES = {torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16"}
MOST_PLANS = 1024


def _share_threads() -> None:
    """Runs on PyTorch's threads: its own wait for milliseconds behind an operation, and hold their processors."""
    if not torch.backends.openmp.is_available():  # type: ignore[no-untyped-call]
        return
    if not os.path.exists("/proc/self/maps"):
        return
    lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
    loaded = {line.split(maxsplit=5)[-1] for line in lines if "/libgomp" in line}
    of_torch = {path for path in loaded if path.startswith(os.path.dirname(torch.__file__))}
    for path in of_torch or (loaded if len(loaded) == 1 else ()):
        _core.use_openmp_of(path)


_share_threads()


class Norm(NamedTuple):
    """A normalization, whatever it is applied to."""

    layer: str
    groups: int  # group
    rank: int  # layer, rms: how many axes, the last ones
    eps: float
    activation: str = "none"
    slope: float = 0.01

    def labels(self, dim: int, timed: bool = False) -> str:
        """timed: observations have lengths, of the axis behind B and C."""
        if self.layer in ("layer", "rms"):
            kept = dim - self.rank
            return ("BT" + "S" * (kept - 2) if timed else "B" * kept) + "C" * self.rank
        return "BC" + ("T" + "S" * (dim - 3) if timed else "S" * (dim - 2))

    def time_axis(self) -> int:
        return 1 if self.layer in ("layer", "rms") else 2

    def can_be_timed(self, dim: int) -> bool:
        """Whether there is an axis of steps."""
        return dim - self.rank > self.time_axis()

    def backward_reads_y(self, addend: bool) -> bool:
        return self.activation == "leaky-relu" or (self.activation == "relu" and addend)


# Of all modules: the same plan serves every module that is alike.
_plans: dict[Any, _core.Plan] = {}


def _make(
    norm: Norm, like: Tensor, parameter: Optional[Tensor], strides: dict[str, tuple[int, ...]], timed: bool
) -> _core.Plan:
    options = _core.PlanOptions()
    options.epsilon = norm.eps
    options.num_groups = norm.groups
    options.activation = norm.activation
    options.negative_slope = norm.slope
    if parameter is not None:
        options.parameter_dtype = DTYPES[parameter.dtype]
    if timed and norm.layer == "layer":
        options.operation_dimension = "channel-only"
    labels = norm.labels(like.dim(), timed)
    return make_plan(norm.layer, labels, like.shape, DTYPES[like.dtype], strides, options)[0]


def _keep(key: Any, plan: _core.Plan) -> _core.Plan:
    if len(_plans) >= MOST_PLANS:
        _plans.clear()
    _plans[key] = plan
    return plan


def _forward_plan(
    norm: Norm,
    x: Tensor,
    y: Tensor,
    parameter: Optional[Tensor],
    residual: Optional[Tensor] = None,
    addend: Optional[Tensor] = None,
    timed: bool = False,
) -> _core.Plan:
    strides = {"x": x.stride(), "y": y.stride()}
    if residual is not None:
        strides.update(residual=residual.stride(), sum=y.stride())
    if addend is not None:
        strides["addend"] = addend.stride()
    return _make(norm, x, parameter, strides, timed)


def plan_of(norm: Norm, x: Tensor, parameter: Optional[Tensor]) -> _core.Plan:
    """For a forward pass from x to empty_like(x)."""
    key = (norm, x.shape, x.stride(), x.dtype, None if parameter is None else parameter.dtype)
    found = _plans.get(key)
    if found is None:
        found = _keep(key, _forward_plan(norm, x, torch.empty_like(x), parameter))
    return found


class Pair:
    """Plans of both passes, of backward for gradients that lie as y does."""

    __slots__ = ("norm", "forward", "backward", "strides", "reads_bias", "reads_y")

    def __init__(self, norm: Norm, x: Tensor, parameter: Optional[Tensor]) -> None:
        y = torch.empty_like(x)
        self.norm = norm
        self.strides = y.stride()
        self.reads_bias = norm.activation != "none"
        self.reads_y = norm.backward_reads_y(False)
        self.forward = plan_of(norm, x, parameter)
        self.backward = _backward_plan(norm, y, x, parameter, y if self.reads_y else None)


def _fused_plan(
    norm: Norm,
    x: Tensor,
    y: Tensor,
    parameter: Optional[Tensor],
    residual: Optional[Tensor],
    addend: Optional[Tensor],
    timed: bool,
) -> _core.Plan:
    if residual is None and addend is None and not timed:
        return plan_of(norm, x, parameter)
    key = (
        norm, x.shape, x.stride(), x.dtype, None if parameter is None else parameter.dtype,
        None if residual is None else residual.stride(), None if addend is None else addend.stride(), timed,
    )  # fmt: skip
    return _plans.get(key) or _keep(key, _forward_plan(norm, x, y, parameter, residual, addend, timed))


def _at(tensor: Optional[Tensor]) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def forward(
    norm: Norm,
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    residual: Optional[Tensor] = None,
    addend: Optional[Tensor] = None,
    lengths: Optional[Tensor] = None,
) -> tuple[Tensor, Tensor, Optional[Tensor]]:
    """(y, statistics, sum): mean, rstd and variance [3, n] of float64; sum is x + residual, None without."""
    y = torch.empty_like(x)
    plan = _fused_plan(norm, x, y, weight if weight is not None else bias, residual, addend, lengths is not None)
    statistics = torch.empty((3, plan.num_statistics), dtype=torch.float64)
    total = None if residual is None else torch.empty_like(x)
    at, step = statistics.data_ptr(), 8 * plan.num_statistics
    plan.forward_fused(
        x.data_ptr(), _at(weight), _at(bias), y.data_ptr(), at, at + step, at + 2 * step,
        _at(residual), _at(total), _at(addend), 0, _at(lengths), torch.get_num_threads(),
    )  # fmt: skip
    return y, statistics, total


def inference(
    norm: Norm,
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    mean: Optional[Tensor],
    variance: Optional[Tensor],
    residual: Optional[Tensor] = None,
    addend: Optional[Tensor] = None,
    lengths: Optional[Tensor] = None,
) -> tuple[Tensor, Optional[Tensor]]:
    """(y, sum) from given statistics, of the type that belongs to x; None for both: from those of x."""
    y = torch.empty_like(x)
    total = None if residual is None else torch.empty_like(x)
    plan = _fused_plan(norm, x, y, weight if weight is not None else bias, residual, addend, lengths is not None)
    plan.inference(
        x.data_ptr(), _at(weight), _at(bias), y.data_ptr(), _at(mean), _at(variance),
        _at(residual), _at(total), _at(addend), 0, _at(lengths), torch.get_num_threads(),
    )  # fmt: skip
    return y, total


def statistics_of(running_mean: Tensor, running_var: Tensor, eps: float) -> Tensor:
    """Given statistics as a forward pass saves its own."""
    variance = running_var.double()
    return torch.stack((running_mean.double(), (variance + eps).rsqrt(), variance))


def backward(
    norm: Norm,
    dy: Tensor,
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    statistics: Tensor,
    y: Optional[Tensor],
    addend: Optional[Tensor],
    fixed: bool,
    wants_x: bool = True,
    wants_parameters: bool = True,
    lengths: Optional[Tensor] = None,
    plan: Optional[_core.Plan] = None,
) -> tuple[Optional[Tensor], Optional[Tensor], Optional[Tensor], Optional[Tensor]]:
    """Gradients of x (which is the sum, after a residual), weight, bias and addend."""
    dx = torch.empty_like(x) if wants_x else None
    daddend = None if addend is None else torch.empty_like(x)
    parameter = weight if weight is not None else bias
    if plan is None:
        plan = backward_plan_of(norm, dy, x, parameter, y, addend, lengths is not None)
    dweight = torch.empty_like(weight) if weight is not None and wants_parameters else None
    dbias = torch.empty_like(bias) if bias is not None and wants_parameters else None
    at = statistics.data_ptr()
    plan.backward(
        x.data_ptr(), dy.data_ptr(), _at(weight), _at(bias), at, at + 8 * statistics.shape[1], _at(dx),
        _at(dweight), _at(dbias), _at(y), _at(addend), _at(daddend), 0, 0, _at(lengths), fixed, torch.get_num_threads(),
    )  # fmt: skip
    return dx, dweight, dbias, daddend


def backward_plan_of(
    norm: Norm,
    dy: Tensor,
    x: Tensor,
    parameter: Optional[Tensor],
    y: Optional[Tensor],
    addend: Optional[Tensor] = None,
    timed: bool = False,
) -> _core.Plan:
    key = (
        norm, x.shape, x.stride(), x.dtype, None if parameter is None else parameter.dtype, dy.stride(),
        None if addend is None else addend.stride(), None if y is None else y.stride(), "backward", timed,
    )  # fmt: skip
    return _plans.get(key) or _keep(key, _backward_plan(norm, dy, x, parameter, y, addend, timed))


def _backward_plan(
    norm: Norm,
    dy: Tensor,
    x: Tensor,
    parameter: Optional[Tensor],
    y: Optional[Tensor],
    addend: Optional[Tensor] = None,
    timed: bool = False,
) -> _core.Plan:
    own = torch.empty_like(x).stride()
    strides = {"x": x.stride(), "dy": dy.stride(), "dx": own}
    if addend is not None:
        strides.update(addend=addend.stride(), daddend=own)
    if y is not None:
        strides["y"] = y.stride()
    return _make(norm, x, parameter, strides, timed)


def update_running(
    statistics: Tensor,
    count: int,
    momentum: float,
    running_mean: Tensor,
    running_var: Tensor,
    lengths: Optional[Tensor] = None,
) -> None:
    """As PyTorch does: the new value weighs momentum, variances divide by count - 1. count: values behind each
    statistic, of each step where there are lengths."""
    if lengths is not None:
        count *= int(lengths.sum())
    n = statistics.shape[1]
    if any(r.numel() != n or not r.is_contiguous() for r in (running_mean, running_var)):
        raise ValueError(
            f"running_mean is {list(running_mean.shape)} and running_var {list(running_var.shape)}, expected [{n}] "
            "without gaps"
        )
    if running_mean.dtype != running_var.dtype:
        raise TypeError(
            f"running_mean and running_var are {running_mean.dtype} and {running_var.dtype}, expected one type"
        )
    at = statistics.data_ptr()
    wide = [r if r.dtype in (torch.float32, torch.float64) else r.float() for r in (running_mean, running_var)]
    wide = [r.resolve_neg() for r in wide]
    _core.update_running(
        DTYPES[wide[0].dtype], n, at, at + 16 * n, count, momentum, momentum, True, wide[0].data_ptr(),
        wide[1].data_ptr(),
    )  # fmt: skip
    for running, updated in zip((running_mean, running_var), wide):
        if updated is not running:
            running.copy_(updated)


def as_given(x: Tensor, running: Tensor) -> Tensor:
    """Statistics of the type that an inference pass over x takes."""
    return running.to(torch.float64 if x.dtype == torch.float64 else torch.float32).contiguous().resolve_neg()
