"""Four networks as their papers have them, small, with random weights: what normkit.torch.replace changes."""

import copy
import dataclasses
from unittest import mock

import normkit.torch as nt
import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    """Two convolutions of He et al. 2016 with batch normalization."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.one = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.two = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.short = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.norm2(self.two(F.relu(self.norm1(self.one(x)))))
        return F.relu(y + self.short(x))


def resnet18():
    stages, inputs = [], 32
    for outputs, stride in ((32, 1), (64, 2), (128, 2), (256, 2)):
        stages += [Residual(inputs, outputs, stride), Residual(outputs, outputs, 1)]
        inputs = outputs
    head = [nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
    return nn.Sequential(*head, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10)), (8, 3, 64, 64)


class UNet3d(nn.Module):
    """Convolutions over volumes with instance normalization, one level down and up."""

    def __init__(self):
        super().__init__()
        self.down, self.deep, self.up = self.pair(1, 16), self.pair(16, 32), self.pair(48, 16)
        self.last = nn.Conv3d(16, 2, 1)

    @staticmethod
    def pair(inputs, outputs):
        layers = []
        for channels in (inputs, outputs):
            layers += [nn.Conv3d(channels, outputs, 3, padding=1), nn.InstanceNorm3d(outputs, affine=True), nn.LeakyReLU()]
        return nn.Sequential(*layers)

    def forward(self, x):
        high = self.down(x)
        deep = F.interpolate(self.deep(F.max_pool3d(high, 2)), scale_factor=2)
        return self.last(self.up(torch.cat([high, deep], 1)))


class Diffuser(nn.Module):
    """Residual blocks of group normalization, SiLU and convolutions, with a time (Ho et al. 2020)."""

    def __init__(self, channels=64):
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        self.time = nn.Linear(1, channels)
        self.blocks = nn.ModuleList(self.block(channels) for _ in range(4))
        self.last = nn.Sequential(nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, 3, 3, padding=1))

    @staticmethod
    def block(channels):
        layers = []
        for _ in range(2):
            layers += [nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1)]
        return nn.Sequential(*layers)

    def forward(self, x):
        h = self.first(x) + self.time(x.new_full((1, 1), 0.3))[:, :, None, None]
        for number, block in enumerate(self.blocks):
            if number == 2:
                h = F.avg_pool2d(h, 2)
            h = h + block(h)
        return self.last(F.interpolate(h, scale_factor=2))


class LlamaBlock(nn.Module):
    """Attention and a gated perceptron behind RMS normalizations (Touvron et al. 2023)."""

    def __init__(self, width=256, heads=4):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.RMSNorm(width, eps=1e-6), nn.RMSNorm(width, eps=1e-6)
        self.packed, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.gate, self.up = nn.Linear(width, 4 * width, bias=False), nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        batch, steps, width = x.shape
        split = self.packed(self.norm1(x)).view(batch, steps, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(*split, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, steps, width))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


NETWORKS = {
    "ResNet-18, [8,3,64,64]": resnet18,
    "U-Net 3-D, instance norm, [1,1,32,32,32]": lambda: (UNet3d(), (1, 1, 32, 32, 32)),
    "diffusion U-Net, group norm, [4,3,32,32]": lambda: (Diffuser(), (4, 3, 32, 32)),
    "Llama, 4 blocks, RMS norm, [2,256,256]": lambda: (nn.Sequential(*[LlamaBlock() for _ in range(4)]), (2, 256, 256)),
}


@dataclasses.dataclass
class Comparison:
    swapped: int
    output: float  # relative to the largest
    # Gradients, the worst parameter's, relative to its largest: in f64, and in f32 from PyTorch's in f64. Behind a ReLU
    # a rounding can switch an element, of anyone's; `alike` are with the switches of f64.
    gradient: float
    theirs_from_f64: float
    own_from_f64: float
    theirs_alike: float
    own_alike: float
    steps: list


class Switches:
    """Which elements the ReLUs of a network let through, in the order of its calls: as the first run has it."""

    def __init__(self):
        self.kept, self.call = [], None

    def through(self, x, negative_slope=0.0, inplace=False):
        if self.call is None:
            self.kept.append(x > 0)
        else:
            self.call += 1
        return torch.where(self.kept[-1 if self.call is None else self.call - 1], x, negative_slope * x)

    def run(self, call):
        leaky = lambda x, negative_slope=0.01, inplace=False: self.through(x, negative_slope)  # noqa: E731
        with mock.patch.object(F, "relu", self.through), mock.patch.object(F, "leaky_relu", leaky):
            result = call()
        self.call = 0
        return result


def apart(a, b, of=None):
    """How far b is from a, beside the largest of a."""
    return float((a - b).detach().abs().max()) / (of or float(a.detach().abs().max()))


def gradients_apart(wanted, got):
    """Of the worst parameter. Biases in front of a normalization have the gradient 0 but for rounding: these beside the
    largest of all."""
    largest = max(float(g.abs().max()) for g in wanted)
    return max(
        apart(a, b.to(a.dtype), largest if float(a.abs().max()) < 1e-12 * largest else None)
        for a, b in zip(wanted, got)
    )


def gradients(network, x, dy):
    parameters = list(network.parameters())
    y = network(x.to(parameters[0].dtype))
    return torch.autograd.grad(y, parameters, dy.to(y.dtype))


def compare(build, small=False, seed=0):
    """small: half of each axis of space."""
    torch.manual_seed(seed)
    theirs, shape = build()
    if small:
        shape = tuple(size // 2 if size in (32, 64) else size for size in shape)
    own = copy.deepcopy(theirs)
    report = nt.replace(own)
    x = torch.randn(shape)
    y = theirs(x)
    dy = torch.randn_like(y)
    theirs64, own64 = (copy.deepcopy(network).double() for network in (theirs, own))
    wanted = gradients(theirs64, x, dy)
    switches = Switches()
    alike = [switches.run(lambda n=n: gradients(n, x, dy)) for n in (theirs64, theirs, own)]
    return Comparison(
        len(report.swapped), apart(y, own(x)), gradients_apart(wanted, gradients(own64, x, dy)),
        *(gradients_apart(wanted, gradients(network, x, dy)) for network in (theirs, own)),
        *(gradients_apart(alike[0], other) for other in alike[1:]),
        [lambda n=n: gradients(n, x, dy) for n in (theirs, own)],
    )  # fmt: skip
