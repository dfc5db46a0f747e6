"""A training step in PyTorch, in a process of its own: reads a number of seconds from each line of
its input, measures for so long, and prints the times as JSON.

    training_torch.py NETWORK SETTING BATCH THREADS
"""

import json
import math
import sys
import time

import torch
from torch.nn import functional as F

from networks_torch import MODELS
from training_networks import CLASSES, DEPTH, NETWORKS

LEARN_RATE, MOMENTUM, WEIGHT_DECAY = 1e-3, 0.9, 1e-4


def status(name):
    """A line of /proc/self/status in bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


class TrainingStep:
    def __init__(self, network, setting, batch):
        torch.manual_seed(1)
        height, width, channels = NETWORKS[network]
        space = (DEPTH, height, width) if network.endswith("-3d") else (height, width)
        last = torch.channels_last_3d if len(space) == 3 else torch.channels_last
        order = last if "channels last" in setting else torch.contiguous_format
        self.model = MODELS[network](channels, CLASSES)
        self.x = torch.randn(batch, channels, *space).to(memory_format=order)
        answers = (batch, *space) if network.startswith("unet") else (batch,)
        self.labels = torch.arange(math.prod(answers)).reshape(answers) % CLASSES
        self.model.eval()(self.x[:1])  # lazy layers learn their size
        self.model.train().to(memory_format=order)
        self.run = torch.compile(self.model, dynamic=False) if "compiled" in setting else self.model
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), LEARN_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY, fused=True
        )

    def __call__(self):
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.run(self.x), self.labels).backward()
        self.optimizer.step()


def times_of(step, seconds):
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def main():
    network, setting, batch, threads = *sys.argv[1:3], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    before = status("VmRSS")
    step = TrainingStep(network, setting, batch)
    times_of(step, 0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew: a compiler's is not counted
    times_of(step, 0)
    facts = {
        "learnables": sum(p.numel() for p in step.model.parameters()),
        "peak_bytes": status("VmHWM") - before,
        "version": torch.__version__,
    }
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        print(json.dumps(times_of(step, float(line))), flush=True)


if __name__ == "__main__":
    main()
