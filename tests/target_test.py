"""NORMKIT_TARGET chooses the SIMD target of the kernels, NORMKIT_SCHEDULE how they are run; NORMKIT_VERBOSE
says what was chosen."""

import os
import re

import numpy as np
import pytest

KNOWN = ["AVX3", "AVX2", "SSE4", "SCALAR"]
LAYERS = [["batch"], ["layer"], ["instance"], ["group", "--num-groups", 4], ["rms"]]
OUTPUTS = ["y", "dx", "dscale", "doffset", "stats-mean", "stats-variance"]


@pytest.fixture(scope="module")
def normalize(normkit, tmp_path_factory):
    """Runs one layer forward and backward: the bytes of all outputs, and what stderr got."""
    rng = np.random.default_rng(7)
    folder = tmp_path_factory.mktemp("target")

    def run(layer, fmt="BCSS", dtype=np.float32, **variables):
        inputs = [folder / f"{name}-{fmt}-{dtype.__name__}.npy" for name in ["x", "dy"]]
        shape = [{"B": 3, "C": 36}.get(letter, 7) for letter in fmt]
        for path in inputs:
            if not path.exists():
                np.save(path, (100 + rng.standard_normal(shape)).astype(dtype))
        outputs = {name: folder / f"{name}.npy" for name in OUTPUTS}
        args = [inputs[0], "--layer", *layer, "--format", fmt, "--dy", inputs[1], "-o", outputs["y"]]
        for name in OUTPUTS[1:]:
            args += [f"--{name}", outputs[name]]
        env = {key: value for key, value in os.environ.items() if not key.startswith("NORMKIT_")}
        done = normkit("normalize", *args, env=env | variables)
        assert done.stdout == ""
        *said, last = done.stderr.splitlines(keepends=True)
        assert re.fullmatch(r"normkit: .* normalization of .*: \d+ statistics? over .*\n", last)
        return {name: path.read_bytes() for name, path in outputs.items()}, "".join(said)

    return run


@pytest.fixture(scope="module")
def targets(normalize):
    """What this machine has, best first, as the program says it."""
    _, said = normalize(["batch"], NORMKIT_TARGET="nonsense")
    match = re.fullmatch(
        r"normkit: NORMKIT_TARGET='nonsense' is unknown or not to be had on this processor, "
        r"expected one of ((?:\w+, )*\w+); ignored\n",
        said,
    )
    assert match, said
    return match[1].split(", ")


def test_a_name_that_is_not_to_be_had_is_told_and_ignored(normalize, targets):
    assert targets == [target for target in KNOWN if target in targets]
    assert targets[-1] == "SCALAR"
    expected, said = normalize(["batch"])
    assert said == ""
    for name in ["nonsense", "avx2", *set(KNOWN).difference(targets)]:
        outputs, said = normalize(["batch"], NORMKIT_TARGET=name)
        assert said.startswith(f"normkit: NORMKIT_TARGET='{name}' is unknown or not to be had")
        assert said.count("\n") == 1
        assert outputs == expected
    assert normalize(["batch"], NORMKIT_TARGET="") == (expected, "")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16], ids=lambda t: t.__name__)
@pytest.mark.parametrize("fmt", ["BCSS", "BSSC"])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer[0])
def test_every_target_gives_the_same_bytes(normalize, targets, layer, fmt, dtype):
    expected, _ = normalize(layer, fmt, dtype)
    for target in targets:
        outputs, said = normalize(layer, fmt, dtype, NORMKIT_TARGET=target, NORMKIT_VERBOSE="1")
        assert re.search(rf"^normkit: .* plan [KR]+\b.*\b{target}\b", said, re.M), said
        for name in OUTPUTS:
            assert outputs[name] == expected[name], f"{name} on {target}"


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer[0])
def test_every_schedule_gives_the_same_bytes(normalize, layer):
    expected, _ = normalize(layer)
    for path in ["fused", "two-passes"]:
        schedule = f"path={path},stores=streaming,group=3,threads=all"
        variables = {"NORMKIT_SCHEDULE": schedule, "NORMKIT_VERBOSE": "1", "OMP_NUM_THREADS": "2"}
        outputs, said = normalize(layer, **variables)
        assert outputs == expected, f"{path}: {said}"
        forward = said.splitlines()[0]
        assert "streaming stores, 2 threads" in forward
        assert ("two passes" in forward) == (path == "two-passes")
        assert forward.endswith("; not fused: NORMKIT_SCHEDULE") == (path == "two-passes")


def test_a_schedule_that_is_not_understood_is_told_and_ignored(normalize):
    expected, _ = normalize(["batch"])
    outputs, said = normalize(["batch"], NORMKIT_SCHEDULE="store=regular")
    assert said == (
        "normkit: NORMKIT_SCHEDULE='store=regular': 'store' is unknown, expected one of stores, path, group, threads, "
        "stores-from, fused-to, threads-from, group-to, ahead, rows-ahead, "
        "did you mean 'stores'?; ignored\n"
    )
    assert outputs == expected
    assert normalize(["batch"], NORMKIT_SCHEDULE="") == (expected, "")


def test_details_are_said_only_where_asked_for(normalize):
    _, said = normalize(["group", "--num-groups", "4"], "BSSC", NORMKIT_VERBOSE="1")
    lines = said.splitlines()
    assert len(lines) == 3
    for line, name in zip(lines, ["forward", "inference", "backward"]):
        expected = rf"normkit: group {name} f32 BSSC \[3,7,7,36\]: 12 statistics over S,C/4 of 441 values each, plan KRKR, kernel \w+ (fused columns|one pass), "
        assert re.fullmatch(expected + "regular stores, 1 thread", line)
    for verbose in ["0", ""]:
        assert normalize(["rms"], NORMKIT_VERBOSE=verbose)[1] == ""
