"""Sequences that cannot be used: from each kind of file, to training, evaluation and prediction, one
line that names the file and the place."""

import numpy as np
import pytest

X = np.random.default_rng(1).normal(size=(6, 5, 2)).astype(np.float32)
Y = np.arange(6) % 2
LENGTHS = [5, 3, 1, 2, 4, 5]
PACKED = np.concatenate([x[:n] for x, n in zip(X, LENGTHS)])
HEAD = "@problemName a\n@timeStamps false\n@classLabel true 0 1\n"
NUMBERS = "expected a row of whole numbers"
FINITE = "expected finite numbers"


def instead(index, value):
    """LENGTHS with another value at one place."""
    return np.array([value if i == index else n for i, n in enumerate(LENGTHS)])


def with_value(value):
    x = X.copy()
    x[0, 3, 1] = value
    return x


def objects():
    x = np.empty(2, object)
    x[0], x[1] = X[0], X[1, :3]
    return x


FULL = np.full(6, 5)
NPZ = {
    "length beyond T": (dict(x=X, lengths=instead(0, 6)), "lengths[0] is 6, expected 1 to 5 (steps of x"),
    "length 2^63 - 1": (dict(x=X, lengths=instead(0, 2**63 - 1)), "lengths[0] is 9223372036854775807, expected 1 to"),
    "length 2^63": (dict(x=X, lengths=np.full(6, 2**63, np.uint64)), "lengths: array <u8 [6]: 9223372036854775808 is"),
    "length 0": (dict(x=X, lengths=instead(1, 0)), "lengths[1] is 0, expected 1 to"),
    "length -1": (dict(x=X, lengths=instead(1, -1)), "lengths[1] is -1, expected 1 to"),
    "length NaN": (dict(x=X, lengths=instead(1, np.nan)), f"lengths is <f8 [6], {NUMBERS}"),
    "lengths true": (dict(x=X, lengths=np.ones(6, bool)), f"lengths is |b1 [6], {NUMBERS}"),
    "too few lengths": (dict(x=X, lengths=FULL[1:]), "has 5 lengths, expected 6 (observations of x"),
    "no lengths": (dict(x=X, lengths=FULL[:0]), f"lengths is <i8 [0], {NUMBERS}"),
    "packed, beyond": (dict(x=PACKED, lengths=instead(0, 6)), "lengths add up to 21, expected 20 (rows of x"),
    "packed, 0": (dict(x=PACKED, lengths=instead(1, 0)), "lengths[1] is 0, expected 1 to"),
    "packed, -1": (dict(x=PACKED, lengths=instead(1, -1)), "lengths[1] is -1, expected 1 to"),
    "offset beyond": (dict(x=PACKED, offsets=np.array([0, 4, 21])), "offsets[2] is 21, expected more than 4 and at"),
    "offset twice": (dict(x=PACKED, offsets=np.array([0, 4, 4, 20])), "offsets[2] is 4, expected more than 4 and at"),
    "offset back": (dict(x=PACKED, offsets=np.array([0, 4, -1])), "offsets[2] is -1, expected more than 4 and at"),
    "offset NaN": (dict(x=PACKED, offsets=np.array([0, np.nan])), f"offsets is <f8 [2], {NUMBERS}"),
    "x NaN": (dict(x=with_value(np.nan), lengths=FULL), f"value [3,1] is nan, {FINITE}"),
    "x infinite": (dict(x=with_value(np.inf), lengths=FULL), f"value [3,1] is inf, {FINITE}"),
    "of unequal channels": (dict(x=objects()), "(sequences of unequal lengths go in one array, [sum of lengths,C], with their lengths beside it)"),
    "no steps": (dict(x=X[:, :0], lengths=FULL), "x is <f4 [6,0,2], expected sizes of at least 1"),
    "no observations": (dict(x=X[:0], lengths=FULL[:0]), "x is <f4 [0,5,2], expected sizes of at least 1"),
    "no channels": (dict(x=X[..., :0], lengths=FULL), "x is <f4 [6,5,0], expected sizes of at least 1"),
    "x a number": (dict(x=np.float32(3), lengths=[1], y=[0]), "x is <f4 [], expected an axis or more"),
    "x a number, offsets": (dict(x=np.float32(3), offsets=[0, 1], y=[0]), "x is <f4 [], expected an axis or more"),
    "no arrays": ({}, "has no array 'x', expected x and y (it has: "),
}  # fmt: skip
TS = {
    "longer than said": ("@equalLength true\n@seriesLength 2\n@data\n1,2,3:4,5,6:0\n",
                         "line 7: has 3 steps, expected 2 (@equalLength is true)"),
    "length 0 said": ("@seriesLength 0\n@data\n", "line 4: @seriesLength is '0', expected a whole number from 1"),
    "length -2 said": ("@seriesLength -2\n@data\n", "line 4: @seriesLength is '-2', expected a whole number from 1"),
    "length NaN said": ("@seriesLength nan\n@data\n", "line 4: @seriesLength is 'nan', expected a whole number from 1"),
    "no steps": ("@data\n1,2:3,4:0\n::1\n", "line 6: dimension 1, value 1 is '', expected a number"),
    "NaN": ("@data\n1,nan:3,4:0\n", "line 5: dimension 1, value 2 is 'nan', expected a number"),
    "infinite": ("@data\n1,inf:3,4:0\n", "line 5: dimension 1, value 2 is 'inf', expected a number"),
    "missing": ("@data\n1,2:?,4:0\n", "line 5: dimension 2, value 1 is missing ('?'), expected a number"),
    "unequal channels": ("@data\n1,2:3,4:0\n1,2:3,4:5,6:1\n", "line 6: has 3 dimensions, expected 2"),
    "channels of unequal lengths": ("@data\n1,2:3:0\n", "line 5: dimension 2 has 1 values, expected 2, as dimension 1"),
    "nothing behind @data": ("@data\n", "has no sequences behind @data"),
}  # fmt: skip
TABLE = {
    "NaN": ("a,b,y\n1,nan,0\n", "line 2, column 2 ('b') is 'nan', expected a number"),
    "infinite": ("a,b,y\n1,inf,0\n", "line 2, column 2 ('b') is 'inf', expected a number"),
    "missing": ("a,b,y\n1,,0\n", "line 2, column 2 ('b') is empty, expected a number"),
    "unequal channels": ("a,b,y\n1,2,0\n1,2,3,0\n", "line 3 has 4 cells, expected 3, as the first row"),
    "no steps": ("a,b,y\n", "has no rows below its header, expected some"),
    "empty": ("", "is empty, expected"),
}  # fmt: skip
FOLDER = {  # the second file of one of the classes
    "NaN": ("b.npy", np.array([[1, 2], [3, np.nan]], np.float32), f"value [1,1] is nan, {FINITE}"),
    "infinite": ("b.npy", np.array([[1, -np.inf]], np.float32), f"value [0,1] is -inf, {FINITE}"),
    "unequal channels": ("b.npy", np.ones((3, 3), np.float32), "expected 2"),
    "no steps": ("b.npy", np.ones((0, 2), np.float32), "is <f4 [0,2], expected [T,C] with a step or more, or [T]"),
    "no channels": ("b.npy", np.ones((2, 0), np.float32), "is <f4 [2,0], expected [T,C] with a step or more, or [T]"),
    "-1 steps": ("b.npy", b"\x93NUMPY\1\0v\0" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }".ljust(117)
                 + b"\n" + bytes(8), "expected a size from 0 to 2^63 - 1"),
    "more steps than bytes": ("b.npy", b"\x93NUMPY\1\0v\0"
                              + b"{'descr': '<f4', 'fortran_order': False, 'shape': (9, 2), }".ljust(117) + b"\n"
                              + bytes(8), "b.npy: "),
    "objects": ("b.npy", objects(), "'|O' is not supported"),
    "empty .npy": ("b.npy", b"", "is empty, expected"),
    "empty .csv": ("b.csv", b"", "is empty, expected rows of numbers"),
    "no rows": ("b.csv", b"a,b\n", "has no rows below its header, expected some"),
    "NaN in text": ("b.csv", b"a,b\n1,nan\n", "line 2, column 2 ('b') is 'nan', expected a number"),
    "uneven rows": ("b.csv", b"a,b\n1,2\n3\n", "line 3 has 1 cell, expected 2, as the first row"),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(normkit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    np.savez(folder / "good.npz", x=X, lengths=FULL, y=Y)
    normkit("train", "--data", folder / "good.npz", "--max-epochs", 1, "--output", folder / "out")
    return folder / "out/model.onnx"


@pytest.fixture
def refused(normkit, tmp_path, model):
    """Whether train, eval and predict each say `text` in one line about the file and leave nothing."""

    def run(data, file, text, *options):
        for command in (["train", "--output", tmp_path / "out"], ["eval", model]):
            done = normkit(*command, "--data", data, *options, code=1)
            line = done.stderr
            assert line.count("\n") == 1
            assert file.name in line and text in line, line
            assert done.stdout == "" and not (tmp_path / "out").exists()
        done = normkit("predict", model, file, code=1)
        line, total = done.stderr.splitlines()
        assert file.name in line and text in line, line
        assert total == "normkit: 1 of 1 files could not be used" and done.stdout == ""

    return run


@pytest.mark.parametrize("case", NPZ)
def test_npz(refused, tmp_path, case):
    arrays, text = NPZ[case]
    file = tmp_path / "a.npz"
    if arrays and "y" not in arrays:
        arrays = {**arrays, "y": Y[: len(arrays["x"])]}
    np.savez(file, **arrays)
    refused(file, file, text)


@pytest.mark.parametrize("case", TS)
def test_ts(refused, tmp_path, case):
    lines, text = TS[case]
    file = tmp_path / "a.ts"
    file.write_text(HEAD + lines)
    refused(file, file, text)


@pytest.mark.parametrize("case", TABLE)
def test_table(refused, tmp_path, case):
    lines, text = TABLE[case]
    file = tmp_path / "a.csv"
    file.write_text(lines)
    refused(file, file, text, "--format", "TC")


@pytest.mark.parametrize("case", FOLDER)
def test_folder(refused, tmp_path, case):
    name, content, text = FOLDER[case]
    for label in "01":
        (tmp_path / "data" / label).mkdir(parents=True)
        np.save(tmp_path / "data" / label / "a.npy", X[int(label)])
    file = tmp_path / "data/1" / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.save(file, content)
    refused(tmp_path / "data", file, text)


@pytest.mark.parametrize("name", ["a.npz", "a.ts", "a.csv"])
def test_empty_files(refused, tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    refused(tmp_path / name, tmp_path / name, "is empty, expected")


def test_a_folder_of_files_that_hold_sequences(normkit, tmp_path):
    for name in ["words_TEST.ts", "words_TRAIN.ts"]:
        (tmp_path / name).write_text("@data\n")
    done = normkit("train", "--data", tmp_path, "--output", tmp_path / "out", code=1)
    assert done.stderr == f"normkit: data '{tmp_path}': is a folder with data files, did you mean '{tmp_path}/words_TRAIN.ts'?\n"
