"""Networks as people write them in PyTorch, small, with what each reads and the norms it has."""

import torch
from torch import nn
from torch.nn import functional as F


class ConvLayer(nn.Sequential):
    def __init__(self, channels, filters, size, stride=1, norm=True):
        layers = [nn.ReflectionPad2d(size // 2), nn.Conv2d(channels, filters, size, stride)]
        super().__init__(*layers, *([nn.InstanceNorm2d(filters, affine=True)] if norm else []))


class StyleBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first, self.second = ConvLayer(channels, channels, 3), ConvLayer(channels, channels, 3)

    def forward(self, x):
        return x + self.second(F.relu(self.first(x)))


class Style(nn.Module):
    """Johnson et al. 2016 with Ulyanov's instance normalization: 10 of them."""

    def __init__(self, width=8):
        super().__init__()
        self.down = nn.ModuleList([ConvLayer(3, width, 9), ConvLayer(width, 2 * width, 3, 2),
                                   ConvLayer(2 * width, 4 * width, 3, 2)])  # fmt: skip
        self.blocks = nn.Sequential(StyleBlock(4 * width), StyleBlock(4 * width))
        self.up = nn.ModuleList([ConvLayer(4 * width, 2 * width, 3), ConvLayer(2 * width, width, 3)])
        self.last = ConvLayer(width, 3, 9, norm=False)

    def forward(self, x):
        for layer in self.down:
            x = F.relu(layer(x))
        x = self.blocks(x)
        for layer in self.up:
            x = F.relu(layer(F.interpolate(x, scale_factor=2, mode="nearest")))
        return self.last(x)


class ResidualBlock(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters))  # fmt: skip
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(channels, filters, 1, stride)

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def residual():
    """Batch norms, which exporters may fold into convolutions."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1), ResidualBlock(8, 8, 1),
        ResidualBlock(8, 16, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 10))  # fmt: skip
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return net


class UNet(nn.Module):
    """Instance norm and leaky ReLU, transposed convolutions, skips: 5 norms; 2-D or 3-D."""

    def __init__(self, dims):
        super().__init__()
        self.convolution = (nn.Conv2d, nn.Conv3d)[dims - 2]
        self.norm = (nn.InstanceNorm2d, nn.InstanceNorm3d)[dims - 2]
        transposed = (nn.ConvTranspose2d, nn.ConvTranspose3d)[dims - 2]
        self.down = nn.ModuleList([self.block(2, 6, 1), self.block(6, 8, 2), self.block(8, 12, 2)])
        self.up = nn.ModuleList([transposed(12, 8, 2, 2), transposed(8, 6, 2, 2)])
        self.join = nn.ModuleList([self.block(16, 8, 1), self.block(12, 6, 1)])
        self.last = self.convolution(6, 3, 1)

    def block(self, channels, filters, stride):
        return nn.Sequential(self.convolution(channels, filters, 3, stride, 1), self.norm(filters, affine=True),
                             nn.LeakyReLU(0.01))  # fmt: skip

    def forward(self, x):
        skips = []
        for block in self.down:
            skips.append(x := block(x))
        for up, join, skip in zip(self.up, self.join, skips[-2::-1]):
            x = join(torch.cat([up(x), skip], dim=1))
        return F.softmax(self.last(x), dim=1)


class Transformer(nn.Module):
    """A block that normalizes first: attention by hand, GELU; and a norm at the end: 3."""

    def __init__(self, width=24, heads=4, norm=nn.LayerNorm):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([norm(width) for _ in range(3)])
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def attend(self, x):
        batch, time, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, time, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        weights = F.softmax(q @ k.transpose(-2, -1) / (width // self.heads) ** 0.5, dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, time, width))

    def forward(self, x):
        x = x + self.attend(self.norms[0](x))
        return self.norms[2](x + self.mlp(self.norms[1](x)))


class FusedTransformer(Transformer):
    """With PyTorch's own attention."""

    def attend(self, x):
        batch, time, width = x.shape
        q, k, v = (
            part.reshape(batch, time, self.heads, -1).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1)
        )  # fmt: skip
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).reshape(batch, time, width))


def groups():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(4, 8), nn.SiLU(), nn.Conv2d(8, 6, 3),
                         nn.GroupNorm(1, 6))  # fmt: skip


def spread(net):
    """Scales and offsets as a training may leave them."""
    for layer in net.modules():
        if "Norm" in type(layer).__name__ and getattr(layer, "weight", None) is not None:
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            if getattr(layer, "bias", None) is not None:
                nn.init.normal_(layer.bias)
    return net.eval()


# name: (network, shape of x, axes of any size, norm, how many)
NETWORKS = {
    "style": (Style, (1, 3, 36, 44), (2, 3), "instance", 10 - 1),
    "residual": (residual, (2, 3, 32, 32), (0,), "batch", 5),
    "u-net-2d": (lambda: UNet(2), (2, 2, 24, 16), (0,), "instance", 5),
    "u-net-3d": (lambda: UNet(3), (1, 2, 16, 12, 8), (0,), "instance", 5),
    "transformer": (Transformer, (2, 7, 24), (0, 1), "layer", 3),
    "transformer-fused": (FusedTransformer, (2, 7, 24), (0, 1), "layer", 3),
    "transformer-rms": (lambda: Transformer(norm=nn.RMSNorm), (2, 7, 24), (0, 1), "rms", 3),
    "groups": (groups, (2, 3, 12, 10), (0,), "group", 2),
}
