"""A training in PyTorch as it comes: its layers' initialization, Adam with its own rate of 1e-3."""

import torch
from torch.nn import functional as F

from networks_torch import MODELS


torch.set_num_threads(1)


def standardized(train, validation):
    """Pictures as PyTorch takes them, every channel with mean 0 and deviation 1 of the training data."""
    pictures = [torch.from_numpy(part.pixels).permute(0, 3, 1, 2) for part in (train, validation)]
    deviation, mean = torch.std_mean(pictures[0], (0, 2, 3), keepdim=True, correction=0)
    order = torch.channels_last
    return [((x - mean) / deviation).contiguous(memory_format=order) for x in pictures]


def train(network, norm, data, batch, epochs, seed):
    """Percent of data.validation that are right in the end, and the loss there."""
    torch.manual_seed(seed)
    x, held_out = standardized(*data)
    labels, wanted = (torch.from_numpy(part.labels) for part in data)
    model = MODELS[network](x.shape[1], data[0].classes, norm)
    model.eval()(x[:1])  # lazy layers learn their size
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters())
    model.train()
    for _ in range(epochs):
        for indices in torch.randperm(len(x)).split(batch):
            if len(indices) == 1:  # batch normalization learns nothing from it
                continue
            optimizer.zero_grad()
            F.cross_entropy(model(x[indices]), labels[indices]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        y = torch.cat([model(part) for part in held_out.split(256)])
    right = (y.argmax(1) == wanted).double().mean()
    return 100 * right.item(), F.cross_entropy(y, wanted).item()
