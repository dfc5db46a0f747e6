"""A training that is killed (SIGKILL) at any moment and resumed ends with the bytes of one that was not."""

import os
import random
import subprocess
import time

KILLS = int(os.environ.get("NORMKIT_KILLS", "3"))

RUN = ["--data", "digits:400", "--max-epochs", "6", "--mini-batch-size", "32", "--validation-frequency", "5",
       "--augment", "flip:0.1,shift,rotate,erase", "--micro-batch-size", "16", "--output-network", "best",
       "--label-smoothing", "0.1", "--class-weights", "balanced", "--learn-rate-warmup", "10", "--solver", "adamw",
       "--checkpoint-frequency", "2", "--checkpoint-frequency-unit", "iteration", "--seed", "3"]  # fmt: skip


def test_killed_and_resumed(normkit, program, tmp_path):
    begin = time.monotonic()
    normkit("train", *RUN, "--output", tmp_path / "whole")
    length = time.monotonic() - begin
    chance = random.Random(1)
    words = ["train", *RUN, "--output", str(tmp_path / "killed")]
    checkpoint = tmp_path / "killed/checkpoint.npz"
    kills = 0
    for _ in range(20 * KILLS):  # some end, or have not begun, before they are killed
        process = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.1, 2 * length / KILLS) if kills < KILLS else 120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        else:
            assert process.returncode == 0
            break
        if checkpoint.exists():
            words = ["train", "--resume", str(checkpoint)]
    assert kills > 0
    for name in ("model.onnx", "config.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
