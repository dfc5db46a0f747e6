"""`normkit bench`: what it prints, not how fast anything is."""

import csv
import json
import re

import pytest

CELL = ["--layer", "group", "--num-groups", 2, "--shape", "2,4,3", "--format", "BCS"]
QUICK = ["--seconds", 0, "--limit", 40]


def test_a_json_line_a_cell(normkit):
    text = normkit(
        "bench", *CELL, *QUICK, "--op", "forward,inference,backward", "--dtype", "f32,bf16,f64,f16",
        "--threads", "1,2", "--json",
    ).stdout  # fmt: skip
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == 3 * 4 * 2
    keys = "op layer shape format dtype num_groups hot threads plan kernel ms gbps limit_gbps fraction"
    for line in lines:
        assert list(line) == keys.split()
        assert line["layer"] == "group" and line["shape"] == [2, 4, 3] and line["format"] == "BCS"
        assert line["limit_gbps"] == 40 and line["ms"] > 0 and line["plan"] == "KR"
        assert re.fullmatch(r"\w+ fused rows, groups of \d+ units, regular stores, 1 thread", line["kernel"])
        bytes_ = 24 * {"f32": 4, "bf16": 2, "f64": 8, "f16": 2}[line["dtype"]]
        bytes_ *= 3 if line["op"] == "backward" else 2
        assert line["gbps"] == pytest.approx(bytes_ / line["ms"] / 1e6, rel=0.1, abs=1e-3)
        assert line["fraction"] == pytest.approx(line["gbps"] / 40, abs=1e-3)
    assert {(line["op"], line["dtype"], line["threads"]) for line in lines} == {
        (op, dtype, threads)
        for op in ["forward", "inference", "backward"]
        for dtype in ["f32", "bf16", "f64", "f16"]
        for threads in [1, 2]
    }


def test_the_limit_is_measured(normkit):
    done = normkit("bench", *CELL, "--seconds", 0, "--json")
    assert 0.05 < json.loads(done.stdout)["limit_gbps"] < 1e5
    assert done.stderr == ""


def test_tables_and_history(normkit, tmp_path):
    history = tmp_path / "history.csv"
    text = normkit("bench", *CELL, *QUICK, "--history", history).stdout
    assert text.startswith("op ") and "group" in text
    markdown = normkit("bench", *CELL, *QUICK, "--md", "--hot", "--history", history).stdout
    assert markdown.startswith("| op") and "[2,4,3] hot" in markdown
    rows = list(csv.DictReader(history.open(newline="")))
    assert [row["shape"] for row in rows] == ["[2,4,3]", "[2,4,3] hot"]
    assert all(row["time"].endswith("Z") and row["limit GB/s"] == "40.0" for row in rows)


def test_kinds_of_values(normkit):
    kinds = ["normal", "nan", "infinity", "1e25", "1e-20", "denormal", "zero", "some-nan", "some-1e25"]
    for dtype in ("f32", "f64", "bf16", "f16"):
        text = normkit("bench", *CELL, *QUICK, "--dtype", dtype, "--op", "forward,backward", "--values",
                       ",".join(kinds), "--json").stdout  # fmt: skip
        lines = [json.loads(line) for line in text.splitlines()]
        assert [line.get("values", "normal") for line in lines] == 2 * kinds
    table = normkit("bench", *CELL, *QUICK, "--values", "nan,normal").stdout
    assert "[2,4,3] of nan" in table and "[2,4,3] " in table


def test_the_table_by_value(normkit):
    cells = [json.loads(line) for line in normkit("bench", "--by-value", "--list").stdout.splitlines()]
    assert all(cell["hot"] for cell in cells)
    layers = {"batch", "instance", "layer", "group", "rms", "group-rms", "l2", "scale", "mean-only"}
    for dtype in ("f32", "bf16", "f64"):
        for op in ("forward", "backward"):
            of = [cell for cell in cells if (cell["dtype"], cell["op"]) == (dtype, op)]
            assert {cell["layer"] for cell in of} == layers
            assert all(cell.get("values") == kind for cell, kind in zip(of[1:], [
                "nan", "infinity", "1e25", "1e-20", "denormal", "zero", "some-nan", "some-1e25"]))  # fmt: skip
    chosen = ["--layer", "rms", "--op", "forward", "--dtype", "f64", "--shape", "2000,80", "--threads", "1", *QUICK]
    header, line = normkit("bench", "--by-value", *chosen, "--values", "zero,nan", "--md").stdout.splitlines()[::2]
    assert [cell.strip() for cell in header.split("|")[1:-1]] == [
        "op", "layer", "shape", "format", "dtype", "threads", "zero ms", "nan", "most"]  # fmt: skip
    columns = [cell.strip() for cell in line.split("|")[1:-1]]
    assert columns[:6] == ["forward", "rms", "[2000,80]", "BC", "f64", "1"]
    ms, ratio, most = (float(cell) for cell in columns[6:])
    assert ms > 0 and ratio > 0 and most == max(ratio, 1)
    lines = [json.loads(line) for line in normkit("bench", "--by-value", *chosen, "--json").stdout.splitlines()]
    assert len(lines) == 9 and all(line["limit_gbps"] == 40 for line in lines)


def test_the_table_of_shapes(normkit):
    lines = normkit("bench", "--table", "--list").stdout.splitlines()
    cells = [json.loads(line) for line in lines]
    assert {cell["layer"] for cell in cells} == {"batch", "layer", "instance", "group", "rms"}
    assert {cell["op"] for cell in cells} == {"forward", "inference", "backward"}
    assert {cell["dtype"] for cell in cells} == {"f32", "bf16"}
    assert len({line for line in lines}) == len(lines)
    chosen = normkit("bench", "--table", "--list", "--layer", "batch", "--op", "inference",
                     "--dtype", "f32", "--format", "BSSC").stdout  # fmt: skip
    assert chosen.count("\n") == 3


@pytest.mark.parametrize("table", ["--short", "--unusual"])
def test_the_other_tables(normkit, table):
    cells = [json.loads(line) for line in normkit("bench", table, "--list").stdout.splitlines()]
    assert {cell["op"] for cell in cells} == {"forward", "backward"}
    assert {cell["dtype"] for cell in cells} == {"f32", "bf16"}
    assert len({json.dumps(cell) for cell in cells}) == len(cells)
    known = {"op", "layer", "shape", "format", "dtype", "num_groups", "hot", "residual"}  # to benchmarks/peers/cells.py
    assert all(set(cell) <= known for cell in cells)


def test_a_residual(normkit):
    text = normkit("bench", *CELL, *QUICK, "--residual", "--op", "forward,inference,backward", "--json",
                   "--slices", 2).stdout  # fmt: skip
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == 3 and all(line["residual"] for line in lines)
    for line in lines:  # x, residual, sum and y; x, dy and dx, which is read and written
        assert line["gbps"] == pytest.approx(4 * 24 * 4 / line["ms"] / 1e6, rel=0.1, abs=1e-3)
    assert "[2,4,3] with residual" in normkit("bench", *CELL, *QUICK, "--residual").stdout


def test_groups_and_dimensions_behind_the_name(normkit):
    short = normkit("bench", "--list", "--layer", "group:2", *CELL[4:]).stdout
    assert short == normkit("bench", "--list", *CELL).stdout and json.loads(short)["num_groups"] == 2
    line = normkit("bench", "--list", "--layer", "layer:channel-only", *CELL[4:]).stdout
    assert json.loads(line)["operation_dimension"] == "channel-only"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--shape", "2,3", "--format", "BC"], "--layer: one is needed (or --table)"),
        (["--layer", "batch", "--shape", "2,3"], "--format: one is needed (or --table)"),
        (["--layer", "group:2", "--table"],
         "--table: its cells have groups, dimensions and residuals of their own, but some are given"),
        (["--unusual", "--residual"],
         "--unusual: its cells have groups, dimensions and residuals of their own, but some are given"),
        (["--network", "mlp", "--residual"], "--network: its layers are the cells, but some are given"),
        (["--network", "mlp", "--unusual"], "--network: its layers are the cells, but some are given"),
        (["--table", "--unusual"], "--table: given together with --unusual, expected one of them"),
        (["--layer", "group:2", "--num-groups", 4], "--num-groups: '4' given, but --layer says another"),
        (["--layer", "batch:2", "--shape", "2,3"],
         "--layer: 'batch:2' given, expected nothing after the colon of batch"),
        (["--layer", "batch", "--format", "BC"], "--shape: needed (or --table)"),
    ],
)
def test_wrong_command_line(normkit, arguments, message):
    done = normkit("bench", *arguments, code=2)
    assert done.stderr == f"normkit bench: {message} (see normkit bench --help)\n"


def test_a_layer_that_does_not_fit(normkit):
    done = normkit("bench", *CELL, "--num-groups", 3, code=2)
    assert "--num-groups: given 2 times ('2', '3'), expected once" in done.stderr
    done = normkit("bench", "--layer", "group", "--num-groups", 3, *CELL[4:], code=1)
    expected = "group normalization: 3 groups do not divide 4 channels of BCS [2,4,3]"
    assert done.stderr == f"normkit: {expected}\n"
    done = normkit("bench", "--table", "--format", "TBC", code=1)
    assert "no cell of the table has all of the properties" in done.stderr


def test_a_training_step_of_a_network(normkit):
    text = normkit("bench", "--network", "small-cnn", "--norm", "group:4", "--input", "12,10,2", "--batch", 3,
                   "--classes", 4, "--threads", "1,2", "--seconds", 0, "--json").stdout  # fmt: skip
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["threads"] for line in lines] == [1, 2]
    for line in lines:
        assert line["network"] == "small-cnn" and line["norm"] == "group:4" and line["batch"] == 3
        kernels = 9 * (2 * 16 + 16 * 32 + 32 * 64)
        assert line["learnables"] == kernels + 2 * (16 + 32 + 64) + 2 * 2 * 64 * 4 + 4
        assert line["step_ms"] > 0 and line["images_per_second"] > 0
        assert 4 * 12 * 10 * 16 * 3 < line["arena_bytes"] < line["peak_bytes"] < 1e9
    table = normkit("bench", "--network", "mlp", "--input", "4,4,1", "--seconds", 0).stdout
    assert table.startswith("network") and "4x4x1" in table


def test_the_input_of_a_network_file_is_its_own(normkit, tmp_path):
    layers = [{"type": "feature_input", "num_features": 7}, {"type": "fully_connected", "output_size": 3},
              {"type": "softmax"}]  # fmt: skip
    (tmp_path / "net.json").write_text(json.dumps({"layers": layers}))
    text = normkit("bench", "--network", tmp_path / "net.json", "--seconds", 0, "--json").stdout
    assert json.loads(text)["input"] == [7]
