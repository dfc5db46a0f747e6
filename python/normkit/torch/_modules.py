"""PyTorch's normalization modules on normkit's operation: the same constructors, attributes, state and classes.

Each is a PyTorch module of its kind with another `forward`; what the operation does not take (tensors elsewhere, other
types, `torch.jit`) goes to PyTorch's.
"""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor, nn

from . import _kernels, _native
from ._functional import is_eager, normalize, plain, takes
from ._kernels import Norm


def _num_elements(x: Tensor) -> int:
    """Behind each statistic of batch normalization."""
    count = x.shape[0]
    for size in x.shape[2:]:
        count *= size
    return count


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

    def _native(
        self, norm: Norm, x: Tensor, weight: Any, bias: Any, residual: Optional[Tensor], addend: Optional[Tensor]
    ) -> Any:
        total = x if residual is None else x + residual
        y = _native.whole(norm, total, weight, bias, addend)
        return y if residual is None else (y, total)

    def _is_plain(self, residual: Optional[Tensor], addend: Optional[Tensor]) -> bool:
        return residual is None and addend is None and self.activation == "none"


def _check_shapes(x: Tensor, residual: Optional[Tensor], addend: Optional[Tensor]) -> None:
    for name, tensor in (("residual", residual), ("addend", addend)):
        if tensor is not None and (tensor.shape != x.shape or tensor.dtype != x.dtype):
            raise ValueError(
                f"{name} is {tensor.dtype} {list(tensor.shape)}, expected {x.dtype} {list(x.shape)} as x"
            )


def _run(
    module: Any,
    norm: Norm,
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    residual: Optional[Tensor],
    addend: Optional[Tensor],
) -> Any:
    """y, with a residual (y, sum): of everything but batch normalization."""
    if residual is None and addend is None:
        if is_eager(x):
            if torch.is_grad_enabled() and (
                x.requires_grad
                or (weight is not None and weight.requires_grad)
                or (bias is not None and bias.requires_grad)
            ):
                return plain(norm, x, weight, bias)
            y = torch.empty_like(x)  # nothing is kept: the shortest way
            plan = _kernels.plan_of(norm, x, weight if weight is not None else bias)
            plan.forward(
                x.data_ptr(),
                0 if weight is None else weight.data_ptr(),
                0 if bias is None else bias.data_ptr(),
                y.data_ptr(),
                0, 0, 0,
                torch.get_num_threads(),
            )  # fmt: skip
            return y
    else:
        _check_shapes(x, residual, addend)
    y, _, total = normalize(norm, x, weight, bias, residual, addend)
    return y if residual is None else (y, total)


def _ends_with(x: Tensor, normalized_shape: Any) -> bool:
    rank = len(normalized_shape)
    return 0 < rank <= x.dim() and x.shape[x.dim() - rank :] == tuple(normalized_shape)


class LayerNorm(_Fused, nn.LayerNorm):
    def forward(self, input: Tensor, residual: Optional[Tensor] = None, addend: Optional[Tensor] = None) -> Any:
        parameters = self._parameters
        weight, bias = parameters.get("weight"), parameters.get("bias")
        shape = self.normalized_shape
        norm = Norm("layer", 0, len(shape), self.eps, self.activation, self.negative_slope)
        if takes(input, weight, bias, self.eps) and _ends_with(input, shape):
            return _run(self, norm, input, weight, bias, residual, addend)
        if self._is_plain(residual, addend):
            return super().forward(input)
        return self._native(norm, input, weight, bias, residual, addend)


class RMSNorm(_Fused, nn.RMSNorm):
    def forward(self, x: Tensor, residual: Optional[Tensor] = None, addend: Optional[Tensor] = None) -> Any:
        weight = self._parameters.get("weight")
        eps = self.eps
        if eps is None:
            eps = torch.finfo(torch.float64 if x.dtype == torch.float64 else torch.float32).eps
        shape = self.normalized_shape
        norm = Norm("rms", 0, len(shape), eps, self.activation, self.negative_slope)
        if takes(x, weight, None, eps) and _ends_with(x, shape):
            return _run(self, norm, x, weight, None, residual, addend)
        if self._is_plain(residual, addend):
            return super().forward(x)
        return self._native(norm, x, weight, None, residual, addend)


class GroupNorm(_Fused, nn.GroupNorm):
    def forward(self, input: Tensor, residual: Optional[Tensor] = None, addend: Optional[Tensor] = None) -> Any:
        parameters = self._parameters
        weight, bias = parameters.get("weight"), parameters.get("bias")
        norm = Norm("group", self.num_groups, 0, self.eps, self.activation, self.negative_slope)
        if takes(input, weight, bias, self.eps) and input.dim() >= 2 and input.shape[1] == self.num_channels:
            if input.numel() != input.shape[0] * self.num_groups:  # else an error of PyTorch's
                return _run(self, norm, input, weight, bias, residual, addend)
        if self._is_plain(residual, addend):
            return super().forward(input)
        return self._native(norm, input, weight, bias, residual, addend)


class _InstanceNorm(_Fused):
    def forward(self, input: Tensor, residual: Optional[Tensor] = None, addend: Optional[Tensor] = None) -> Any:
        me: Any = self
        weight, bias = me._parameters.get("weight"), me._parameters.get("bias")
        norm = Norm("instance", 0, 0, me.eps, self.activation, self.negative_slope)
        batched = isinstance(input, Tensor) and input.dim() > me._get_no_batch_dim()
        takes_it = batched and takes(input, weight, bias, me.eps) and me.running_mean is None
        if takes_it and input.shape[1] == me.num_features:
            me._check_input_dim(input)
            nn.functional._verify_spatial_size(input.size())  # type: ignore[attr-defined]
            return _run(self, norm, input, weight, bias, residual, addend)
        if self._is_plain(residual, addend):
            return super().forward(input)  # type: ignore[misc]
        if me.running_mean is not None or not batched:
            raise ValueError("instance normalization with running statistics or without observations has nothing fused")
        return self._native(norm, input, weight, bias, residual, addend)


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    pass


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    pass


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d):
    pass


def _batch_statistics(module: Any) -> bool:
    return module.training or (module.running_mean is None and module.running_var is None)


class _BatchNorm(_Fused):
    def forward(self, input: Tensor, residual: Optional[Tensor] = None, addend: Optional[Tensor] = None) -> Any:
        me: Any = self
        me._check_input_dim(input)
        weight, bias = me._parameters.get("weight"), me._parameters.get("bias")
        running_mean, running_var = me._buffers.get("running_mean"), me._buffers.get("running_var")
        takes_it = takes(input, weight, bias, me.eps) and input.shape[1] == me.num_features
        if not takes_it or (running_mean is None) != (running_var is None):
            if self._is_plain(residual, addend):
                return super().forward(input)  # type: ignore[misc]
            return self._by_itself(input, residual, addend)
        norm = Norm("batch", 0, 0, me.eps, self.activation, self.negative_slope)
        _check_shapes(input, residual, addend)
        if not _batch_statistics(me):
            y, _, total = normalize(norm, input, weight, bias, residual, addend, running_mean, running_var)
            return y if residual is None else (y, total)
        count = _num_elements(input)
        if me.training and count == 1:
            nn.functional._verify_batch_size(input.size())  # type: ignore[attr-defined]
        y, statistics, total = normalize(norm, input, weight, bias, residual, addend)
        if me.training and me.track_running_stats and running_mean is not None:
            self._update(input, statistics, count)
        return y if residual is None else (y, total)

    def _update(self, x: Tensor, statistics: Optional[Tensor], count: int) -> None:
        me: Any = self
        momentum = me.momentum
        if me.num_batches_tracked is not None:
            me.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1.0 / float(me.num_batches_tracked)
        if momentum is None:
            momentum = 0.0
        assert statistics is not None
        with torch.no_grad():
            if is_eager(x):
                _kernels.update_running(statistics, count, momentum, me.running_mean, me.running_var)
            else:
                torch.ops.normkit.update_running(statistics, count, momentum, me.running_mean, me.running_var)

    def _by_itself(self, input: Tensor, residual: Optional[Tensor], addend: Optional[Tensor]) -> Any:
        """PyTorch's module, and behind it what would be fused."""
        total = input if residual is None else input + residual
        y = super().forward(total)  # type: ignore[misc]
        y = _native.ACTIVATIONS[self.activation](y if addend is None else y + addend, self.negative_slope)
        return y if residual is None else (y, total)


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
