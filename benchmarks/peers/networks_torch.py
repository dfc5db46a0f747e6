"""normkit's networks in PyTorch, layer by layer, with PyTorch's own initialization. The input layer of
normkit's networks, and its weight decay of convolution biases, have no counterpart here."""

import torch
from torch import nn
from torch.nn import functional as F


class RmsNorm2d(nn.RMSNorm):
    """Over the channels of each position."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def norm(name, channels):
    """`name` as in normkit train --norm."""
    if name == "none":
        return nn.Identity()
    if name.startswith("group:"):
        return nn.GroupNorm(int(name.removeprefix("group:")), channels)
    return {
        "batch": lambda: nn.BatchNorm2d(channels),
        "layer": lambda: nn.GroupNorm(1, channels),
        "instance": lambda: nn.InstanceNorm2d(channels, affine=True),
        "rms": lambda: RmsNorm2d(channels),
    }[name]()


def normed(name, channels, filters, size, stride=1):
    """A convolution and its norm; a bias where that has no offset."""
    bias = name in ("none", "rms")
    convolution = nn.Conv2d(channels, filters, size, stride, size // 2, bias=bias)
    return nn.Sequential(convolution, norm(name, filters))


class Block(nn.Module):
    def __init__(self, name, channels, filters, stride):
        super().__init__()
        self.first = normed(name, channels, filters, 3, stride)
        self.second = normed(name, filters, filters, 3)
        self.shortcut = normed(name, channels, filters, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = F.relu(self.first(x), inplace=True)
        return F.relu(self.second(y) + self.shortcut(x), inplace=True)


class ResnetTiny(nn.Sequential):
    def __init__(self, channels, classes, name="batch"):
        layers = [normed(name, channels, 16, 3), nn.ReLU(inplace=True)]
        for stage, filters in enumerate((16, 32, 64)):
            for block in range(3):
                first = stage > 0 and block == 0
                before = filters // 2 if first else filters
                layers.append(Block(name, before, filters, 2 if first else 1))
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


class SmallCnn(nn.Sequential):
    def __init__(self, channels, classes, name="batch"):
        layers = []
        for filters in (16, 32, 64):
            layers += [normed(name, channels, filters, 3), nn.ReLU(inplace=True)]
            layers.append(nn.MaxPool2d(2, ceil_mode=True))  # padding "same"
            channels = filters
        super().__init__(*layers, nn.Flatten(), nn.LazyLinear(classes))


class Unet(nn.Module):
    """Of pictures (dims 2) or volumes (3), three sizes, instance normalization."""

    def __init__(self, channels, classes, dims, width=16):
        super().__init__()
        convolution, transposed, pool, normalization = {
            2: (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.InstanceNorm2d),
            3: (nn.Conv3d, nn.ConvTranspose3d, nn.MaxPool3d, nn.InstanceNorm3d),
        }[dims]

        def block(before, filters):
            layers = []
            for channels in (before, filters):
                layers += [convolution(channels, filters, 3, padding=1, bias=False),
                           normalization(filters, affine=True), nn.ReLU(inplace=True)]  # fmt: skip
            return nn.Sequential(*layers)

        self.pool = pool(2)
        self.down = nn.ModuleList([block(channels, width), block(width, 2 * width)])
        self.middle = block(2 * width, 4 * width)
        self.grow = nn.ModuleList([transposed(4 * width, 2 * width, 2, 2), transposed(2 * width, width, 2, 2)])
        self.up = nn.ModuleList([block(4 * width, 2 * width), block(2 * width, width)])
        self.last = convolution(width, classes, 1)

    def forward(self, x):
        seen = []
        for block in self.down:
            x = block(x)
            seen.append(x)
            x = self.pool(x)
        x = self.middle(x)
        for grow, block in zip(self.grow, self.up, strict=True):
            x = block(torch.cat([seen.pop(), grow(x)], 1))
        return self.last(x)


MODELS = {
    "resnet-tiny": ResnetTiny,
    "small-cnn": SmallCnn,
    "unet": lambda channels, classes: Unet(channels, classes, 2),
    "unet-3d": lambda channels, classes: Unet(channels, classes, 3),
}
