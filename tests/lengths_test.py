"""`normkit normalize --lengths`: padded observations beside each cut out and alone, and lengths that
do not fit."""

import numpy as np
import pytest

LENGTHS = [4, 1, 3]
SIZES = {"B": 3, "T": 4, "S": 5, "C": 6}
LAYERS = [["--layer", "instance"], ["--layer", "layer"], ["--layer", "rms"], ["--layer", "group", "--num-groups", "2"],
          ["--layer", "layer", "--operation-dimension", "channel-only"]]  # fmt: skip


def cut(array, layout, observation):
    """One observation without its padding."""
    at = tuple(slice(observation, observation + 1) if letter == "B"
               else slice(0, LENGTHS[observation]) if letter == "T" else slice(None) for letter in layout)  # fmt: skip
    return np.ascontiguousarray(array[at])


def padding(layout):
    mask = np.arange(SIZES["T"])[None, :] >= np.array(LENGTHS)[:, None]  # [B,T]
    order = [layout.index("B"), layout.index("T")]
    shape = [1] * len(layout)
    shape[order[0]], shape[order[1]] = mask.shape
    return np.broadcast_to((mask if order[0] < order[1] else mask.T).reshape(shape), [SIZES[c] for c in layout])


@pytest.fixture
def normalize(normkit, tmp_path):
    def run(x, dy, layer, layout, *more):
        for name, array in {"x": x, "dy": dy}.items():
            np.save(tmp_path / f"{name}.npy", array)
        done = normkit("normalize", "x.npy", *layer, "--format", layout, "--offset", "beta.npy", "--dy", "dy.npy",
                       "--dx", "dx.npy", "--doffset", "db.npy", "-o", "y.npy", *more, cwd=tmp_path)  # fmt: skip
        return *(np.load(tmp_path / f"{name}.npy") for name in ("y", "dx", "db")), done.stderr

    np.save(tmp_path / "lengths.npy", np.array(LENGTHS))
    return run


@pytest.mark.parametrize("layout", ["BTC", "BCT", "TBC", "BCTS"])
@pytest.mark.parametrize("layer", LAYERS, ids=" ".join)
def test_each_observation_as_alone(normalize, tmp_path, layer, layout):
    random = np.random.default_rng(3)
    x, dy = (random.normal(size=[SIZES[c] for c in layout]).astype(np.float32) for _ in range(2))
    np.save(tmp_path / "beta.npy", np.linspace(1, 2, SIZES["C"], dtype=np.float32))
    x[padding(layout)], dy[padding(layout)] = np.nan, np.inf
    y, dx, db, said = normalize(x, dy, layer, layout, "--lengths", "lengths.npy")
    assert "8 of 12 steps" in said
    assert (y[padding(layout)] == 0).all() and (dx[padding(layout)] == 0).all()
    total = 0
    for b in range(SIZES["B"]):
        own_y, own_dx, own_db, _ = normalize(cut(x, layout, b), cut(dy, layout, b), layer, layout)
        assert (own_y == cut(y, layout, b)).all() and (own_dx == cut(dx, layout, b)).all()
        total = total + own_db
    assert np.allclose(db, total, rtol=1e-5, atol=1e-5)


def test_batch_normalization_is_of_all_real_steps(normalize, tmp_path):
    random = np.random.default_rng(4)
    x, dy = (random.normal(size=(3, 4, 6)).astype(np.float32) for _ in range(2))
    np.save(tmp_path / "beta.npy", np.zeros(6, np.float32))
    real = ~padding("BTC")[..., 0]
    y, dx, _, _ = normalize(x, dy, ["--layer", "batch"], "BTC", "--lengths", "lengths.npy")
    packed_y, packed_dx, _, _ = normalize(x[real], dy[real], ["--layer", "batch"], "BC")
    assert np.allclose(y[real], packed_y, atol=1e-5) and np.allclose(dx[real], packed_dx, atol=1e-5)
    assert (y[~real] == 0).all() and (dx[~real] == 0).all()


@pytest.mark.parametrize("lengths, text", [
    ([5, 1, 1], "lengths.npy: --lengths: number 0 is 5, expected 1 to 4 (steps of x.npy, BTC [3,4,6])"),
    ([4, 0, 1], "lengths.npy: --lengths: number 1 is 0, expected 1 to 4 (steps of x.npy, BTC [3,4,6])"),
    ([4, 1, -2], "lengths.npy: --lengths: number 2 is -2, expected 1 to 4 (steps of x.npy, BTC [3,4,6])"),
    ([4, 1], "lengths.npy: --lengths has 2 values, expected 3 (observations of x.npy, BTC [3,4,6])"),
    ([4.0, 1, 1], "lengths.npy: --lengths is <f8 [3], expected a row of whole numbers (int64)"),
    ([4, np.nan, 1], "lengths.npy: --lengths is <f8 [3], expected a row of whole numbers (int64)"),
    ([True] * 3, "lengths.npy: --lengths is |b1 [3], expected a row of whole numbers (int64)"),
    ([[4, 1, 1]], "lengths.npy: --lengths is <i8 [1,3], expected a row of whole numbers (int64)"),
    (4, "lengths.npy: --lengths is <i8 [], expected a row of whole numbers (int64)"),
    ([], "lengths.npy: --lengths is <f8 [0], expected a row of whole numbers (int64)"),
    (["4", "1", "1"], "lengths.npy: --lengths is <U1 [3], expected a row of whole numbers (int64)"),
    ([2**63 - 1, 1, 1], "lengths.npy: --lengths: number 0 is 9223372036854775807, expected 1 to 4 "
                        "(steps of x.npy, BTC [3,4,6])"),
])  # fmt: skip
def test_lengths_that_do_not_fit(normkit, tmp_path, lengths, text):
    np.save(tmp_path / "x.npy", np.zeros((3, 4, 6), np.float32))
    np.save(tmp_path / "lengths.npy", np.array(lengths))
    done = normkit("normalize", "x.npy", "--layer", "layer", "--format", "BTC", "--lengths", "lengths.npy",
                   "-o", "y.npy", code=1, cwd=tmp_path)  # fmt: skip
    assert done.stderr == f"normkit: {text}\n"
    assert not (tmp_path / "y.npy").exists()


def test_files_of_no_lengths_and_arrays_of_no_steps(normkit, tmp_path):
    def fails(x, bytes_or_lengths):
        np.save(tmp_path / "x.npy", x)
        if isinstance(bytes_or_lengths, bytes):
            (tmp_path / "l.npy").write_bytes(bytes_or_lengths)
        else:
            np.save(tmp_path / "l.npy", bytes_or_lengths)
        done = normkit("normalize", "x.npy", "--layer", "layer", "--format", "BTC", "--lengths", "l.npy", "-o", "y.npy",
                       code=1, cwd=tmp_path)  # fmt: skip
        assert done.stderr.count("\n") == 1 and not (tmp_path / "y.npy").exists()
        return done.stderr

    x = np.zeros((3, 4, 6), np.float32)
    assert "l.npy: is empty, expected an .npy file" in fails(x, b"")
    assert "l.npy: is not an .npy file" in fails(x, b"\x93NUMPY")
    assert "has no steps (BTC [3,0,6]), expected some where there are --lengths" in fails(x[:, :0], np.array([1, 1, 1]))


def test_lengths_want_time(normkit, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 4, 6), np.float32))
    done = normkit("normalize", "x.npy", "--layer", "layer", "--format", "BSC", "--lengths", "lengths.npy",
                   "-o", "y.npy", code=2, cwd=tmp_path)  # fmt: skip
    assert "--lengths: needs a time axis, T, in --format 'BSC'" in done.stderr
