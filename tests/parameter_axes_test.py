"""`normkit normalize --parameter-axes LETTERS --scale-plus-one` against NumPy in extended precision."""

import numpy as np
import pytest

from oracle import WIDE, Layer, Normalization

U = 2.0**-24
CASES = [
    (Layer("layer"), "BCSS", "CS"),  # PyTorch's LayerNorm over [C,H,W]
    (Layer("layer", operation_dimension="channel-only"), "BTC", "BC"),  # adaptive layer norm
    (Layer("layer", operation_dimension="channel-only"), "BTC", "BTC"),
    (Layer("instance"), "BSSC", "BC"),  # adaptive instance norm
    (Layer("group", num_groups=3), "BCSS", "BC"),
    (Layer("batch"), "BSC", "SC"),
    (Layer("rms"), "TBC", "TC"),
    (Layer("batch"), "BCS", "S"),
]


def spread_over(values, fmt, axes, shape):
    """Parameters, in the order of x, as an array that broadcasts against x."""
    return values.reshape([size if letter in axes else 1 for letter, size in zip(fmt, shape)])


@pytest.mark.parametrize("plus_one", [False, True])
@pytest.mark.parametrize("layer, fmt, axes", CASES, ids=lambda value: getattr(value, "name", value))
def test_agrees_with_numpy(normkit, tmp_path, layer, fmt, axes, plus_one):
    rng = np.random.default_rng(len(fmt) * 100 + len(axes))
    shape = [{"B": 3, "T": 4, "S": 5, "C": 12}[letter] for letter in fmt]
    kept = [size for letter, size in zip(fmt, shape) if letter in axes]
    arrays = {"x": rng.normal(2, 3, shape), "dy": rng.normal(0, 1, shape),
              "scale": rng.normal(0, 1, kept), "offset": rng.normal(0, 1, kept)}  # fmt: skip
    for name, array in arrays.items():
        arrays[name] = array.astype(np.float32)
        np.save(tmp_path / f"{name}.npy", arrays[name])
    out = {name: tmp_path / f"{name}.npy" for name in ("y", "dx", "dscale", "doffset")}
    done = normkit(
        "normalize", tmp_path / "x.npy", *layer.options(), "--format", fmt, "--parameter-axes", axes,
        *["--scale-plus-one"] * plus_one, "--scale", tmp_path / "scale.npy",
        "--offset", tmp_path / "offset.npy", "--dy", tmp_path / "dy.npy", "-o", out["y"],
        "--dx", out["dx"], "--dscale", out["dscale"], "--doffset", out["doffset"])  # fmt: skip
    assert done.returncode == 0, done.stderr

    norm = Normalization(layer, fmt, shape)
    mean, variance = norm.statistics(arrays["x"])
    xhat = ((norm.wide(arrays["x"]) - mean) / np.sqrt(variance + norm.epsilon)).reshape(shape)
    gamma, beta = (spread_over(arrays[name].astype(WIDE), fmt, axes, shape) for name in ("scale", "offset"))
    gamma = gamma + plus_one
    # Of 1 + gamma one rounding more.
    bound = 4 * U * (np.abs(gamma) * (1 + np.abs(xhat)) + np.abs(beta)) + U * np.abs(gamma * xhat)
    assert (np.abs(np.load(out["y"]) - (gamma * xhat + beta)) <= bound).all()

    dy = arrays["dy"].astype(WIDE)
    others = tuple(i for i, letter in enumerate(fmt) if letter not in axes)
    for name, terms in (("dscale", dy * xhat), ("doffset", dy)):
        got = np.load(out[name])
        assert got.shape == tuple(kept), name
        size = (np.abs(dy) * (1 + np.abs(xhat))).sum(axis=others)
        assert (np.abs(got - terms.sum(axis=others)) <= 4 * U * size).all(), name
    split = norm.split
    w = (gamma * dy).reshape(split)
    wide_xhat = xhat.reshape(split)
    through = w.mean(axis=norm.reduced, keepdims=True) * norm.centered
    through = through + wide_xhat * (w * wide_xhat).mean(axis=norm.reduced, keepdims=True)
    rstd = 1 / np.sqrt(variance + norm.epsilon)
    spread = 1 + np.abs(wide_xhat)
    mean_w = np.abs(w).mean(axis=norm.reduced, keepdims=True)
    mean_spread = (np.abs(w) * spread).mean(axis=norm.reduced, keepdims=True)
    bound = 5 * U * rstd * (np.abs(w) + mean_w + spread * mean_spread)
    assert (np.abs(np.load(out["dx"]).reshape(split) - rstd * (w - through)) <= bound).all()


def test_says_what_is_wrong(normkit, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros([2, 3, 4], np.float32))
    np.save(tmp_path / "scale.npy", np.ones(3, np.float32))

    def message(axes, code):
        done = normkit("normalize", tmp_path / "x.npy", "--layer", "layer", "--format", "BTC",
                       "--parameter-axes", axes, "--scale", tmp_path / "scale.npy",
                       "-o", tmp_path / "y.npy", code=code)  # fmt: skip
        assert not (tmp_path / "y.npy").exists()
        return done.stderr

    assert "letter 'X' is unknown, expected B, T, S and C" in message("CX", 2)
    assert "layer normalization: parameters over S given, expected axes of BTC [2,3,4]" in message("CS", 1)
    assert "--scale has 3 values, expected 8 (parameters of" in message("BC", 1)
