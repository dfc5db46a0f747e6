"""From a tensor to a normalized one, with whatever PyTorch does around it at the time."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor
from torch.autograd import forward_ad as _forward_ad
from torch.autograd.function import Function

from .. import _core
from . import _kernels, _native, _ops
from ._kernels import DTYPES, Norm, Pair

_empty_like, _records, _threads = torch.empty_like, torch.is_grad_enabled, torch.get_num_threads
_strided = torch.strided
_compiles = torch.compiler.is_compiling
_transforms = torch._C._functorch.peek_interpreter_stack
_dispatch_modes = torch._C._len_torch_dispatch_stack
_function_modes = torch._C._len_torch_function_stack
_tracing_state = torch._C._get_tracing_state
SMALLEST_EPS = 2.0**-126


# Whose elements lie where they say.
_OWN = (torch.nn.Parameter, Tensor)


def takes(x: Any, weight: Optional[Tensor], bias: Optional[Tensor], eps: float, count: int) -> bool:
    """Whether the operation computes it; else PyTorch's own does. count: elements of weight and bias."""
    if not isinstance(x, Tensor) or not x.is_cpu or x.dtype not in DTYPES or eps < SMALLEST_EPS:
        return False
    if x.layout is not torch.strided or _tracing_state() is not None:
        return False
    if not is_eager(x):
        if torch.onnx.is_in_onnx_export():
            return False
        if not torch.compiler.is_compiling() and (_transforms() is not None or _forward_ad._current_level >= 0):
            return False  # vmap, grad, jvp, dual tensors: PyTorch has rules
    if weight is not None and bias is not None and bias.dtype != weight.dtype:
        return False
    return is_fit(weight, count) and is_fit(bias, count)


def is_fit(parameter: Optional[Tensor], count: int) -> bool:
    """Whether so many elements lie one behind the other."""
    return parameter is None or (
        parameter.dtype in DTYPES
        and parameter.is_cpu
        and parameter.numel() == count
        and parameter.layout is torch.strided
        and parameter.is_contiguous()
    )


def _nothing_looks_on() -> bool:
    return (
        not _compiles()
        and _transforms() is None
        and _dispatch_modes() == 0
        and _function_modes() == 0
        and _tracing_state() is None
        and _forward_ad._current_level < 0
    )


def is_eager(*tensors: Optional[Tensor]) -> bool:
    """Whether nothing looks on: then kernels are called without a way through PyTorch's dispatcher, which is also who
    turns the sign of elements that are negated in name alone."""
    for t in tensors:
        if t is not None and type(t) not in _OWN:
            return False
    return _nothing_looks_on() and not any(t is not None and t.is_neg() for t in tensors)


class _Recorded(Function):
    """Of a forward pass with its own statistics, or (mean, variance given) with given ones."""

    @staticmethod
    def forward(ctx, norm, x, weight, bias, residual, addend, mean, variance, lengths, kept):  # type: ignore[no-untyped-def]
        if mean is None:
            y, statistics, total = _kernels.forward(norm, x, weight, bias, residual, addend, lengths)
            kept.append(statistics)
        else:
            given = _kernels.as_given(x, mean), _kernels.as_given(x, variance)
            y, total = _kernels.inference(norm, x, weight, bias, *given, residual, addend, lengths)
            statistics = _kernels.statistics_of(mean, variance, norm.eps)
        ctx.norm, ctx.given, ctx.has_residual = norm, (mean, variance), residual is not None
        read = y if norm.backward_reads_y(addend is not None) else None
        ctx.save_for_backward(x if total is None else total, weight, bias, statistics, read, addend, lengths)
        return y if total is None else (y, total)

    @staticmethod
    def backward(ctx, dy, dtotal=None):  # type: ignore[no-untyped-def]
        x, weight, bias, statistics, y, addend, lengths = ctx.saved_tensors
        dy = dy.resolve_neg()
        if torch.is_grad_enabled():  # gradients of gradients
            dx, dweight, dbias, daddend = _differentiable(ctx, dy, lengths, x, weight, bias, addend)
        else:
            dx, dweight, dbias, daddend = _kernels.backward(
                ctx.norm, dy, x, weight, bias, statistics, y, addend, ctx.given[0] is not None,
                wants_parameters=ctx.needs_input_grad[2] or ctx.needs_input_grad[3],
                lengths=lengths,
            )  # fmt: skip
        if ctx.has_residual and dtotal is not None:
            assert dx is not None
            dx = dx + _native.without_padding(ctx.norm, dtotal, lengths)
        return None, dx, dweight, dbias, dx if ctx.has_residual else None, daddend, None, None, None, None


class Running(NamedTuple):
    """What of a call goes into running statistics, and where these lie."""

    mean: Tensor
    variance: Tensor
    values: int  # behind each
    momentum: float

    def update(self, kept: _core.KeptStatistics) -> None:
        _core.update_from_kept(
            kept, DTYPES[self.mean.dtype], self.values, self.momentum, self.mean.data_ptr(), self.variance.data_ptr()
        )


class _Plain(Function):
    """The same with its own statistics and nothing fused in but an activation. What a call costs is counted in
    microseconds of Python, so nothing is done twice here: plans come in pairs, statistics stay in C++."""

    @staticmethod
    def forward(ctx, pair, x, weight, bias, running):  # type: ignore[no-untyped-def]
        y = _empty_like(x)
        kept = pair.forward.forward_kept(
            x.data_ptr(),
            0 if weight is None else weight.data_ptr(),
            0 if bias is None else bias.data_ptr(),
            y.data_ptr(),
            _threads(),
        )
        if running is not None:
            running.update(kept)
        ctx.state = pair, kept, bias
        if pair.reads_bias:
            ctx.save_for_backward(x, weight, bias, y if pair.reads_y else None)
        else:  # but for gradients of gradients
            ctx.save_for_backward(x, weight)
        return y

    @staticmethod
    def backward(ctx, dy):  # type: ignore[no-untyped-def]
        x, weight, *more = ctx.saved_tensors
        dy = dy.resolve_neg()
        pair, kept, bias = ctx.state
        if _records():
            ctx.norm, ctx.given = pair.norm, (None, None)
            return None, *_differentiable(ctx, dy, None, x, weight, bias, None)[:3], None
        y = more[1] if more else None
        plan = pair.backward
        if dy.stride() != pair.strides:
            plan = _kernels.backward_plan_of(pair.norm, dy, x, weight if weight is not None else bias, y)
        _, _, wants_weight, wants_bias, _ = ctx.needs_input_grad
        dx = _empty_like(x)
        dweight = _empty_like(weight) if wants_weight else None
        dbias = _empty_like(bias) if wants_bias else None
        plan.backward_kept(
            kept,
            x.data_ptr(),
            dy.data_ptr(),
            0 if weight is None else weight.data_ptr(),
            0 if bias is None else bias.data_ptr(),
            dx.data_ptr(),
            0 if dweight is None else dweight.data_ptr(),
            0 if dbias is None else dbias.data_ptr(),
            0 if y is None else y.data_ptr(),
            _threads(),
        )
        return None, dx, dweight, dbias, None


def plain(
    pair: Pair, x: Tensor, weight: Optional[Tensor], bias: Optional[Tensor], running: Optional[Running] = None
) -> Tensor:
    """y of an eager call with nothing beside x."""
    if _records() and (
        x.requires_grad
        or (weight is not None and weight.requires_grad)
        or (bias is not None and bias.requires_grad)
    ):
        result: Tensor = _Plain.apply(pair, x, weight, bias, running)
        return result
    y = _empty_like(x)  # no gradients: the shortest way
    addresses = (
        x.data_ptr(),
        0 if weight is None else weight.data_ptr(),
        0 if bias is None else bias.data_ptr(),
        y.data_ptr(),
    )
    if running is None:
        pair.forward.forward(*addresses, 0, 0, 0, _threads())
    else:
        running.update(pair.forward.forward_kept(*addresses, _threads()))
    return y


# Calls that were taken, by what `known` compares.
_known: dict[Any, Pair] = {}


def known(module: Any, sizes: Any, x: Any, weight: Optional[Tensor], bias: Optional[Tensor]) -> Optional[Pair]:
    """The plans of an eager call like one that `remember` was told of; None: it has to be looked at. `sizes`: what the
    constructor of the module was given of these."""
    if type(x) is not Tensor or not _nothing_looks_on() or not x.is_cpu or x.layout is not _strided or x.is_neg():
        return None
    of_weight = of_bias = None
    if weight is not None:
        if type(weight) not in _OWN or not weight.is_cpu or not weight.is_contiguous() or weight.is_neg():
            return None
        of_weight = weight.dtype, weight.numel()
    if bias is not None:
        if type(bias) not in _OWN or not bias.is_cpu or not bias.is_contiguous() or bias.is_neg():
            return None
        of_bias = bias.dtype, bias.numel()
    return _known.get(
        (
            type(module), sizes, module.eps, module.activation, module.negative_slope,
            x.shape, x.stride(), x.dtype, of_weight, of_bias,
        )
    )  # fmt: skip


def again(module: Any, sizes: Any, x: Any, weight: Optional[Tensor], bias: Optional[Tensor]) -> Optional[Tensor]:
    """y of a call whose plans are known."""
    pair = known(module, sizes, x, weight, bias)
    return None if pair is None else plain(pair, x, weight, bias)


def is_kept(running: Tensor, count: int) -> bool:
    """Whether running statistics are updated where they lie, in eager calls."""
    return (
        type(running) is Tensor
        and (running.dtype is torch.float32 or running.dtype is torch.float64)
        and running.is_cpu
        and running.numel() == count
        and running.is_contiguous()
        and not running.is_neg()
    )


def remember(
    module: Any, sizes: Any, norm: Norm, x: Tensor, weight: Optional[Tensor], bias: Optional[Tensor]
) -> Pair:
    """The plans of an eager call that was found to be taken."""
    of_parameters = (None if p is None else (p.dtype, p.numel()) for p in (weight, bias))
    key = (
        type(module), sizes, module.eps, module.activation, module.negative_slope,
        x.shape, x.stride(), x.dtype, *of_parameters,
    )  # fmt: skip
    if len(_known) >= _kernels.MOST_PLANS:
        _known.clear()
    pair = _known[key] = Pair(norm, x, weight if weight is not None else bias)
    return pair


def _differentiable(
    ctx: Any, dy: Tensor, lengths: Optional[Tensor], *tensors: Optional[Tensor]
) -> list[Optional[Tensor]]:
    """The backward pass in PyTorch's own operations, which can be gone back through. Of views: x may itself be computed
    from weight, by this very call (a sum) or one before with the same module, and that way is not to be gone here."""
    tensors = tuple(t.view_as(t) if t is not None and t.requires_grad else t for t in tensors)
    wanted = [t for t in tensors if t is not None and t.requires_grad]
    x, weight, bias, addend = tensors
    assert x is not None
    mean, variance = ctx.given
    y = _native.whole(ctx.norm, x, weight, bias, addend, mean, variance, lengths)
    found = iter(torch.autograd.grad(y, wanted, dy, create_graph=True, allow_unused=True))
    return [next(found) if t is not None and t.requires_grad else None for t in tensors]


def normalize(
    norm: Norm,
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    residual: Optional[Tensor] = None,
    addend: Optional[Tensor] = None,
    mean: Optional[Tensor] = None,
    variance: Optional[Tensor] = None,
    lengths: Optional[Tensor] = None,
) -> tuple[Tensor, Optional[Tensor], Optional[Tensor]]:
    """(y, statistics, sum). Statistics are None where they are given."""
    if is_eager(x, weight, bias, residual, addend, lengths):
        return _eager(norm, x, weight, bias, residual, addend, mean, variance, lengths)
    if mean is not None and variance is not None:
        y, total = _ops.inference(x, weight, bias, mean, variance, residual, addend, lengths, *norm)
        return y, None, total if residual is not None else None
    y, statistics, total = _ops.forward(x, weight, bias, residual, addend, lengths, *norm)
    return y, statistics, total if residual is not None else None


def _eager(
    norm: Norm,
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    residual: Optional[Tensor],
    addend: Optional[Tensor],
    mean: Optional[Tensor],
    variance: Optional[Tensor],
    lengths: Optional[Tensor],
) -> tuple[Tensor, Optional[Tensor], Optional[Tensor]]:
    if torch.is_grad_enabled() and any(
        t is not None and t.requires_grad for t in (x, weight, bias, residual, addend)
    ):
        kept: list[Tensor] = []
        given = _Recorded.apply(norm, x, weight, bias, residual, addend, mean, variance, lengths, kept)
        y, total = (given, None) if residual is None else given
        return y, kept[0] if kept else None, total
    if mean is None or variance is None:
        return _kernels.forward(norm, x, weight, bias, residual, addend, lengths)
    given = _kernels.as_given(x, mean), _kernels.as_given(x, variance)
    y, total = _kernels.inference(norm, x, weight, bias, *given, residual, addend, lengths)
    return y, None, total
