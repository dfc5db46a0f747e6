"""The cells to measure, as `normkit bench --table --list` (--short, --unusual) has them, and arrays for them."""

import dataclasses
import json
import os
import subprocess

import ml_dtypes
import numpy as np

DTYPES = {"f32": np.dtype(np.float32), "bf16": np.dtype(ml_dtypes.bfloat16)}
COLD_BYTES = 1 << 30  # all arrays of a cold cell together, at least: more than any cache
EPSILON = 1e-5


@dataclasses.dataclass(frozen=True)
class Cell:
    op: str
    layer: str
    shape: tuple
    format: str
    dtype: str
    hot: bool
    num_groups: int = 0
    residual: bool = False  # added to x, the sum written

    def __str__(self):
        shape = ",".join(map(str, self.shape))
        conditions = " hot" * self.hot + " with residual" * self.residual
        return f"{self.layer} {self.op} {self.format} [{shape}] {self.dtype}{conditions}"

    @property
    def channels(self):
        return self.shape[self.format.index("C")]

    @property
    def channels_last(self):
        return self.format == "BSSC"

    @property
    def nchw(self):
        """The shape as PyTorch and ONNX name it."""
        shape = self.shape
        return (shape[0], shape[3], shape[1], shape[2]) if self.channels_last else shape

    @property
    def images(self):
        """The same as pictures, however many axes it has."""
        shape = (*self.nchw, 1, 1)
        return (*shape[:3], int(np.prod(shape[3:])))

    @property
    def bytes(self):
        """The fewest that cross memory: each input read once, each output written once."""
        arrays = 3 if self.op == "backward" else 4 if self.residual else 2
        return arrays * int(np.prod(self.shape)) * DTYPES[self.dtype].itemsize


def behind_a_sum(norm):
    """f(x, residual, gamma, beta) of norm(x, gamma, beta): norm of the sum, and the sum as well."""

    def added(x, residual, gamma, beta):
        total = x + residual
        return norm(total, gamma, beta), total

    return added


def all_cells(table="--table"):
    command = [os.environ["NORMKIT_PROGRAM"], "bench", table, "--list"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [Cell(**cell | {"shape": tuple(cell["shape"])}) for cell in map(json.loads, lines)]


def empty(shape, dtype):
    """An array at the start of a cache line, as every framework allocates them; NumPy's own begin 16
    bytes into one."""
    memory = np.empty(int(np.prod(shape)) * dtype.itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : len(memory) - 64 + start].view(dtype).reshape(shape)


class Arrays:
    """The arrays of a cell, the same for every peer: as many sets of x, dy and y as it takes to find
    none of them in a cache, touched before anything is measured."""

    def __init__(self, cell):
        rng = np.random.default_rng(1)
        dtype = DTYPES[cell.dtype]
        count = 1 if cell.hot else max(2, COLD_BYTES // cell.bytes + 1)
        values = rng.standard_normal(int(np.prod(cell.shape)), dtype=np.float32)

        def make(turn):
            array = empty(cell.shape, dtype)
            array[...] = np.roll(values, turn).reshape(cell.shape)
            return array

        self.x = [make(3 * i) for i in range(count)]
        self.y = [empty(cell.shape, dtype) for _ in range(count)]  # dx in the backward pass
        for y in self.y:
            y.fill(1)
        backward = cell.op == "backward"
        self.dy = [make(7 * i + 2) for i in range(count)] if backward else [None] * count
        if cell.residual:
            self.residual = [make(5 * i + 1) for i in range(count)]
            self.sum = [empty(cell.shape, dtype) for _ in range(count)]
        self.gamma = rng.normal(1, 0.2, cell.channels).astype(np.float32)
        self.beta = None
        if cell.layer != "rms":  # it has no offset
            self.beta = rng.normal(0, 0.2, cell.channels).astype(np.float32)
        self.mean = rng.normal(0, 0.1, cell.channels).astype(np.float32)
        self.variance = rng.uniform(0.5, 1.5, cell.channels).astype(np.float32)

    def __len__(self):
        return len(self.x)
