"""The modules of normkit.torch with parameters and running statistics that others changed, computed or replaced."""

import normkit.torch as nt
import pytest
import torch
import torch.nn.utils.parametrize
import torch.nn.utils.prune
from package_torch_test import close, pair

torch.set_num_threads(1)  # the arrays are small


def test_parameters_that_were_changed_afterwards():
    """Of another size, type or class: PyTorch's errors or results, and nothing is read or written behind an end."""
    for name, args, shape in [("LayerNorm", (8,), (4, 8)), ("RMSNorm", (8,), (4, 8)), ("GroupNorm", (2, 8), (4, 8, 3)),
                              ("BatchNorm1d", (8,), (4, 8)), ("BatchNorm2d", (8,), (2, 8, 3, 3))]:  # fmt: skip
        x = torch.randn(shape)
        for parameter in [n for n, _ in getattr(nt, name)(*args).named_parameters()]:
            ours, theirs = pair(name, args, {}, torch.float32, True)
            ours(x)
            for module in (ours, theirs):
                setattr(module, parameter, torch.nn.Parameter(torch.ones(3)))
            with pytest.raises(RuntimeError) as wanted:
                theirs(x)
            with pytest.raises(RuntimeError) as got:
                ours(x)
            assert str(got.value) == str(wanted.value)
        ours, theirs = pair(name, args, {}, torch.float32, True)
        before = ours(x)
        for module in (ours, theirs):
            module.weight.data = torch.stack([module.weight.data, module.weight.data])[0].double().float()
        close(ours(x), theirs(x), torch.float32)
        ours.weight.data = ours.weight.data * 2
        assert not torch.equal(ours(x), before)
        ours.double()
        assert ours(x.double()).dtype == torch.float64
    for running in ("running_mean", "running_var"):
        ours, theirs = pair("BatchNorm1d", (8,), {}, torch.float32, True)
        for module in (ours, theirs):
            setattr(module, running, torch.ones(3))
            with pytest.raises(RuntimeError):
                module(torch.randn(4, 8))


class Doubled(torch.nn.Module):
    def forward(self, weight):
        return 2 * weight


def test_parameters_that_are_computed():
    """By parametrizations, pruning, or as a plain attribute, which a subclass may compute as well."""
    for name, args, shape in [("LayerNorm", (8,), (4, 8)), ("RMSNorm", (8,), (4, 8)), ("GroupNorm", (2, 8), (4, 8, 3)),
                              ("BatchNorm1d", (8,), (4, 8)), ("InstanceNorm1d", (8, 1e-5, 0.1, True), (4, 8, 3))]:  # fmt: skip
        x = torch.randn(shape)
        ours, theirs = pair(name, args, {}, torch.float32, True)
        for module in (ours, theirs):
            torch.nn.utils.parametrize.register_parametrization(module, "weight", Doubled())
        close(ours(x), theirs(x), torch.float32)
        ours, theirs = pair(name, args, {}, torch.float32, True)
        for module in (ours, theirs):
            torch.nn.utils.prune.l1_unstructured(module, "weight", 4)
        close(ours(x), theirs(x), torch.float32)
        ours, theirs = pair(name, args, {}, torch.float32, True)
        for module in (ours, theirs):
            del module.weight
            module.weight = torch.full((8,), 3.0)
        close(ours(x), theirs(x), torch.float32)


def test_running_statistics_of_any_kind():
    """Of calls like earlier ones as well: other types, without momentum, frozen, switched off between calls."""
    ours, theirs = pair("BatchNorm1d", (5,), {}, torch.float32, True)
    for step in range(8):
        x = torch.randn(7, 5, generator=torch.Generator().manual_seed(step))
        for module in (ours, theirs):
            if step == 2:
                module.running_mean, module.running_var = module.running_mean.double(), module.running_var.double()
            elif step == 3:
                module.running_mean, module.running_var = module.running_mean.float(), module.running_var.float()
                module.momentum = None
            elif step == 5:
                module.momentum, module.track_running_stats = 0.3, False
            elif step == 6:
                module.track_running_stats = True
            if step != 2:  # which PyTorch does not take
                module(x.requires_grad_(step % 2 == 0))
        if step == 2:
            continue
        for a, b in zip(ours.buffers(), theirs.buffers()):
            close(a, b, torch.float32) if a.is_floating_point() else None
        assert torch.equal(ours.num_batches_tracked, theirs.num_batches_tracked)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        ours(x[:1])


@pytest.mark.parametrize("types", [(torch.float32, torch.float64), (torch.float64, torch.float32)])
def test_running_statistics_of_two_types(types):
    """PyTorch's error or result, of the first call and of one like it; of the operator an error of its own."""
    x = torch.randn(7, 600)
    for training in (True, False):
        ours, theirs = pair("BatchNorm1d", (600,), {}, torch.float32, training)
        ours(x), theirs(x)
        for module in (ours, theirs):
            module.running_mean, module.running_var = module.running_mean.to(types[0]), module.running_var.to(types[1])
        for _ in range(2):
            with pytest.raises(RuntimeError) as wanted:
                theirs(x)
            with pytest.raises(RuntimeError) as got:
                ours(x)
            assert str(got.value) == str(wanted.value)
    running = torch.zeros(600, dtype=types[0]), torch.ones(600, dtype=types[1])
    with pytest.raises(TypeError, match=f"running_mean and running_var are {types[0]} and {types[1]}, expected one type"):
        torch.ops.normkit.update_running(torch.ones(3, 600, dtype=torch.float64), 7, 0.1, *running, None)
