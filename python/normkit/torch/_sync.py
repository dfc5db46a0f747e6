"""Batch normalization over the mini-batches of all ranks of torch.distributed, on processors as well."""

from __future__ import annotations

from typing import Any, Optional

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import Function

from .. import _core
from .._plans import make_plan
from . import _kernels, _native
from ._functional import is_eager, takes
from ._kernels import DTYPES, Norm
from ._modules import _BatchNorm


class _Ranks:
    """A process group as normkit's reducer: what each rank gives, in rank order, so that all end with the same bits."""

    def __init__(self, group: Any) -> None:
        self.group = group
        self.size = dist.get_world_size(group)
        self.reducer = _core.Reducer(self.gather, dist.get_rank(group), self.size)

    def gather(self, own: bytes) -> bytes:
        mine = torch.frombuffer(bytearray(own), dtype=torch.uint8) if own else torch.empty(0, dtype=torch.uint8)
        all_of_them = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(all_of_them, mine, group=self.group)
        return b"".join(given.numpy().tobytes() for given in all_of_them)


def _plan(norm: Norm, x: Tensor, weight: Optional[Tensor], strides: dict[str, Any], ranks: _Ranks) -> _core.Plan:
    options = _core.PlanOptions()
    options.epsilon, options.activation, options.negative_slope = norm.eps, norm.activation, norm.slope
    if weight is not None:
        options.parameter_dtype = DTYPES[weight.dtype]
    labels = norm.labels(x.dim())
    return make_plan(norm.layer, labels, x.shape, DTYPES[x.dtype], strides, options, ranks.reducer)[0]


class _OverRanks(Function):
    """Gradients of scale and offset are those of this rank's observations, as PyTorch's: whoever averages, averages."""

    @staticmethod
    def forward(ctx, norm, x, weight, bias, ranks, kept):  # type: ignore[no-untyped-def]
        y = torch.empty_like(x)
        plan = _plan(norm, x, weight, {"x": x.stride(), "y": y.stride()}, ranks)
        statistics = torch.empty((3, plan.num_statistics), dtype=torch.float64)
        at, step = statistics.data_ptr(), 8 * plan.num_statistics
        addresses = [0 if t is None else t.data_ptr() for t in (x, weight, bias, y)]
        plan.forward(*addresses, at, at + step, at + 2 * step, torch.get_num_threads())
        kept += [statistics, int(ranks.reducer.count)]
        ctx.norm, ctx.ranks = norm, ranks
        ctx.save_for_backward(x, weight, bias, statistics, y if norm.backward_reads_y(False) else None)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy):  # type: ignore[no-untyped-def]
        x, weight, bias, statistics, y = ctx.saved_tensors
        dy = dy.resolve_neg()
        strides = {"x": x.stride(), "dy": dy.stride(), "dx": torch.empty_like(x).stride()}
        if y is not None:
            strides["y"] = y.stride()
        plan = _plan(ctx.norm, x, weight, strides, ctx.ranks)
        dx, dweight, dbias, _ = _kernels.backward(
            ctx.norm, dy, x, weight, bias, statistics, y, None, fixed=False, plan=plan
        )
        return None, dx, dweight, dbias, None, None


class SyncBatchNorm(_BatchNorm, nn.modules.batchnorm._BatchNorm):
    """Merges (n, mean, M2) of the ranks exactly; they may have different numbers of observations.

    As torch.nn.SyncBatchNorm, but no class derived from it: DistributedDataParallel refuses those on processors.
    Elsewhere than on processors it is PyTorch's, and where there is one rank batch normalization.
    """

    process_group: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: Optional[float] = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device=device, dtype=dtype)
        self.process_group = process_group

    @classmethod
    def convert_sync_batchnorm(cls, module: nn.Module, process_group: Any = None) -> nn.Module:
        """Makes all batch normalizations of a model synchronized ones, in place."""
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.__class__ = cls
                part.process_group = process_group
        return module

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    def _check_non_zero_input_channels(self, input: Tensor) -> None:
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    def forward(
        self, input: Tensor, residual: Optional[Tensor] = None, addend: Optional[Tensor] = None, lengths: Any = None
    ) -> Any:
        if not (self.training and dist.is_available() and dist.is_initialized()):
            return super().forward(input, residual, addend, lengths)
        group = self.process_group or dist.group.WORLD
        if dist.get_world_size(group) == 1:
            return super().forward(input, residual, addend, lengths)
        if residual is not None or addend is not None or lengths is not None:
            raise ValueError(
                "SyncBatchNorm over ranks with a residual, addend or lengths, expected an activation at most"
            )
        if input.device.type != "cpu":
            y = nn.SyncBatchNorm.forward(self, input)  # type: ignore[arg-type]
            return _native.ACTIVATIONS[self.activation](y, self.negative_slope)
        self._check_input_dim(input)
        self._check_non_zero_input_channels(input)
        if input.shape[1] != self.num_features:
            raise ValueError(
                f"SyncBatchNorm over ranks of input {list(input.shape)}, expected num_features {self.num_features} at axis 1"
            )
        input, weight, bias = input.resolve_neg(), self.weight, self.bias
        if not takes(input, weight, bias, self.eps, self.num_features) or not is_eager(input, weight, bias):
            raise ValueError(
                f"SyncBatchNorm over ranks of {input.dtype} on {input.device}, expected f32, f64, f16 or bf16 tensors of "
                "one's own, outside of torch.compile, torch.func and torch.jit"
            )
        kept: list[Any] = []
        norm = Norm("batch", 0, 0, self.eps, self.activation, self.negative_slope)
        y = _OverRanks.apply(norm, input, weight, bias, _Ranks(group), kept)
        if self.track_running_stats:
            self._update(input, kept[0], kept[1])
        return y
