"""Normalization layers in extended precision, written from the definitions alone.

Nothing here knows how normkit computes. np.longdouble has a 64-bit significand on x86-64: 2^-64 is
2^40 times finer than f32, so what it rounds does not show in a bound made of 2^-24; for f64 it is
2^11 times finer.
"""

import dataclasses
import statistics

import numpy as np

WIDE = np.longdouble


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer as the command line names it."""

    name: str
    operation_dimension: str | None = None
    num_groups: int | str | None = None

    def options(self):
        result = ["--layer", self.name]
        if self.operation_dimension:
            result += ["--operation-dimension", self.operation_dimension]
        if self.num_groups:
            result += ["--num-groups", self.num_groups]
        return result

    def reduced(self, fmt):
        """The letters a statistic runs over: the table of the layers."""
        if self.name == "batch":
            return "BST"
        if self.name == "instance":
            return "ST"
        if self.name == "rms":
            return "C"
        if self.name in ("group", "group-rms"):
            return "CST"  # C within a group
        dimension = self.operation_dimension or "batch-excluded"
        if dimension == "auto":
            dimension = self.automatic(fmt)
        return {"batch-excluded": "SCT", "channel-only": "C", "spatial-channel": "SC"}[dimension]

    def automatic(self, fmt):
        """What auto is: images are all that has two axes of space or more, and no time."""
        image = "T" not in fmt and fmt.count("S") >= 2
        return "spatial-channel" if image else "channel-only"

    def groups(self, channels):
        return {None: 1, "all-channels": 1, "channel-wise": channels}.get(
            self.num_groups, self.num_groups
        )


class Normalization:
    """One layer on arrays of one format and shape.

    Inside, the channel axis is split into groups x channels per group, so that every statistic and
    every parameter is an array that broadcasts against x.
    """

    def __init__(self, layer, fmt, shape, epsilon=1e-5):
        self.shape = tuple(shape)
        self.epsilon = WIDE(epsilon)
        self.centered = layer.name not in ("rms", "group-rms")
        channel_axis = fmt.index("C")
        channels = shape[channel_axis]
        groups = layer.groups(channels)
        labels = fmt[:channel_axis] + "GC" + fmt[channel_axis + 1 :]
        self.split = (
            self.shape[:channel_axis]
            + (groups, channels // groups)
            + self.shape[channel_axis + 1 :]
        )
        reduced = layer.reduced(fmt)
        if layer.name not in ("group", "group-rms", "batch", "instance"):
            reduced += "G"  # one group: all channels
        self.reduced = tuple(i for i, label in enumerate(labels) if label in reduced)
        self.not_channels = tuple(i for i, label in enumerate(labels) if label not in "GC")
        self.statistics_shape = tuple(
            1 if i in self.reduced else size for i, size in enumerate(self.split)
        )
        self.parameters_shape = tuple(
            1 if i in self.not_channels else size for i, size in enumerate(self.split)
        )

        self.labels = labels

    def num_statistics(self):
        return int(np.prod(self.statistics_shape))

    def reduced_count(self):
        return int(np.prod([self.split[i] for i in self.reduced]))

    def reduced_letters(self):
        """The axes of a statistic, as they are named: C/4 are the channels of one of 4 groups."""
        groups = self.split[self.labels.index("G")]
        letters = dict.fromkeys(self.labels[i] for i in self.reduced)  # each once
        if "C" in letters and "G" not in letters and groups > 1:
            return ",".join(f"C/{groups}" if letter == "C" else letter for letter in letters)
        return ",".join(letter for letter in letters if letter != "G")

    def wide(self, x):
        """x in extended precision, channels split."""
        return x.astype(WIDE).reshape(self.split)

    def parameters(self, values):
        return values.astype(WIDE).reshape(self.parameters_shape)

    def statistics(self, x):
        """(mean, variance) of x; the mean is 0 where the layer does not subtract it."""
        x = self.wide(x)
        mean = x.mean(axis=self.reduced, keepdims=True, dtype=WIDE)
        if not self.centered:
            mean = np.zeros_like(mean)
        else:  # once more, against the rounding of the first sum
            mean = mean + (x - mean).mean(axis=self.reduced, keepdims=True, dtype=WIDE)
        variance = ((x - mean) ** 2).mean(axis=self.reduced, keepdims=True, dtype=WIDE)
        return mean, variance

    def given(self, values):
        return values.astype(WIDE).reshape(self.statistics_shape)

    def rstd(self, variance):
        return 1 / np.sqrt(variance + self.epsilon)

    def forward(self, x, gamma, beta, mean, variance):
        """(y, xhat), split."""
        xhat = (self.wide(x) - mean) * self.rstd(variance)
        return self.parameters(gamma) * xhat + self.parameters(beta), xhat

    def mean_over_reduced(self, values):
        return values.mean(axis=self.reduced, keepdims=True, dtype=WIDE)

    def sum_per_channel(self, values):
        return values.sum(axis=self.not_channels, keepdims=True, dtype=WIDE)

    def backward(self, xhat, dy, gamma, variance, fixed_statistics=False):
        """(dx, dgamma, dbeta), split."""
        dy = self.wide(dy)
        w = self.parameters(gamma) * dy
        dx = w
        if not fixed_statistics:
            dx = w - xhat * self.mean_over_reduced(w * xhat)
            if self.centered:
                dx = dx - self.mean_over_reduced(w)
        return dx * self.rstd(variance), self.sum_per_channel(dy * xhat), self.sum_per_channel(dy)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def tanh_gelu_argument(z):
    return 2 * np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)


NORMAL = statistics.NormalDist()
ELU_ALPHA = 1.5
# Value and derivative of each, by name as the program has it; a leaky ReLU of slope 1/8.
ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: z > 0),
    "leaky-relu": (lambda z: np.where(z > 0, z, z / 8), lambda z: np.where(z > 0, 1, 0.125)),
    "gelu": (
        lambda z: z * np.vectorize(NORMAL.cdf)(z),
        lambda z: np.vectorize(NORMAL.cdf)(z) + z * np.vectorize(NORMAL.pdf)(z),
    ),
    "gelu-tanh": (
        lambda z: z * sigmoid(tanh_gelu_argument(z)),
        lambda z: sigmoid(tanh_gelu_argument(z))
        + z
        * sigmoid(tanh_gelu_argument(z))
        * sigmoid(-tanh_gelu_argument(z))
        * (2 * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * z**2)),
    ),
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * sigmoid(-z))),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "hard-swish": (
        lambda z: z * np.clip(z + 3, 0, 6) / 6,
        lambda z: np.where(z <= -3, 0, np.where(z >= 3, 1, z / 3 + 0.5)),
    ),
    "elu": (
        lambda z: np.where(z > 0, z, ELU_ALPHA * np.expm1(z)),
        lambda z: np.where(z > 0, 1, ELU_ALPHA * np.exp(z)),
    ),
    "softplus": (lambda z: np.log1p(np.exp(z)), sigmoid),
}
