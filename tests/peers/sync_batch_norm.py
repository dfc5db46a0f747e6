"""A few steps of training with SyncBatchNorm: alone on all observations, or by torchrun on a part of them a rank.

Prints the rank, its part of the losses, and the running variance with the last scale.
"""

import json
import os

import normkit.torch as nt
import torch
import torch.distributed as dist

CUTS = [0, 5, 16]  # ranks have different numbers of observations


def main():
    ranks = dist.is_torchelastic_launched()
    if ranks:
        dist.init_process_group("gloo")
    rank = dist.get_rank() if ranks else 0
    torch.manual_seed(1)
    x, target = torch.randn(16, 3, 8, 8) * 3 + 5, torch.randn(16, 4)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3), nt.SyncBatchNorm(6).fuse("relu"), torch.nn.Flatten(), torch.nn.Linear(216, 4)
    ).double()  # fmt: skip
    norm = model[1]
    part = slice(CUTS[rank], CUTS[rank + 1]) if ranks else slice(None)
    x, target = x.double()[part], target.double()[part]
    trained = torch.nn.parallel.DistributedDataParallel(model) if ranks else model
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    losses = []
    for _ in range(10):
        loss = (trained(x) - target).square().sum() / (16 * 4)
        optimizer.zero_grad()
        (loss * (2 if ranks else 1)).backward()  # gradients of ranks are averaged
        optimizer.step()
        losses.append(loss.item())
    line = json.dumps([rank, losses, norm.running_var.tolist() + norm.weight.tolist()])
    os.write(1, f"{line}\n".encode())  # in one piece, for ranks share the pipe
    if ranks:
        dist.destroy_process_group()
        os._exit(0)  # one time in six PyTorch's threads abort the interpreter as it ends, with its own BatchNorm as well


if __name__ == "__main__":
    main()
