"""A training that is killed (SIGKILL) at any moment and resumed ends with the bytes of one that was not."""

import os
import random
import subprocess
import time

KILLS = int(os.environ.get("NORMKIT_KILLS", "3"))

RUN = ["--data", "digits:400", "--max-epochs", str(3 + KILLS), "--mini-batch-size", "32", "--validation-frequency", "5",
       "--augment", "flip:0.1,shift,rotate,erase", "--micro-batch-size", "16", "--output-network", "best",
       "--label-smoothing", "0.1", "--class-weights", "balanced", "--learn-rate-warmup", "10", "--solver", "adamw",
       "--checkpoint-frequency", "2", "--checkpoint-frequency-unit", "iteration", "--seed", "3"]  # fmt: skip


def killed(words, checkpoint, changes, delay):
    """Whether it was, a moment after its checkpoint changed so often; else it has ended."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen = set()
    while process.poll() is None:
        if checkpoint.exists():
            seen.add(checkpoint.stat().st_mtime_ns)
        if len(seen) > changes:
            time.sleep(delay)
            process.kill()
            return process.wait() != 0
        time.sleep(0.0005)
    assert process.returncode == 0
    return False


def test_killed_and_resumed(normkit, program, tmp_path):
    normkit("train", *RUN, "--output", tmp_path / "whole")
    chance = random.Random(1)
    checkpoint = tmp_path / "killed/checkpoint.npz"
    words = [program, "train", *RUN, "--output", tmp_path / "killed"]
    kills = 0
    while kills < KILLS and killed(words, checkpoint, chance.randint(1, 5), chance.uniform(0, 0.01)):
        kills += 1
        words = [program, "train", "--resume", checkpoint]
    assert kills > 0  # of a run of some thirty checkpoints, the first after two to six of them
    if checkpoint.exists():
        normkit("train", "--resume", checkpoint)
    for name in ("model.onnx", "config.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
