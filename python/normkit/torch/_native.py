"""The same in PyTorch's own operations: for tensors elsewhere, and for gradients of gradients."""

from __future__ import annotations

from typing import Callable, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from ._kernels import Norm

ACTIVATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "none": lambda z, slope: z,
    "relu": lambda z, slope: F.relu(z),
    "leaky-relu": lambda z, slope: F.leaky_relu(z, slope),
    "gelu": lambda z, slope: F.gelu(z),
    "gelu-tanh": lambda z, slope: F.gelu(z, approximate="tanh"),
    "silu": lambda z, slope: F.silu(z),
    "sigmoid": lambda z, slope: torch.sigmoid(z),
    "hard-swish": lambda z, slope: F.hardswish(z),
    "elu": lambda z, slope: F.elu(z),
    "softplus": lambda z, slope: F.softplus(z),
}


def _in_one_type(x: Tensor, *parameters: Optional[Tensor]) -> list[Optional[Tensor]]:
    return [None if p is None else p.to(x.dtype) for p in parameters]


def normalize(
    norm: Norm,
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    mean: Optional[Tensor] = None,
    variance: Optional[Tensor] = None,
) -> Tensor:
    """The normalization alone; mean and variance: batch normalization with given statistics."""
    if norm.layer == "layer":
        return F.layer_norm(x, x.shape[x.dim() - norm.rank :], weight, bias, norm.eps)
    if norm.layer == "rms":
        return F.rms_norm(x, list(x.shape[x.dim() - norm.rank :]), weight, norm.eps)
    if norm.layer == "group":
        return F.group_norm(x, norm.groups, weight, bias, norm.eps)
    weight, bias = _in_one_type(x, weight, bias)
    if norm.layer == "instance":
        return F.instance_norm(x, None, None, weight, bias, True, 0.0, norm.eps)
    return F.batch_norm(x, mean, variance, weight, bias, mean is None, 0.0, norm.eps)


def whole(
    norm: Norm,
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    addend: Optional[Tensor],
    mean: Optional[Tensor] = None,
    variance: Optional[Tensor] = None,
) -> Tensor:
    """What stands behind it as well."""
    z = normalize(norm, x, weight, bias, mean, variance)
    if addend is not None:
        z = z + addend
    return ACTIVATIONS[norm.activation](z, norm.slope)
