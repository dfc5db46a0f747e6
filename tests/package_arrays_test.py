"""The functions of the Python package on arrays of every kind and order, against the oracle."""

import array
import copy
import gc
import multiprocessing
import pathlib
import pickle
import subprocess
import sys
import threading

import ml_dtypes
import normkit
import numpy as np
import oracle
import pytest

F32 = 2.0**-24
UNIT = {np.float32: F32, np.float64: 2.0**-53, np.float16: 2.0**-11, ml_dtypes.bfloat16: 2.0**-8}
SHAPE = {"BC": (7, 12), "BCS": (5, 12, 9), "BCSS": (3, 12, 5, 4), "BSSC": (3, 5, 4, 12), "BSC": (5, 9, 12)}
LAYERS = {
    "batch": (oracle.Layer("batch"), normkit.batch_norm, normkit.batch_norm_backward),
    "layer": (oracle.Layer("layer"), normkit.layer_norm, normkit.layer_norm_backward),
    "instance": (oracle.Layer("instance"), normkit.instance_norm, normkit.instance_norm_backward),
    "group": (oracle.Layer("group", num_groups=3), normkit.group_norm, normkit.group_norm_backward),
    "rms": (oracle.Layer("rms"), normkit.rms_norm, normkit.rms_norm_backward),
}
RNG = np.random.default_rng(1)


def arrays(name, fmt, dtype):
    """x, dy of some mean, and the parameters that the layer takes."""
    shape = SHAPE[fmt]
    x = (RNG.standard_normal(shape) * 2 + 3).astype(dtype)
    dy = RNG.standard_normal(shape).astype(dtype)
    channels = shape[fmt.index("C")]
    kind = np.float64 if dtype is np.float64 else np.float32
    gamma = (RNG.standard_normal(channels) + 1).astype(kind)
    beta = RNG.standard_normal(channels).astype(kind)
    return x, dy, gamma, np.zeros_like(beta) if name == "rms" else beta


def call(name, function, x, *parameters, **options):
    parameters = parameters[:-1] if name == "rms" else parameters
    if name == "group":
        return function(*x, 3, *parameters, **options)
    return function(*x, *parameters, **options)


def in_order(a, how):
    """The same elements, lying elsewhere."""
    if how == "transposed":
        return np.ascontiguousarray(a.T).T
    if how == "gaps":
        return np.repeat(a, 2, axis=-1)[..., ::2]
    if how == "channels_last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    if how == "read_only":
        a = a.copy()
        a.flags.writeable = False
    return a


@pytest.mark.parametrize("how", ["dense", "transposed", "gaps", "channels_last", "read_only"])
@pytest.mark.parametrize("dtype", UNIT, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("name", LAYERS)
def test_against_the_oracle(name, dtype, how):
    layer, forward, backward = LAYERS[name]
    for fmt in SHAPE:
        if name == "instance" and "S" not in fmt:
            continue
        x, dy, gamma, beta = arrays(name, fmt, dtype)
        judge = oracle.Normalization(layer, fmt, x.shape)
        mean, variance = judge.statistics(x)
        y, xhat = judge.forward(x, gamma, beta, mean, variance)
        got = call(name, forward, [in_order(x, how)], gamma, beta, format=fmt, return_statistics=True)
        wide = np.abs(judge.parameters(gamma)) * (1 + abs(xhat)) + abs(judge.parameters(beta))
        own, f32 = UNIT[dtype], UNIT[np.float64 if dtype is np.float64 else np.float32]
        # The bound of docs/numerics.md; narrower types round once more, and means of f64 are f64.
        if dtype is np.float64:
            wide = wide + np.abs(judge.parameters(gamma) * mean) * judge.rstd(variance)
        bound = 4 * f32 * wide + (own * (abs(y) + 4 * f32 * wide) if own > F32 else 0)
        if dtype is np.float16:
            bound = bound + 2.0**-25  # below the smallest normal number
        assert got.y.dtype == x.dtype and got.y.shape == x.shape
        assert (abs(judge.wide(got.y) - y) <= bound).all()
        assert np.allclose(got.mean.ravel(), mean.ravel().astype(float), rtol=0, atol=1e-6)

        statistics = {"rstd": got.rstd} if name == "rms" else {"mean": got.mean, "rstd": got.rstd}
        given = [in_order(dy, how), in_order(x, how)]
        gradients = call(name, backward, given, gamma, beta, format=fmt, **statistics)
        dx, dgamma, dbeta = judge.backward(xhat, dy, gamma, variance)
        scale = np.abs(judge.parameters(gamma)).max() * np.abs(judge.wide(dy)).max()
        largest = scale * judge.rstd(variance).max() * (1 + abs(xhat).max()) ** 2
        assert (abs(judge.wide(gradients.x) - dx) <= 8 * own * largest).all()
        terms = judge.reduced_count() * 8 * f32 * (1 + abs(xhat).max()) * abs(judge.wide(dy)).max() * 60
        assert np.allclose(gradients.scale, dgamma.ravel().astype(float), rtol=0, atol=terms)
        if name != "rms":
            assert np.allclose(gradients.offset, dbeta.ravel().astype(float), rtol=0, atol=terms)


@pytest.mark.parametrize("axes", [-1, (1,), (2, 3), (1, 2, 3), (0, 2), (0, 1, 2, 3), (3, 1)])
def test_layer_and_rms_over_any_axes(axes):
    x = RNG.standard_normal((4, 6, 5, 3))
    own = tuple(a % 4 for a in (axes if isinstance(axes, tuple) else (axes,)))
    sizes = [x.shape[a] for a in sorted(own)]
    gamma, beta = RNG.standard_normal((2, *sizes))
    spread = [x.shape[a] if a in own else 1 for a in range(4)]
    mean, variance = x.mean(own, keepdims=True), x.var(own, keepdims=True)
    wanted = (x - mean) / np.sqrt(variance + 1e-5) * gamma.reshape(spread) + beta.reshape(spread)
    orders = [x, *(in_order(x, how) for how in ("transposed", "gaps", "channels_last"))]
    for given in orders:
        r = normkit.layer_norm(given, gamma, beta, axes=axes, return_statistics=True)
        assert np.allclose(r.y, wanted, rtol=0, atol=1e-13)
        dy = RNG.standard_normal(x.shape)
        g = normkit.layer_norm_backward(dy, given, gamma, beta, axes=axes, mean=r.mean, rstd=r.rstd)
        others = tuple(a for a in range(4) if a not in own)
        xhat = (x - mean) / np.sqrt(variance + 1e-5)
        assert g.scale.shape == gamma.shape
        assert np.allclose(g.scale, (dy * xhat).sum(others), rtol=0, atol=1e-11)
        assert np.allclose(g.offset, dy.sum(others), rtol=0, atol=1e-11)
    wanted = x / np.sqrt((x**2).mean(own, keepdims=True) + 1e-6) * gamma.reshape(spread)
    assert np.allclose(normkit.rms_norm(x, gamma, axes=axes, epsilon=1e-6), wanted, rtol=0, atol=1e-13)


def copied(monkeypatch, call):
    """The arrays of which `call` makes dense copies, by what its plans say."""
    made = []
    make = normkit._plans.make_plan

    def kept(*arguments, **options):
        made.append((make(*arguments, **options), "backward" if "dy" in arguments[4] else "forward"))
        return made[-1][0]

    monkeypatch.setattr(normkit._plans, "make_plan", kept)
    normkit._functions._plan.cache_clear()
    call()
    monkeypatch.undo()
    (plan, _), what = made[-1]
    return plan.describe(what).partition("copied for their strides: ")[2].rstrip()


X = np.zeros((4, 8, 6, 10), np.float32)
LAST = np.moveaxis(np.zeros((4, 6, 10, 16), np.float32), -1, 1)
AS_IT_LIES = {
    "transposed": in_order(X, "transposed"),
    "channels last": in_order(X, "channels_last"),
    "rows and columns exchanged": np.zeros((4, 8, 10, 6), np.float32).swapaxes(2, 3),
    "observations and channels exchanged": np.zeros((8, 4, 6, 10), np.float32).swapaxes(0, 1),
    "every second observation": np.zeros((8, 8, 6, 10), np.float32)[::2],
    "some channels": np.zeros((4, 24, 6, 10), np.float32)[:, 8:16],
    "one observation again and again": np.broadcast_to(X[:1], X.shape),
}
BROKEN = {
    "some rows": np.zeros((4, 8, 12, 10), np.float32)[:, :, 2:8],
    "some columns": np.zeros((4, 8, 6, 20), np.float32)[..., 10:],
    "every second column": np.zeros((4, 8, 6, 20), np.float32)[..., ::2],
    "one channel again and again": np.broadcast_to(X[:, :1], X.shape),
    "one column again and again": np.broadcast_to(X[..., :1], X.shape),
    "some channels, channels last": LAST[:, :8],
    "some rows, channels last": in_order(np.zeros((4, 8, 12, 10), np.float32), "channels_last")[:, :, 2:8],
    "some columns, channels last": in_order(np.zeros((4, 8, 6, 20), np.float32), "channels_last")[..., 10:],
}
ONES = np.ones(8, np.float32)
CALLS = {
    "batch": lambda x: normkit.batch_norm(x, ONES, ONES),
    "instance": lambda x: normkit.instance_norm(x, ONES, ONES),
    "group": lambda x: normkit.group_norm(x, 2, ONES, ONES),
    "layer over the last": lambda x: normkit.layer_norm(x, np.ones(10, np.float32)),
    "layer over channels": lambda x: normkit.layer_norm(x, ONES, ONES, axes=1),
    "layer over three": lambda x: normkit.layer_norm(x, np.ones(X.shape[1:], np.float32), axes=(1, 2, 3)),
    "rms": lambda x: normkit.rms_norm(x, np.ones((6, 10), np.float32), axes=(2, 3)),
}
# What docs/python.md says is copied: where elements that are reduced, or kept, together are no run any more.
COPIED = {
    ("batch", "some columns"), ("instance", "some columns"), ("layer over channels", "some columns"),
    ("rms", "some columns"), ("group", "some rows"), ("group", "some columns"), ("layer over three", "some rows"),
    ("layer over three", "some columns"), ("layer over three", "some channels, channels last"),
    ("layer over three", "some columns, channels last"),
    ("layer over three", "one channel again and again"), ("group", "one channel again and again"),
    *((name, how) for name in CALLS for how in ("every second column", "one column again and again")),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_what_is_copied(name, monkeypatch):
    for how, x in {**AS_IT_LIES, **BROKEN}.items():
        assert copied(monkeypatch, lambda: CALLS[name](x)) == ("x" if (name, how) in COPIED else ""), how


def test_results_of_repeated_arrays_lie_as_others():
    for x in (np.broadcast_to(X[:1], X.shape), np.broadcast_to(X[:1], X.shape).transpose(0, 3, 1, 2)):
        y = normkit.layer_norm(x)
        assert y.shape == x.shape and y.strides[1:] == x.strides[1:] and y.strides[0] == 4 * y[0].size


def test_axes_of_groups():
    x, dy = RNG.standard_normal((2, 5, 12, 4, 3))
    gamma, beta = RNG.standard_normal((2, 12))
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    wanted = normkit.group_norm(x, 3, gamma, beta, return_statistics=True)
    got = normkit.group_norm(last, 3, gamma, beta, axes=(3, 1, 2), return_statistics=True)
    assert np.allclose(np.moveaxis(got.y, -1, 1), wanted.y, rtol=0, atol=1e-13)
    assert np.allclose(got.mean, wanted.mean, rtol=0, atol=1e-13)
    g = normkit.group_norm_backward(dy, x, 3, gamma, beta, axes=(1, 2, 3), mean=wanted.mean, rstd=wanted.rstd)
    h = normkit.group_norm_backward(
        np.moveaxis(dy, 1, -1), last, 3, gamma, beta, axes=(-1, 2, 1), mean=got.mean, rstd=got.rstd
    )
    assert np.allclose(np.moveaxis(h.x, -1, 1), g.x, rtol=0, atol=1e-12)
    assert np.allclose(h.scale, g.scale, rtol=0, atol=1e-12)
    two = x.reshape(5, 1, 12, 4, 3)  # observations are two axes
    assert np.allclose(normkit.group_norm(two, 3, gamma, beta, axes=(2, 3, 4)).reshape(x.shape), wanted.y, atol=1e-13)
    steps = normkit.group_norm(last, 3, axes=(3, 1, 2), lengths=[4, 2, 1, 4, 3])
    assert not steps[1, 2:].any() and steps[1, :2].any()
    with pytest.raises(ValueError, match="the channels first and some left for group"):
        normkit.group_norm(x, 3, axes=(1, 0, 2, 3))


def test_fused():
    x, residual, addend, gate, dy = RNG.standard_normal((5, 6, 10))
    r = normkit.layer_norm(x, residual=residual, addend=addend, gate=gate, activation="silu", return_statistics=True)
    assert np.array_equal(r.sum, x + residual)
    z = (r.sum - r.sum.mean(1, keepdims=True)) / np.sqrt(r.sum.var(1, keepdims=True) + 1e-5) + addend
    value, slope = oracle.ACTIVATIONS["silu"]
    assert np.allclose(r.y, value(z) * gate, rtol=0, atol=1e-13)
    g = normkit.layer_norm_backward(
        dy, r.sum, mean=r.mean, rstd=r.rstd, addend=addend, gate=gate, activation="silu"
    )
    assert np.allclose(g.addend, dy * gate * slope(z), rtol=0, atol=1e-13)
    assert np.allclose(g.gate, dy * value(z), rtol=0, atol=1e-13)
    assert g.scale is None and g.offset is None


def test_batch_norm_with_given_and_running_statistics():
    x = RNG.standard_normal((9, 4, 3)).astype(np.float32)
    mean, variance = np.float32([1, 2, 3, 4]), np.float32([1, 4, 9, 16])
    y = normkit.batch_norm(x, mean=mean, variance=variance)
    wanted = (x - mean[:, None]) / np.sqrt(variance[:, None] + 1e-5)
    assert np.allclose(y, wanted, rtol=0, atol=1e-6)
    r = normkit.batch_norm(x, return_statistics=True)
    normkit.update_running(mean, variance, r.mean, r.variance, 27, decay=0.5, count_minus_one=True)
    assert np.allclose(mean, 0.5 * np.float32([1, 2, 3, 4]) + 0.5 * x.mean((0, 2)), atol=1e-6)
    assert np.allclose(variance, 0.5 * np.float32([1, 4, 9, 16]) + 0.5 * x.var((0, 2), ddof=1), atol=1e-6)


def test_other_kinds_of_arrays():
    x = RNG.standard_normal((4, 6)).astype(np.float32)
    wanted = normkit.layer_norm(x)
    out = np.empty_like(x)
    assert normkit.layer_norm(x, out=out) is out and np.array_equal(out, wanted)
    assert normkit.layer_norm(x, out=x) is x and np.array_equal(x, wanted)  # in place
    flat = array.array("f", RNG.standard_normal(8).astype(np.float32))
    assert np.array_equal(normkit.layer_norm(flat), normkit.layer_norm(np.array(flat)))
    assert np.array_equal(normkit.layer_norm(memoryview(x)), normkit.layer_norm(x))


def unaligned(*shape):
    count = int(np.prod(shape))
    return np.zeros(4 * count + 1, np.uint8)[1:].view(np.float32).reshape(shape)


def read_only(*shape):
    return np.broadcast_to(np.float32(0), shape)


UNFIT = [
    ([1.0], TypeError, r"^x is builtins.list, expected an array in this machine's memory"),
    (None, TypeError, r"^x is builtins.NoneType"),
    (np.zeros((2, 3), ">f4"), TypeError, r"^x is numpy.ndarray of >f4 \[2, 3\], expected .* byte order"),
    (np.zeros((2, 3), np.int64), TypeError, r"^x is numpy.ndarray of int64 \[2, 3\], expected f32, f64, f16 or bf16"),
    (np.zeros((2, 3), np.complex64), TypeError, r"^x is numpy.ndarray of complex64"),
    (np.zeros((2, 3), np.longdouble), TypeError, r"^x is numpy.ndarray of float128 \[2, 3\], expected f32, f64, f16 or bf16"),
    (np.zeros((2, 3), ml_dtypes.float8_e4m3fn), TypeError, r"^x is .*float8_e4m3fn \[2, 3\], expected f32"),
    (np.zeros((2, 3), object), TypeError, r"^x is numpy.ndarray of object"),
    (np.ma.masked_array(np.zeros((2, 3))), TypeError, "^x is a masked array"),
    (unaligned(2, 3), ValueError, "^x lies at 0x[0-9a-f]*, expected a multiple"),
    (np.zeros((2, 3))[:, ::-1], normkit.Error, "a stride of x is -1, expected 0 or more"),
    (np.zeros((2, 3), "u1, f4")["f1"], TypeError, r"^x is .* of float32 \[2, 3\] with strides of \[15, 5\] bytes, expected mult"),
    (np.float32(3), ValueError, "axes .-1,. given"),
]


@pytest.mark.parametrize("unfit, kind, message", UNFIT, ids=lambda v: "")
def test_what_does_not_fit_is_an_error(unfit, kind, message):
    with pytest.raises(kind, match=message):
        normkit.layer_norm(unfit)


def test_misuse():
    x = np.zeros((4, 6), np.float32)
    assert issubclass(normkit.Error, ValueError) and issubclass(normkit.DivergedError, normkit.Error)
    cases = [
        (dict(scale=np.ones(5, np.float32)), "scale is f32 .5., expected 6 elements of f32"),
        (dict(scale=np.ones(12, np.float32)[::2]), "scale is f32 .6. with gaps"),
        (dict(out=np.empty((4, 5), np.float32)), "out is f32 .4, 5., expected f32 .4, 6."),
        (dict(out=np.empty((4, 6))), "out is f64 .4, 6., expected f32"),
        (dict(axes=2), "axes .2,. given, expected numbers from -2 to 1"),
        (dict(axes=(0, 0)), "expected at least one axis, and each once"),
        (dict(format="BC", axes=1), "expected one of them"),
        (dict(format="BXC"), "format 'BXC' given for 2 axes"),
        (dict(format="BX"), "letter 'X' is unknown"),
        (dict(format="B**"), r"expected one \*"),
        (dict(format="NCHW"), "format 'NCHW' given for 2 axes, expected a letter for each"),
        (dict(epsilon=0), "epsilon"),
        (dict(activation="rleu"), "did you mean 'relu'"),
    ]
    for wrong, message in cases:
        with pytest.raises(ValueError, match=message):
            normkit.layer_norm(x, **wrong)
    of_wrong_types = [
        (dict(epsilon="1e-5"), "epsilon is '1e-5', expected a number"),
        (dict(activation=3), "activation is 3, expected a name or None"),
        (dict(axes=1.0), "axes is 1.0, expected whole numbers"),
        (dict(axes="1"), "axes is '1', expected whole numbers"),
        (dict(format=3), "format is int, expected letters"),
    ]
    for wrong, message in of_wrong_types:
        with pytest.raises(TypeError, match=message):
            normkit.layer_norm(x, **wrong)
    for groups, message in [(0, "num_groups is 0, expected 1 or more"), (-1, "num_groups is -1"), (4, "4 groups do not"),
                            ("all", "num_groups is 'all', expected a number or one of all-channels")]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            normkit.group_norm(x, groups)
    assert normkit.group_norm(x, 2).shape == (4, 6)
    with pytest.raises(TypeError, match="num_groups is 2.0, expected a whole number"):  # after 2 as well
        normkit.group_norm(x, 2.0)
    with pytest.raises(ValueError, match="count is -4, expected 0 or more"):
        normkit.update_running(np.zeros(3), np.ones(3), np.zeros(3), np.ones(3), -4)
    with pytest.raises(ValueError, match="dtype is 'f8', expected f32"):
        normkit.Normalization("layer", "BC", (4, 6), "f8")
    with pytest.raises(TypeError, match="out is .*, expected a writable array"):
        normkit.layer_norm(x, out=read_only(4, 6))
    with pytest.raises(TypeError, match="scale and offset are f32 and f64, expected one type"):
        normkit.layer_norm(x, np.ones(6, np.float32), np.ones(6))
    both = np.zeros(30, np.float32)
    with pytest.raises(ValueError, match="overlap"):
        normkit.layer_norm(both[:24].reshape(4, 6), out=both[6:].reshape(4, 6))
    with pytest.raises(ValueError, match=r"mean has shape \[3\], expected \[4\]"):
        normkit.layer_norm_backward(x, x, mean=np.zeros(3), rstd=np.ones(4))
    with pytest.raises(ValueError, match="threads: 2000 given"):
        normkit.set_num_threads(2000)
    assert normkit.layer_norm(np.zeros((0, 6), np.float32)).shape == (0, 6)


class Named(normkit.Normalization):
    pass


def test_plans_are_copied_and_pickled():
    norm = normkit.Normalization("group", "BC*", (4, 6, 5), np.float32, num_groups=3, epsilon=1e-3, activation="relu")
    assert norm.labels == "BCS" and "num_groups=3" in repr(norm) and "activation='relu'" in repr(norm)
    x = RNG.standard_normal(norm.shape, np.float32)
    for again in (pickle.loads(pickle.dumps(norm)), copy.deepcopy(norm), eval(repr(norm))):
        assert np.array_equal(again.forward(x).y, norm.forward(x).y)
    relu = Named("layer", "BC", (4, 6), activation="leaky-relu", negative_slope=0.0, num_groups=0)
    assert repr(relu) == "normkit.Normalization('layer', 'BC', (4, 6), 'f32', activation='leaky-relu', negative_slope=0.0)"
    assert type(pickle.loads(pickle.dumps(relu))) is Named
    assert repr(copy.copy(relu)) == repr(eval(repr(relu))) == repr(relu)


def test_eight_threads_share_a_plan():
    norm = normkit.Normalization("batch", "BC*", (16, 32, 20, 20))
    xs = [RNG.standard_normal(norm.shape, np.float32) for _ in range(8)]
    wanted = [norm.forward(x).y for x in xs]
    wrong = []

    def work(k):
        for _ in range(5):
            if not np.array_equal(norm.forward(xs[k]).y, wanted[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def in_child(queue, x):
    queue.put(normkit.batch_norm(x))


def test_a_forked_child_computes_too():
    x = RNG.standard_normal((64, 32, 16, 16), np.float32)
    wanted = normkit.batch_norm(x)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=in_child, args=(queue, x))
    child.start()
    assert np.array_equal(queue.get(timeout=60), wanted)
    child.join(60)
    assert child.exitcode == 0
    assert np.array_equal(normkit.batch_norm(x), wanted)


def test_arrays_outlive_who_made_them():
    y = normkit.layer_norm(memoryview(RNG.standard_normal((50, 60))))
    gc.collect()
    assert np.allclose(y.mean(1), 0, atol=1e-12)


def test_nothing_stands_on_stderr_of_an_ordinary_program():
    code = (
        "import normkit, threading, time\nplan = normkit.Normalization('batch', 'BC', (4, 6))\n"
        "threading.Thread(target=lambda kept: time.sleep(100), args=(plan,), daemon=True).start()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_sub_interpreters_are_refused():
    code = (
        "import _xxsubinterpreters as s\ni = s.create()\n"
        "s.run_string(i, 'try:\\n import normkit._core\\nexcept ImportError as e: print(e)')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    if "No module named '_xxsubinterpreters'" in done.stderr:
        pytest.skip("this Python has no sub-interpreters to be asked from Python")
    assert "sub-interpreter" in done.stdout + done.stderr, done


def test_types_hold():
    root = pathlib.Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir=/dev/null"], cwd=root, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout


def test_the_code_of_the_document_runs():
    text = pathlib.Path(__file__).resolve().parent.parent.joinpath("docs/python.md").read_text()
    blocks = [block.partition("\n```")[0] for block in text.split("```python\n")[1:]]
    assert len(blocks) >= 2
    names: dict = {}
    for block in blocks:
        if "torch" not in block and "sklearn" not in block:
            exec(block, names)
