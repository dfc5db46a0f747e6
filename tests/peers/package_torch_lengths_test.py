"""lengths= of the modules of normkit.torch, against the same in PyTorch's own operations on what counts alone."""

import copy

import normkit.torch as nt
import pytest
import torch
from normkit.torch import _native
from normkit.torch._kernels import Norm

torch.set_num_threads(1)  # the arrays are small

LENGTHS = torch.tensor([5, 2, 7, 4])
MODULES = {
    "LayerNorm": (lambda: nt.LayerNorm(6), (4, 7, 6)),
    "LayerNorm over two axes": (lambda: nt.LayerNorm((3, 6)), (4, 7, 3, 6)),
    "RMSNorm": (lambda: nt.RMSNorm(6), (4, 7, 3, 6)),
    "GroupNorm": (lambda: nt.GroupNorm(2, 6), (4, 6, 7, 2)),
    "InstanceNorm1d": (lambda: nt.InstanceNorm1d(6, affine=True), (4, 6, 7)),
    "BatchNorm1d": (lambda: nt.BatchNorm1d(6), (4, 6, 7)),
    "BatchNorm2d": (lambda: nt.BatchNorm2d(6), (4, 6, 7, 3)),
    "BatchNorm2d in eval": (lambda: nt.BatchNorm2d(6).eval(), (4, 6, 7, 3)),
    "SyncBatchNorm of one rank": (lambda: nt.SyncBatchNorm(6), (4, 6, 7)),
}


def time_of(name):
    return 1 if name.startswith(("LayerNorm", "RMSNorm")) else 2


def problem(name, dtype=torch.float64):
    """A module with parameters of its own, x with NaN in its padding, and whether a step counts."""
    torch.manual_seed(4)
    build, shape = MODULES[name]
    module = build().to(dtype)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape) + 1)
    if "eval" in name:
        module.running_mean.normal_(), module.running_var.uniform_(0.5, 2)
    steps = torch.arange(7) < LENGTHS[:, None]
    inside = steps.reshape([4] + [7 if axis == time_of(name) else 1 for axis in range(1, len(shape))]).expand(shape)
    return module, torch.randn(shape, dtype=dtype).masked_fill(~inside, float("nan")), inside


def by_hand(module, name, x):
    """Each observation cut behind its last step; batch normalization over the steps of all."""
    plain = copy.deepcopy(module)
    time = time_of(name)
    if "Batch" in name:
        steps = [x[i].narrow(time - 1, 0, int(n)) for i, n in enumerate(LENGTHS)]
        packed = torch.nn.functional.batch_norm(
            torch.cat(steps, time - 1)[None], plain.running_mean, plain.running_var, plain.weight, plain.bias,
            plain.training, plain.momentum, plain.eps,
        )[0]  # fmt: skip
        parts = packed.split(LENGTHS.tolist(), time - 1)
    else:
        nt.restore(plain)
        parts = [plain(x[i : i + 1].narrow(time, 0, int(n)))[0] for i, n in enumerate(LENGTHS)]
    padding = [part.new_zeros([7 - n if axis == time - 1 else size for axis, size in enumerate(part.shape)])
               for n, part in zip(LENGTHS.tolist(), parts)]  # fmt: skip
    whole = torch.stack([torch.cat(both, time - 1) for both in zip(parts, padding)])
    return whole, list(plain.buffers()), list(plain.parameters())


def tensors_elsewhere(monkeypatch):
    for place in (nt._modules, nt._sync):
        monkeypatch.setattr(place, "takes", lambda *_: False)


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("name", MODULES)
def test_padding_enters_nothing(name, elsewhere, monkeypatch):
    if elsewhere:
        tensors_elsewhere(monkeypatch)
    module, x, inside = problem(name)
    given = [x.clone().requires_grad_() for _ in range(2)]
    wanted, state, parameters = by_hand(module, name, given[0])
    y = module(given[1], lengths=LENGTHS)
    dy = torch.randn(y.shape, dtype=y.dtype)
    wanted.backward(dy)
    y.backward(dy.masked_fill(~inside, float("nan")))
    pairs = [(y, wanted), (given[1].grad, given[0].grad)]
    pairs += zip([p.grad for p in module.parameters()], [p.grad for p in parameters])
    pairs += [(a, b) for a, b in zip(module.buffers(), state) if a.is_floating_point()]
    for got, expected in pairs:
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-11)
    assert not y[~inside].any() and not given[1].grad[~inside].any()
    with torch.no_grad():
        module.eval()
        assert torch.equal(module(x, lengths=LENGTHS.tolist()), module(x, lengths=LENGTHS.int()))


@pytest.mark.parametrize("name", MODULES)
def test_fused(name):
    module, x, inside = problem(name)
    plain = copy.deepcopy(module)
    nan = float("nan")
    x, r, a = (torch.randn(x.shape).double().masked_fill(~inside, nan).requires_grad_() for _ in range(3))
    y, total = module.fuse("relu")(x, residual=r, addend=a, lengths=LENGTHS)
    z = plain(x.masked_fill(~inside, 0) + r.masked_fill(~inside, 0), lengths=LENGTHS)
    wanted = torch.relu(z + a.masked_fill(~inside, 0))
    torch.testing.assert_close(y, wanted, rtol=0, atol=1e-12)
    assert torch.equal(total[inside], (x + r)[inside]) and not total[~inside].any()
    loss = lambda y, t: (y.cos() + t**2).sum()  # noqa: E731
    got = torch.autograd.grad(loss(y, total), (x, r, a))
    expected = torch.autograd.grad(loss(wanted, (x + r).masked_fill(~inside, 0)), (x, r, a))
    for g, e in zip(got, expected):
        torch.testing.assert_close(g, e, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", MODULES)
def test_padding_is_written(name, monkeypatch):
    module, x, inside = problem(name)
    empty_like = torch.empty_like
    monkeypatch.setattr(torch, "empty_like", lambda like, **options: empty_like(like, **options).fill_(-1))
    with torch.no_grad():
        for array in module(x, residual=x, lengths=LENGTHS):
            assert not array[~inside].any()


@pytest.mark.parametrize("name", MODULES)
def test_gradients_of_gradients(name):
    module, x, inside = problem(name)
    module.track_running_stats = False
    names = [n for n, _ in module.named_parameters()]

    def call(x, *parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters)), (x,), {"lengths": LENGTHS})

    inputs = (x.masked_fill(~inside, 0).requires_grad_(), *module.parameters())
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)


@pytest.mark.parametrize("name", [n for n in MODULES if not n.startswith("Sync")])
def test_compile_export_and_vmap(name):
    torch._dynamo.reset()
    module, x, inside = problem(name, torch.float32)
    eager, compiled = copy.deepcopy(module), copy.deepcopy(module)
    results = []
    for call in (eager, torch.compile(compiled, fullgraph=True, backend="aot_eager")):
        given = x.clone().requires_grad_()
        y = call(given, lengths=LENGTHS)
        y.sin().sum().backward()
        results.append((y, given.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results))
    assert all(torch.equal(a, b) for a, b in zip(eager.state_dict().values(), compiled.state_dict().values()))
    program = torch.export.export(module.eval(), (x,), {"lengths": LENGTHS})
    assert torch.equal(program.module()(x, lengths=LENGTHS), module(x, lengths=LENGTHS))
    many = torch.stack([x, 2 * x])
    both = torch.func.vmap(lambda x: module(x, lengths=LENGTHS))(many)
    wanted = torch.stack([module(one, lengths=LENGTHS) for one in many])
    torch.testing.assert_close(both, wanted, rtol=0, atol=1e-5)


def test_opcheck():
    x, r = torch.randn(4, 6, 7, requires_grad=True), torch.randn(4, 6, 7, requires_grad=True)
    w, b = (torch.randn(6, requires_grad=True) for _ in range(2))
    ops = torch.ops.normkit
    for norm in (("batch", 0, 0, 1e-5, "none", 0.0), ("group", 2, 0, 1e-5, "silu", 0.0)):
        torch.library.opcheck(ops.forward.default, (x, w, b, r, None, LENGTHS, *norm))
    norm = ("batch", 0, 0, 1e-5, "relu", 0.0)
    torch.library.opcheck(ops.inference.default, (x, w, b, torch.zeros(6), torch.ones(6), None, None, LENGTHS, *norm))
    statistics = torch.stack((torch.zeros(6), torch.ones(6), torch.ones(6))).double()
    given = (torch.randn(4, 6, 7), x.detach(), w.detach(), b.detach(), statistics, None, None, LENGTHS, False, *norm)
    torch.library.opcheck(ops.backward.default, given)
    torch.library.opcheck(ops.update_running.default, (statistics, 1, 0.1, torch.zeros(6), torch.ones(6), LENGTHS))


def test_autocast_and_narrow_types():
    module, x, inside = problem("LayerNorm", torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = module(x.bfloat16(), lengths=LENGTHS)
    assert y.dtype == torch.bfloat16
    wanted = _native.whole(Norm("layer", 0, 1, 1e-5), x, module.weight, module.bias, None, lengths=LENGTHS)
    torch.testing.assert_close(y.float(), wanted, rtol=0, atol=0.06)


def test_misuse():
    module, x, _ = problem("LayerNorm")
    cases = [
        (torch.tensor([5, 2]), r"lengths is torch.int64 \[2\], expected whole numbers \[4\]"),
        (torch.tensor([5.0, 2, 7, 4]), "lengths is torch.float32"),
        ([5, 2, 8, 4], "lengths go from 2 to 8, expected 1 to 7"),
        ([5, 0, 7, 4], "lengths go from 0 to 7"),
    ]
    for lengths, message in cases:
        with pytest.raises(ValueError, match=message):
            module(x, lengths=lengths)
    with pytest.raises(ValueError, match=r"lengths given for x \[4, 6\], expected an axis of steps behind observations"):
        module(x[:, 0], lengths=LENGTHS)
    with pytest.raises(ValueError, match="behind observations and channels"):
        nt.BatchNorm1d(6)(torch.zeros(4, 6), lengths=[1, 1, 1, 1])
    with pytest.raises(ValueError, match=r"lengths\[2\] is 9, expected 1 to 7"):
        torch.ops.normkit.forward(
            x, None, None, None, None, torch.tensor([1, 1, 9, 1]), "layer", 0, 1, 1e-5, "none", 0.0
        )
