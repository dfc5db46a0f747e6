"""The same in PyTorch's own operations: for tensors elsewhere, under transforms, and for gradients of gradients."""

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


def _counted(norm: Norm, x: Tensor, lengths: Tensor) -> Tensor:
    """Whether a step counts, with the axes of x: 1 but for observations and steps."""
    axis = norm.time_axis()
    inside = torch.arange(x.shape[axis], device=x.device) < lengths.to(x.device).unsqueeze(1)
    return inside.reshape([x.shape[i] if i in (0, axis) else 1 for i in range(x.dim())])


def without_padding(norm: Norm, x: Tensor, lengths: Optional[Tensor]) -> Tensor:
    """0 where the steps do not count; so are gradients."""
    return x if lengths is None else x.masked_fill(~_counted(norm, x, lengths), 0)


def _split(x: Tensor, groups: int) -> Tensor:
    """[B, G, C of a group, T, ...]."""
    return x.reshape(x.shape[0], groups, -1, *x.shape[2:])


def moments(norm: Norm, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance and number of the values that count, of batch, instance and group normalization: with the axes of
    `_split`. x is 0 in padding."""
    groups = norm.groups if norm.layer == "group" else x.shape[1]
    split = _split(x, groups)
    wide = split if split.dtype == torch.float64 else split.float()
    inside = _counted(norm, x, lengths).unsqueeze(1)
    over = [axis for axis in range(wide.dim()) if axis not in ((1,) if norm.layer == "batch" else (0, 1))]
    count = inside.expand(wide.shape).sum(over, keepdim=True)
    mean = wide.sum(over, keepdim=True) / count
    apart = (wide - mean).masked_fill(~inside, 0)
    return mean, (apart * apart).sum(over, keepdim=True) / count, count


def _over_steps(norm: Norm, x: Tensor, weight: Optional[Tensor], bias: Optional[Tensor], lengths: Tensor) -> Tensor:
    mean, variance, _ = moments(norm, x, lengths)
    xhat = ((_split(x, mean.shape[1]) - mean) * (variance + norm.eps).rsqrt()).reshape(x.shape)
    for_channels = [-1] + [1] * (x.dim() - 2)
    y = xhat if weight is None else xhat * weight.reshape(for_channels)
    y = y if bias is None else y + bias.reshape(for_channels)
    return y.to(x.dtype)


def whole(
    norm: Norm,
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    addend: Optional[Tensor],
    mean: Optional[Tensor] = None,
    variance: Optional[Tensor] = None,
    lengths: Optional[Tensor] = None,
) -> Tensor:
    """What stands before and behind it as well."""
    x = without_padding(norm, x, lengths)
    if lengths is None or mean is not None or norm.layer in ("layer", "rms"):
        z = normalize(norm, x, weight, bias, mean, variance)
    else:
        z = _over_steps(norm, x, weight, bias, lengths)
    if addend is not None:
        z = z + without_padding(norm, addend, lengths)
    return without_padding(norm, ACTIVATIONS[norm.activation](z, norm.slope), lengths)
