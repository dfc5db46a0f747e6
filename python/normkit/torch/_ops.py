"""The passes as operators of PyTorch, torch.ops.normkit: what torch.compile, torch.export and torch.func see."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor

from . import _kernels, _native
from ._kernels import Norm

# Names of the arguments that make a Norm, behind the tensors of each operator.
_NORM = ("layer", "groups", "rank", "eps", "activation", "slope")


def _or_empty(x: Tensor, tensor: Optional[Tensor]) -> Tensor:
    """Operators give tensors: an empty one stands for none."""
    return x.new_empty(0) if tensor is None else tensor


@torch.library.custom_op("normkit::forward", mutates_args=())
def forward(
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    residual: Optional[Tensor],
    addend: Optional[Tensor],
    lengths: Optional[Tensor],
    layer: str,
    groups: int,
    rank: int,
    eps: float,
    activation: str,
    slope: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """y, statistics, and x + residual (empty without a residual)."""
    norm = Norm(layer, groups, rank, eps, activation, slope)
    y, statistics, total = _kernels.forward(norm, x, weight, bias, residual, addend, lengths)
    return y, statistics, _or_empty(x, total)


@torch.library.custom_op("normkit::inference", mutates_args=())
def inference(
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    mean: Tensor,
    variance: Tensor,
    residual: Optional[Tensor],
    addend: Optional[Tensor],
    lengths: Optional[Tensor],
    layer: str,
    groups: int,
    rank: int,
    eps: float,
    activation: str,
    slope: float,
) -> tuple[Tensor, Tensor]:
    """y from given statistics, and x + residual (empty without a residual)."""
    norm = Norm(layer, groups, rank, eps, activation, slope)
    given = _kernels.as_given(x, mean), _kernels.as_given(x, variance)
    y, total = _kernels.inference(norm, x, weight, bias, *given, residual, addend, lengths)
    return y, _or_empty(x, total)


@torch.library.custom_op("normkit::backward", mutates_args=())
def backward(
    dy: Tensor,
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    statistics: Tensor,
    y: Optional[Tensor],
    addend: Optional[Tensor],
    lengths: Optional[Tensor],
    fixed: bool,
    layer: str,
    groups: int,
    rank: int,
    eps: float,
    activation: str,
    slope: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x (or the sum), weight, bias and addend; empty where there is none."""
    norm = Norm(layer, groups, rank, eps, activation, slope)
    gradients = _kernels.backward(norm, dy, x, weight, bias, statistics, y, addend, fixed, lengths=lengths)
    dx, dweight, dbias, daddend = (_or_empty(x, gradient) for gradient in gradients)
    return dx, dweight, dbias, daddend


@torch.library.custom_op("normkit::update_running", mutates_args=("running_mean", "running_var"))
def update_running(
    statistics: Tensor,
    count: int,
    momentum: float,
    running_mean: Tensor,
    running_var: Tensor,
    lengths: Optional[Tensor],
) -> None:
    _kernels.update_running(statistics, count, momentum, running_mean, running_var, lengths)


@torch.library.custom_op("normkit::statistics_of", mutates_args=())
def statistics_of(mean: Tensor, variance: Tensor, eps: float) -> Tensor:
    return _kernels.statistics_of(mean, variance, eps)


def _num_statistics(x: Tensor, layer: str, groups: int, rank: int) -> Any:
    if layer == "batch":
        return x.shape[1]
    count: Any = 1
    kept = {"instance": x.shape[:2], "group": (x.shape[0], groups)}.get(layer, x.shape[: x.dim() - rank])
    for size in kept:
        count = count * size
    return count


@forward.register_fake
def _(x, weight, bias, residual, addend, lengths, layer, groups, rank, eps, activation, slope):  # type: ignore[no-untyped-def]
    statistics = x.new_empty((3, _num_statistics(x, layer, groups, rank)), dtype=torch.float64)
    return torch.empty_like(x), statistics, x.new_empty(0) if residual is None else torch.empty_like(x)


@inference.register_fake
def _(x, weight, bias, mean, variance, residual, *rest):  # type: ignore[no-untyped-def]
    return torch.empty_like(x), x.new_empty(0) if residual is None else torch.empty_like(x)


@backward.register_fake
def _(dy, x, weight, bias, statistics, y, addend, *rest):  # type: ignore[no-untyped-def]
    def like(tensor: Optional[Tensor]) -> Tensor:
        return x.new_empty(0) if tensor is None else torch.empty_like(tensor)

    return torch.empty_like(x), like(weight), like(bias), x.new_empty(0) if addend is None else torch.empty_like(x)


@update_running.register_fake
def _(statistics, count, momentum, running_mean, running_var, lengths):  # type: ignore[no-untyped-def]
    return None


@statistics_of.register_fake
def _(mean, variance, eps):  # type: ignore[no-untyped-def]
    return mean.new_empty((3, mean.shape[0]), dtype=torch.float64)


def _save(ctx: Any, inputs: Any, tensors: tuple[Any, ...], statistics: Tensor, y: Tensor, total: Tensor) -> None:
    x, weight, bias, residual, addend, lengths = tensors
    ctx.norm = Norm(*inputs[-len(_NORM) :])
    ctx.has_residual = residual is not None
    read = y if ctx.norm.backward_reads_y(addend is not None) else None
    ctx.save_for_backward(x if residual is None else total, weight, bias, statistics, read, addend, lengths)


def _gradients(ctx: Any, dy: Tensor, dtotal: Optional[Tensor], fixed: bool) -> tuple[Any, ...]:
    x, weight, bias, statistics, y, addend, lengths = ctx.saved_tensors
    dx, dweight, dbias, daddend = backward(dy, x, weight, bias, statistics, y, addend, lengths, fixed, *ctx.norm)
    if ctx.has_residual and dtotal is not None:
        dx = dx + _native.without_padding(ctx.norm, dtotal, lengths)
    return (
        dx,
        None if weight is None else dweight,
        None if bias is None else dbias,
        dx if ctx.has_residual else None,
        None if addend is None else daddend,
    )


def _setup_forward(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.mark_non_differentiable(output[1])
    _save(ctx, inputs, inputs[:6], output[1], output[0], output[2])


def _backward_of_forward(ctx: Any, dy: Tensor, dstatistics: Any, dtotal: Tensor) -> tuple[Any, ...]:
    return (*_gradients(ctx, dy, dtotal, fixed=False), None, *[None] * len(_NORM))


def _setup_inference(ctx: Any, inputs: Any, output: Any) -> None:
    x, weight, bias, mean, variance, residual, addend, lengths = inputs[:8]
    statistics = statistics_of(mean, variance, inputs[-3])
    _save(ctx, inputs, (x, weight, bias, residual, addend, lengths), statistics, output[0], output[1])


def _backward_of_inference(ctx: Any, dy: Tensor, dtotal: Tensor) -> tuple[Any, ...]:
    dx, dweight, dbias, dresidual, daddend = _gradients(ctx, dy, dtotal, fixed=True)
    return (dx, dweight, dbias, None, None, dresidual, daddend, None, *[None] * len(_NORM))


forward.register_autograd(_backward_of_forward, setup_context=_setup_forward)
inference.register_autograd(_backward_of_inference, setup_context=_setup_inference)

