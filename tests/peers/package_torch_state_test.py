"""The modules of normkit.torch with parameters and running statistics that others changed, computed or replaced."""

import normkit
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


def negated(*shape):
    """Elements whose sign is turned in name alone."""
    made = torch.complex(torch.randn(shape), torch.randn(shape)).conj().imag
    assert made.is_neg()
    return made


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name, args, shape", [
    ("LayerNorm", (8,), (4, 8)), ("LayerNorm", ((3, 8),), (4, 3, 8)), ("RMSNorm", (8,), (4, 8)),
    ("GroupNorm", (2, 8), (4, 8, 3)), ("InstanceNorm1d", (8, 1e-5, 0.1, True), (4, 8, 3)), ("BatchNorm1d", (8,), (4, 8)),
])  # fmt: skip
def test_tensors_that_are_negated_in_name_alone(name, args, shape, fused):
    """x, the residual, the addend, the gradient of y, scale and running statistics."""
    for training in (True, False):
        ours, theirs = pair(name, args, {}, torch.float32, training)
        x = torch.randn(shape)
        ours(x), theirs(x)
        for x, dy in [(negated(*shape), torch.randn(shape)), (torch.randn(shape), negated(*shape))]:
            more = (negated(*shape), negated(*shape)) if fused else ()
            got, wanted = x.clone().requires_grad_(), x.clone().requires_grad_()
            if x.is_neg():
                got = x.detach().requires_grad_()
                assert got.is_neg()
            y = ours(got, *more)
            y, total = y if fused else (y, None)
            z = theirs(wanted + more[0]) + more[1] if fused else theirs(wanted)
            close(y, z, torch.float32)
            if fused:
                close(total, wanted + more[0], torch.float32)
            y.backward(dy), z.backward(dy)
            close(got.grad, wanted.grad, torch.float32, gradients=True)
            for a, b in zip(ours.parameters(), theirs.parameters()):
                close(a.grad, b.grad, torch.float32, gradients=True)
            with torch.no_grad():
                close(ours(x), theirs(x), torch.float32)
        for module in (ours, theirs):
            of = module.weight.detach().clone()
            module.weight = torch.nn.Parameter(torch._neg_view(-of))  # without gaps
        x = torch.randn(shape)
        close(ours(x), theirs(x), torch.float32)
        if name == "BatchNorm1d":
            ours.running_var = torch._neg_view(-ours.running_var)
            assert ours.running_var.is_neg()
            ours(x), theirs(x)
            close(ours.running_var, theirs.running_var, torch.float32)
            close(ours(x), theirs(x), torch.float32)


def test_functions_refuse_tensors_that_are_negated_in_name_alone():
    x = negated(4, 8)
    with pytest.raises(TypeError, match=r"^x is negated in name alone, expected x.resolve_neg\(\)"):
        normkit.layer_norm(x)
    close(normkit.layer_norm(x.resolve_neg()), torch.nn.functional.layer_norm(x, (8,)), torch.float32)


def test_ranks_refuse_another_number_of_channels(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda group: 2)
    for affine in (True, False):
        with pytest.raises(ValueError, match=r"of input \[4, 9, 3\], expected num_features 6 at axis 1"):
            nt.SyncBatchNorm(6, affine=affine)(torch.randn(4, 9, 3))


def test_batches_are_counted_without_running_statistics():
    ours, theirs = pair("BatchNorm1d", (5,), {}, torch.float32, True)
    x = torch.randn(7, 5, 3)
    for module in (ours, theirs):
        module.running_mean = module.running_var = None
        for _ in range(3):
            module(x)
    assert ours.num_batches_tracked == theirs.num_batches_tracked == 3
    ours(x, addend=x), ours(x, lengths=[3] * 7)
    assert ours.num_batches_tracked == 5
    close(ours(x), theirs(x), torch.float32)


def test_no_channels():
    for name, shape in [("BatchNorm1d", (4, 0)), ("BatchNorm2d", (4, 0, 3, 3))]:
        ours = getattr(nt, name)(0)
        for _ in range(3):
            assert ours(torch.zeros(shape)).shape == shape
        assert ours.num_batches_tracked == 3
