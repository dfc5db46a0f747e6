"""Functions of the Python package with lengths=: padding enters nothing, whatever the layer, order of axes and strides."""

import normkit
import numpy as np
import pytest

RNG = np.random.default_rng(3)
LENGTHS = [5, 2, 7, 4]
# The layer, its format, the shape of x, arguments.
LAYERS = {
    "layer": ("layer_norm", None, (4, 7, 6), ()),
    "layer, heads": ("layer_norm", "BSTC", (4, 3, 7, 6), ()),
    "layer, all steps": ("layer_norm", "BTC", (4, 7, 6), ()),
    "rms": ("rms_norm", None, (4, 7, 3, 6), ()),
    "instance": ("instance_norm", None, (4, 6, 7), ()),
    "group": ("group_norm", None, (4, 6, 7, 2), (3,)),
    "group, channels last": ("group_norm", "BTC", (4, 7, 6), (2,)),
}


def axis_of_time(name, fmt):
    return fmt.index("T") if fmt else {"layer_norm": 1, "rms_norm": 1}.get(name, 2)


def problem(name, fmt, shape, dtype):
    x, dy = RNG.standard_normal((2, *shape)).astype(dtype)
    time = axis_of_time(name, fmt)
    for array in (x, dy):
        for i, length in enumerate(LENGTHS):
            np.moveaxis(array, time, 1)[i, length:] = np.nan
    parameters = RNG.standard_normal((2, 6)).astype(dtype)
    return x, dy, list(parameters[: 1 if name == "rms_norm" else 2]), time


def transposed(a):
    return np.ascontiguousarray(a.T).T


@pytest.mark.parametrize("order", [np.ascontiguousarray, transposed])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("which", LAYERS)
def test_observations_have_the_bits_that_they_have_alone(which, dtype, order):
    name, fmt, shape, arguments = LAYERS[which]
    x, dy, parameters, time = problem(name, fmt, shape, dtype)
    forward, backward = getattr(normkit, name), getattr(normkit, f"{name}_backward")

    def run(x, dy, **options):
        r = forward(x, *arguments, *parameters, format=fmt, return_statistics=True, **options)
        saved = {"rstd": r.rstd} if name == "rms_norm" else {"mean": r.mean, "rstd": r.rstd}
        return r, backward(dy, x, *arguments, *parameters, format=fmt, **saved, **options)

    all_of_them, gradients = run(order(x), order(dy), lengths=LENGTHS)
    sums = [0.0] * len(parameters)
    for i, length in enumerate(LENGTHS):
        cut = [order(np.moveaxis(np.moveaxis(a, time, 1)[i : i + 1, :length], 1, time)) for a in (x, dy)]
        own, own_gradients = run(*cut, lengths=np.int32([length]))
        plain, _ = run(*cut)
        for got, wanted in ((all_of_them.y, own.y), (gradients.x, own_gradients.x)):
            steps = np.moveaxis(got, time, 1)[i]
            assert np.array_equal(steps[:length], np.moveaxis(wanted, time, 1)[0])
            assert not steps[length:].any()
        if "heads" not in which:  # whose format means all steps where nothing says that they are kept
            assert np.array_equal(own.y, plain.y)
        for k, gradient in enumerate((own_gradients.scale, own_gradients.offset)[: len(sums)]):
            sums[k] = sums[k] + gradient.astype(np.float64)
    for got, wanted in zip((gradients.scale, gradients.offset), sums):
        assert np.allclose(got, wanted, rtol=0, atol=1e-4 if dtype is np.float32 else 1e-12)


@pytest.mark.parametrize("order", [np.ascontiguousarray, transposed])
def test_batch_norm_is_that_of_all_steps_that_count(order):
    x, dy, (scale, offset), _ = problem("batch_norm", "BCT", (4, 6, 7), np.float64)
    inside = np.arange(7) < np.array(LENGTHS)[:, None]
    rows, drows = (np.moveaxis(a, 1, 2)[inside] for a in (x, dy))  # [18, 6]
    r = normkit.batch_norm(order(x), scale, offset, lengths=LENGTHS, activation="silu", return_statistics=True)
    packed = normkit.batch_norm(rows, scale, offset, activation="silu", return_statistics=True)
    assert np.allclose(np.moveaxis(r.y, 1, 2)[inside], packed.y, rtol=0, atol=1e-13)
    assert not np.moveaxis(r.y, 1, 2)[~inside].any()
    assert np.allclose([r.mean, r.variance], [packed.mean, packed.variance], rtol=0, atol=1e-14)
    g = normkit.batch_norm_backward(
        order(dy), order(x), scale, offset, mean=r.mean, rstd=r.rstd, lengths=LENGTHS, activation="silu"
    )
    wanted = normkit.batch_norm_backward(
        drows, rows, scale, offset, mean=packed.mean, rstd=packed.rstd, activation="silu"
    )
    assert np.allclose(np.moveaxis(g.x, 1, 2)[inside], wanted.x, rtol=0, atol=1e-13)
    assert not np.moveaxis(g.x, 1, 2)[~inside].any()
    assert np.allclose([g.scale, g.offset], [wanted.scale, wanted.offset], rtol=0, atol=1e-12)
    given = normkit.batch_norm(order(x), scale, offset, r.mean, r.variance, lengths=LENGTHS)
    alone = normkit.batch_norm(rows, scale, offset, r.mean, r.variance)
    assert np.array_equal(np.moveaxis(given, 1, 2)[inside], alone) and not np.moveaxis(given, 1, 2)[~inside].any()
    axes = normkit.batch_norm(order(x), scale, offset, axes=(0, 2), lengths=LENGTHS, activation="silu")
    assert np.array_equal(axes, r.y)


def test_what_stands_beside_it_is_not_read_in_padding():
    x, _, (scale, offset), _ = problem("layer_norm", None, (4, 7, 6), np.float64)
    residual, addend, gate = (np.where(np.isnan(x), np.nan, RNG.standard_normal(x.shape)) for _ in range(3))
    arrays = {"residual": residual, "addend": addend, "gate": gate, "activation": "gelu"}
    r = normkit.layer_norm(x, scale, offset, **arrays, lengths=LENGTHS, return_statistics=True)
    inside = ~np.isnan(x)
    whole = normkit.layer_norm(x, scale, offset, **arrays, return_statistics=True)
    for got, wanted in ((r.y, whole.y), (r.sum, whole.sum)):
        assert np.array_equal(got[inside], wanted[inside]) and not got[~inside].any()


def test_a_plan_made_once():
    norm = normkit.Normalization("instance", "BTC", (2, 5, 3))
    x = RNG.standard_normal((2, 5, 3), np.float32)
    y = norm.forward(x, lengths=[5, 5]).y
    assert np.array_equal(y, norm.forward(x).y)
    assert np.array_equal(norm.inference(x, lengths=[5, 2])[0], y[0])


def test_misuse():
    x = np.zeros((2, 5, 3), np.float32)
    cases = [
        (dict(lengths=[5]), r"lengths is int64 \[1\], expected whole numbers \[2\]"),
        (dict(lengths=[5.0, 2.0]), "lengths is float64"),
        (dict(lengths=[True, True]), "lengths is bool"),
        (dict(lengths=[5, 6]), r"lengths\[1\] is 6, expected 1 to 5"),
        (dict(lengths=[0, 5]), r"lengths\[0\] is 0, expected 1 to 5"),
        (dict(lengths=[5, -1]), r"lengths\[1\] is -1"),
        (dict(lengths=[5, 5], format="BSC"), "expected a time axis"),
        (dict(lengths=[5, 5], axes=(1, 2)), "expected a time axis"),
    ]
    for wrong, message in cases:
        with pytest.raises(ValueError, match=message):
            normkit.layer_norm(x, **wrong)
    with pytest.raises(ValueError, match="expected a time axis"):
        normkit.batch_norm(x[:, 0], lengths=[1, 1])
