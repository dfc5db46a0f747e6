"""PyTorch's normalization modules on normkit's operation: the same constructors, attributes, state and classes.

Each is a PyTorch module of its kind with another `forward`; what the operation does not take (tensors elsewhere, other
types, `torch.jit`) goes to PyTorch's.
"""

from __future__ import annotations

import math
from typing import Any, Optional, Sequence

import torch
from torch import Tensor, nn

from .._lies import memory_order
from . import _kernels, _native
from ._functional import Running, again, is_eager, is_fit, is_kept, known, normalize, plain, remember, takes
from ._kernels import Norm


def _num_elements(x: Tensor) -> int:
    """Behind each statistic of batch normalization."""
    count = x.shape[0]
    for size in x.shape[2:]:
        count *= size
    return count


def _of(module: Any, tensors: Any, name: str) -> Optional[Tensor]:
    """module.NAME, quickly; parametrizations and pruning keep it elsewhere than in its place."""
    found: Optional[Tensor] = tensors[name] if name in tensors else getattr(module, name)
    return found


class _Fused:
    """What stands behind the normalization, in the same pass over memory."""

    activation: str = "none"
    negative_slope: float = 0.01

    def fuse(self, activation: str, negative_slope: float = 0.01) -> Any:
        """Sets what is applied to the result: "relu", "silu", "gelu", ... (docs/python.md). Returns the module."""
        if activation not in _native.ACTIVATIONS:
            raise ValueError(f"activation is '{activation}', expected one of {', '.join(_native.ACTIVATIONS)}")
        self.activation, self.negative_slope = activation, negative_slope
        return self

    def extra_repr(self) -> str:
        text: str = super().extra_repr()  # type: ignore[misc]
        return text if self.activation == "none" else f"{text}, activation={self.activation}"

    def _native(
        self,
        norm: Norm,
        x: Tensor,
        weight: Any,
        bias: Any,
        residual: Optional[Tensor],
        addend: Optional[Tensor],
        lengths: Any,
        mean: Optional[Tensor] = None,
        variance: Optional[Tensor] = None,
    ) -> Any:
        lengths = _check(norm, x, residual, addend, lengths)
        total = _native.without_padding(norm, x if residual is None else x + residual, lengths)
        y = _native.whole(norm, total, weight, bias, addend, mean, variance, lengths)
        return y if residual is None else (y, total)

    def _is_plain(self, residual: Optional[Tensor], addend: Optional[Tensor], lengths: Any) -> bool:
        return residual is None and addend is None and lengths is None and self.activation == "none"


def _check_lengths(norm: Norm, x: Tensor, lengths: Any) -> Tensor:
    """As int64 in the processor's memory."""
    given = lengths if isinstance(lengths, Tensor) else torch.tensor(lengths)
    if not norm.can_be_timed(x.dim()):
        raise ValueError(
            f"lengths given for x {list(x.shape)}, expected an axis of steps behind "
            f"{'observations' if norm.time_axis() == 1 else 'observations and channels'}"
        )
    if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool or given.shape != x.shape[:1]:
        raise ValueError(f"lengths is {given.dtype} {list(given.shape)}, expected whole numbers [{x.shape[0]}]")
    if is_eager(given) and not given.is_meta:
        steps = x.shape[norm.time_axis()]
        if bool(((given < 1) | (given > steps)).any()):
            raise ValueError(f"lengths go from {int(given.min())} to {int(given.max())}, expected 1 to {steps}")
    return given.to("cpu", torch.int64).contiguous()


def _check(
    norm: Norm, x: Tensor, residual: Optional[Tensor], addend: Optional[Tensor], lengths: Any
) -> Optional[Tensor]:
    """The lengths, where there are some."""
    for name, tensor in (("residual", residual), ("addend", addend)):
        if tensor is not None and (tensor.shape != x.shape or tensor.dtype != x.dtype):
            raise ValueError(
                f"{name} is {tensor.dtype} {list(tensor.shape)}, expected {x.dtype} {list(x.shape)} as x"
            )
    return None if lengths is None else _check_lengths(norm, x, lengths)


def _in_memory_order(rank: int, x: Tensor) -> Optional[list[int]]:
    """The axes of x with the last ones, as many as rank, in the order of memory; None: they are."""
    first = x.dim() - rank
    order = memory_order(x.shape[first:], x.stride()[first:])
    return None if order == sorted(order) else [*range(first), *(first + axis for axis in order)]


def _run_turned(
    norm: Norm, order: list[int], x: Tensor, parameters: Sequence[Optional[Tensor]], *more: Optional[Tensor]
) -> Any:
    """Scale and offset are few beside x: these are copied."""
    first = x.dim() - norm.rank
    weight, bias = (
        None if p is None else p.permute([axis - first for axis in order[first:]]).contiguous() for p in parameters
    )
    residual, addend = (None if t is None else t.permute(order) for t in more[:2])
    y, _, total = normalize(norm, x.permute(order), weight, bias, residual, addend, lengths=more[2])
    back = [order.index(axis) for axis in range(x.dim())]
    return y.permute(back) if total is None else (y.permute(back), total.permute(back))


def _run(
    module: Any,
    sizes: Any,
    norm: Norm,
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    residual: Optional[Tensor],
    addend: Optional[Tensor],
    lengths: Any,
) -> Any:
    """y, with a residual (y, sum): of everything but batch normalization."""
    eager = is_eager(x, weight, bias)
    if residual is not None or addend is not None or lengths is not None:
        lengths = _check(norm, x, residual, addend, lengths)
    if norm.rank > 1 and eager and (order := _in_memory_order(norm.rank, x)) is not None:
        return _run_turned(norm, order, x, (weight, bias), residual, addend, lengths)
    if residual is None and addend is None and lengths is None and eager:
        return plain(remember(module, sizes, norm, x, weight, bias), x, weight, bias)
    y, _, total = normalize(norm, x, weight, bias, residual, addend, lengths=lengths)
    return y if residual is None else (y, total)


def _ends_with(x: Tensor, normalized_shape: Any) -> bool:
    rank = len(normalized_shape)
    if rank == 1 and x.dim() > 0:
        return bool(x.shape[-1] == normalized_shape[0])
    return 0 < rank <= x.dim() and x.shape[x.dim() - rank :] == tuple(normalized_shape)


class LayerNorm(_Fused, nn.LayerNorm):
    def forward(
        self, input: Tensor, residual: Optional[Tensor] = None, addend: Optional[Tensor] = None, lengths: Any = None
    ) -> Any:
        weight, bias = _of(self, self._parameters, "weight"), _of(self, self._parameters, "bias")
        shape = tuple(self.normalized_shape)
        if residual is None and addend is None and lengths is None:
            y = again(self, shape, input, weight, bias)
            if y is not None:
                return y
        norm = Norm("layer", 0, len(shape), self.eps, self.activation, self.negative_slope)
        if takes(input, weight, bias, self.eps, math.prod(shape)) and _ends_with(input, shape):
            return _run(self, shape, norm, input, weight, bias, residual, addend, lengths)
        if self._is_plain(residual, addend, lengths):
            return super().forward(input)
        return self._native(norm, input, weight, bias, residual, addend, lengths)


class RMSNorm(_Fused, nn.RMSNorm):
    def forward(
        self, x: Tensor, residual: Optional[Tensor] = None, addend: Optional[Tensor] = None, lengths: Any = None
    ) -> Any:
        weight = _of(self, self._parameters, "weight")
        shape = tuple(self.normalized_shape)
        if residual is None and addend is None and lengths is None:
            y = again(self, shape, x, weight, None)
            if y is not None:
                return y
        eps = self.eps
        if eps is None:
            eps = torch.finfo(torch.float64 if x.dtype == torch.float64 else torch.float32).eps
        norm = Norm("rms", 0, len(shape), eps, self.activation, self.negative_slope)
        if takes(x, weight, None, eps, math.prod(shape)) and _ends_with(x, shape):
            return _run(self, shape, norm, x, weight, None, residual, addend, lengths)
        if self._is_plain(residual, addend, lengths):
            return super().forward(x)
        return self._native(norm, x, weight, None, residual, addend, lengths)


class GroupNorm(_Fused, nn.GroupNorm):
    def forward(
        self, input: Tensor, residual: Optional[Tensor] = None, addend: Optional[Tensor] = None, lengths: Any = None
    ) -> Any:
        weight, bias = _of(self, self._parameters, "weight"), _of(self, self._parameters, "bias")
        sizes = self.num_groups, self.num_channels
        if residual is None and addend is None and lengths is None:
            y = again(self, sizes, input, weight, bias)
            if y is not None:
                return y
        norm = Norm("group", self.num_groups, 0, self.eps, self.activation, self.negative_slope)
        if takes(input, weight, bias, self.eps, self.num_channels) and input.dim() >= 2 and input.shape[1] == self.num_channels:
            if input.numel() != input.shape[0] * self.num_groups:  # else an error of PyTorch's
                return _run(self, sizes, norm, input, weight, bias, residual, addend, lengths)
        if self._is_plain(residual, addend, lengths):
            return super().forward(input)
        return self._native(norm, input, weight, bias, residual, addend, lengths)


class _InstanceNorm(_Fused):
    def forward(
        self, input: Tensor, residual: Optional[Tensor] = None, addend: Optional[Tensor] = None, lengths: Any = None
    ) -> Any:
        me: Any = self
        weight, bias = _of(me, me._parameters, "weight"), _of(me, me._parameters, "bias")
        if residual is None and addend is None and lengths is None and me.running_mean is None:
            y = again(self, me.num_features, input, weight, bias)
            if y is not None:
                return y
        norm = Norm("instance", 0, 0, me.eps, self.activation, self.negative_slope)
        batched = isinstance(input, Tensor) and input.dim() > me._get_no_batch_dim()
        takes_it = batched and takes(input, weight, bias, me.eps, me.num_features) and me.running_mean is None
        if takes_it and input.shape[1] == me.num_features:
            me._check_input_dim(input)
            nn.functional._verify_spatial_size(input.size())  # type: ignore[attr-defined]
            return _run(self, me.num_features, norm, input, weight, bias, residual, addend, lengths)
        if self._is_plain(residual, addend, lengths):
            return super().forward(input)  # type: ignore[misc]
        if me.running_mean is not None or not batched:
            raise ValueError("instance normalization with running statistics or without observations has nothing fused")
        return self._native(norm, input, weight, bias, residual, addend, lengths)


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    pass


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    pass


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d):
    pass


def _batch_statistics(module: Any) -> bool:
    return module.training or (module.running_mean is None and module.running_var is None)


class _BatchNorm(_Fused):
    def forward(
        self, input: Tensor, residual: Optional[Tensor] = None, addend: Optional[Tensor] = None, lengths: Any = None
    ) -> Any:
        me: Any = self
        me._check_input_dim(input)
        weight, bias = _of(me, me._parameters, "weight"), _of(me, me._parameters, "bias")
        running_mean, running_var = _of(me, me._buffers, "running_mean"), _of(me, me._buffers, "running_var")
        if residual is None and addend is None and lengths is None and _batch_statistics(me):
            y = self._again(input, weight, bias, running_mean, running_var)
            if y is not None:
                return y
        norm = Norm("batch", 0, 0, me.eps, self.activation, self.negative_slope)
        takes_it = takes(input, weight, bias, me.eps, me.num_features) and input.shape[1] == me.num_features
        takes_it = takes_it and all(is_fit(running, me.num_features) for running in (running_mean, running_var))
        one_type = getattr(running_mean, "dtype", None) == getattr(running_var, "dtype", None)
        if not takes_it or not one_type:  # or only one of them
            if self._is_plain(residual, addend, lengths):
                return super().forward(input)  # type: ignore[misc]
            if lengths is not None:
                return self._over_steps(norm, input, residual, addend, lengths)
            return self._by_itself(input, residual, addend)
        lengths = _check(norm, input, residual, addend, lengths)
        if not _batch_statistics(me):
            given = running_mean, running_var
            y, _, total = normalize(norm, input, weight, bias, residual, addend, *given, lengths)
            return y if residual is None else (y, total)
        count = _num_elements(input)
        if me.training and count == 1:
            nn.functional._verify_batch_size(input.size())  # type: ignore[attr-defined]
        alone = residual is None and addend is None and lengths is None
        if alone and count > 1 and me.num_features > 0 and is_eager(input, weight, bias):
            remember(me, me.num_features, norm, input, weight, bias)
        y, statistics, total = normalize(norm, input, weight, bias, residual, addend, lengths=lengths)
        if me.training and me.track_running_stats:
            self._update(input, statistics, count, lengths)
        return y if residual is None else (y, total)

    def _again(
        self,
        x: Any,
        weight: Optional[Tensor],
        bias: Optional[Tensor],
        running_mean: Optional[Tensor],
        running_var: Optional[Tensor],
    ) -> Optional[Tensor]:
        """y of a call like an earlier one with the statistics of x; None: it has to be looked at."""
        me: Any = self
        pair = known(me, me.num_features, x, weight, bias)
        if pair is None or (running_mean is None) != (running_var is None):
            return None
        if not (me.training and me.track_running_stats):
            return plain(pair, x, weight, bias)
        if running_mean is None or running_var is None:
            self._next_momentum()
            return plain(pair, x, weight, bias)
        if not is_kept(running_mean, me.num_features) or not is_kept(running_var, me.num_features):
            return None
        if running_mean.dtype is not running_var.dtype:
            return None
        with torch.no_grad():
            momentum = self._next_momentum()
        running = Running(running_mean, running_var, x.numel() // me.num_features, momentum)
        return plain(pair, x, weight, bias, running)

    def _next_momentum(self) -> float:
        """What the next mini-batch weighs, which is counted."""
        me: Any = self
        momentum = me.momentum
        if me.num_batches_tracked is not None:
            me.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1.0 / float(me.num_batches_tracked)
        return 0.0 if momentum is None else momentum

    def _update(
        self, x: Tensor, statistics: Optional[Tensor], count: int, lengths: Optional[Tensor] = None
    ) -> None:
        me: Any = self
        if lengths is not None:
            count = _num_elements(x[:1, :, :1])
        update = _kernels.update_running if is_eager(x) else torch.ops.normkit.update_running
        assert statistics is not None
        with torch.no_grad():
            momentum = self._next_momentum()
            if me.running_mean is not None:
                update(statistics, count, momentum, me.running_mean, me.running_var, lengths)

    def _by_itself(self, input: Tensor, residual: Optional[Tensor], addend: Optional[Tensor]) -> Any:
        """PyTorch's module, and behind it what would be fused."""
        total = input if residual is None else input + residual
        y = super().forward(total)  # type: ignore[misc]
        y = _native.ACTIVATIONS[self.activation](y if addend is None else y + addend, self.negative_slope)
        return y if residual is None else (y, total)

    def _over_steps(
        self, norm: Norm, input: Tensor, residual: Optional[Tensor], addend: Optional[Tensor], lengths: Any
    ) -> Any:
        """The same with lengths, in PyTorch's own operations."""
        me: Any = self
        given = (None, None) if _batch_statistics(me) else (me.running_mean, me.running_var)
        result = self._native(norm, input, me.weight, me.bias, residual, addend, lengths, *given)
        if me.training and me.track_running_stats:
            total = input if residual is None else result[1]
            self._update_natively(norm, total.detach(), _check_lengths(norm, input, lengths))
        return result

    @torch.no_grad()
    def _update_natively(self, norm: Norm, total: Tensor, lengths: Tensor) -> None:
        me: Any = self
        mean, variance, count = _native.moments(norm, _native.without_padding(norm, total, lengths), lengths)
        momentum = self._next_momentum()
        if me.running_mean is None:
            return
        me.running_mean.lerp_(mean.flatten().to(me.running_mean.dtype), momentum)
        unbiased = (variance * count / (count - 1)).flatten().to(me.running_var.dtype)
        me.running_var.lerp_(torch.where(count.flatten() > 1, unbiased, me.running_var), momentum)


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    pass


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    pass


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d):
    pass


class LocalResponseNorm(nn.LocalResponseNorm):
    """PyTorch's: normkit's operation has no normalization over a window of channels."""


__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d",
    "LayerNorm", "LocalResponseNorm", "RMSNorm",
]  # fmt: skip
