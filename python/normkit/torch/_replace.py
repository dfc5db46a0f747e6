"""The normalizations of a model that is there already."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

from . import _modules, _sync

SWAPS: dict[type, type] = {getattr(nn, name): getattr(_modules, name) for name in _modules.__all__}
del SWAPS[nn.LocalResponseNorm]
SWAPS[nn.SyncBatchNorm] = _sync.SyncBatchNorm
NAMES = {theirs.__name__ for theirs in SWAPS}
BACK = {ours: theirs for theirs, ours in SWAPS.items()}


class Swap(NamedTuple):
    name: str
    before: str
    after: str


class Left(NamedTuple):
    name: str
    kind: str
    why: str


class Report(NamedTuple):
    """What `replace` or `restore` did; print it."""

    swapped: list[Swap]
    left: list[Left]

    def __str__(self) -> str:
        lines = [f"{len(self.swapped)} swapped"]
        lines += [f"  {name or '(the model)'}: {before} -> {after}" for name, before, after in self.swapped]
        if self.left:
            lines.append(f"{len(self.left)} left")
            lines += [f"  {name or '(the model)'}: {kind}, {why}" for name, kind, why in self.left]
        return "\n".join(lines)


def _why_left(module: nn.Module) -> str:
    """Why a module that looks like a normalization is left; "" where it is none, or normkit's already."""
    kind = type(module)
    if isinstance(module, torch.jit.ScriptModule):
        return "scripted: it runs without Python" if module.original_name in NAMES else ""
    if kind in BACK or isinstance(module, _modules.LocalResponseNorm):
        return ""
    if isinstance(module, (nn.LocalResponseNorm, nn.CrossMapLRN2d)):
        return "the operation has no window over channels"
    if isinstance(module, nn.modules.lazy.LazyModuleMixin) and "Norm" in kind.__name__:
        return "lazy: its sizes are known after the first call"
    if isinstance(module, tuple(SWAPS)):
        return "a class of its own, whose forward may be its own"
    if "norm" in kind.__name__.lower() and not list(module.children()):
        return "not one of PyTorch's normalizations"
    return ""


def _name(kind: type) -> str:
    return f"{kind.__module__.split('.')[0]}.{kind.__name__}"


def _swap(model: nn.Module, table: dict[type, type]) -> list[Swap]:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is {type(model).__name__}, expected torch.nn.Module")
    swapped = []
    for name, module in model.named_modules():
        after: Any = table.get(type(module))
        if after is not None:
            swapped.append(Swap(name, _name(type(module)), _name(after)))
            module.__class__ = after
    return swapped


def replace(model: nn.Module) -> Report:
    """Makes normkit's of PyTorch's normalizations, in place: parameters, state, hooks and names stay what they are."""
    swapped = _swap(model, SWAPS)
    left = [
        Left(name, _name(type(module)), why) for name, module in model.named_modules() if (why := _why_left(module))
    ]
    return Report(swapped, left)


def restore(model: nn.Module) -> Report:
    """Makes PyTorch's of normkit's again. An activation that was fused afterwards would be lost: ValueError."""
    for name, module in model.named_modules() if isinstance(model, nn.Module) else ():
        if type(module) in BACK and module.__dict__.get("activation", "none") != "none":
            raise ValueError(f"{name}: activation '{module.activation}' is fused, expected none, for PyTorch has none")
    return Report(_swap(model, BACK), [])
