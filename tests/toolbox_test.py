"""docs/toolbox.md names the tests that hold its rows: they are there, and every training option has a row."""

import re

from conftest import ROOT

TEXT = (ROOT / "docs/toolbox.md").read_text(encoding="utf-8")
NAMED = re.findall(r"(?<=[\[ ])((?:[A-Z]\w+\.|\w+\.py::)[a-zA-Z]\w+)(?=[\],])", TEXT)

# Those of the documentation of trainingOptions, for all of its solvers.
OPTIONS = """MaxEpochs MiniBatchSize Shuffle InitialLearnRate LearnRateSchedule LearnRateDropPeriod LearnRateDropFactor
L2Regularization Momentum GradientDecayFactor SquaredGradientDecayFactor Epsilon GradientThreshold GradientThresholdMethod
ResetInputNormalization BatchNormalizationStatistics ValidationData ValidationFrequency ValidationPatience OutputNetwork
Metrics ObjectiveMetricName Verbose VerboseFrequency Plots OutputFcn CheckpointPath CheckpointFrequency
CheckpointFrequencyUnit InputDataFormats TargetDataFormats CategoricalInputEncoding CategoricalTargetEncoding SequenceLength
SequencePaddingDirection SequencePaddingValue ExecutionEnvironment WorkerLoad Acceleration PreprocessingEnvironment
DispatchInBackground MaxIterations GradientTolerance StepTolerance LineSearchMethod HistorySize
InitialInverseHessianFactor MaxNumLineSearchIterations InitialStepSize InitialDampingFactor MaxDampingFactor
DampingIncreaseFactor DampingDecreaseFactor""".split()


def cpp_tests():
    found = set()
    for path in (ROOT / "src").rglob("*_test.cc"):
        found |= {f"{a}.{b}" for a, b in re.findall(r"^TEST(?:_P|_F)?\((\w+),\s*(\w+)", path.read_text(), re.M)}
    return found


def python_tests():
    return {f"{path.name}::{name}" for path in (ROOT / "tests").rglob("*_test.py")
            for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M)}  # fmt: skip


def test_every_test_that_is_named_is_there():
    there = cpp_tests() | python_tests()
    assert len(NAMED) > 60
    assert [name for name in NAMED if name not in there] == []


def test_every_training_option_has_a_row():
    table = TEXT.split("<!-- trainingOptions -->")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    named = " ".join(row[0] for row in rows)
    assert [option for option in OPTIONS if f"`{option}`" not in named] == []
    for option, ours, why in rows:  # held by a test, or said why there is none
        assert why and ("[" in why) == (ours != "none") or "Acceleration" in option or "Encoding" in option, option
