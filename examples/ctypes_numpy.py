#!/usr/bin/env python3
"""normkit from Python with nothing but ctypes: layers on NumPy arrays, without a copy.

    python examples/ctypes_numpy.py

finds the library in $NORMKIT_LIBRARY, in build/release, or where it was installed. `Normalization`
below is all there is to it; take it with you.
"""

import ctypes
import ctypes.util
import os
import pathlib

import numpy as np

DTYPES = {"float32": 0, "float64": 1, "bfloat16": 2, "float16": 3}
GROUPS = {"all-channels": -1, "channel-wise": -2}
ACTIVATIONS = {None: 0, "relu": 1, "leaky-relu": 2, "gelu": 3}


class Options(ctypes.Structure):
    """normkit_options."""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("epsilon", ctypes.c_double),
        ("num_groups", ctypes.c_int64),
        ("operation_dimension", ctypes.c_char_p),
        ("activation", ctypes.c_int32),
        ("negative_slope", ctypes.c_double),
    ]


class ForwardArgs(ctypes.Structure):
    """normkit_forward_args."""

    _fields_ = [("size", ctypes.c_size_t)] + [
        (name, ctypes.c_void_p)
        for name in "x gamma beta y mean rstd variance residual sum addend".split()
    ]


class BackwardArgs(ctypes.Structure):
    """normkit_backward_args."""

    _fields_ = [("size", ctypes.c_size_t)] + [
        (name, ctypes.c_void_p)
        for name in "x dy gamma beta mean rstd dx dgamma dbeta y daddend".split()
    ] + [("flags", ctypes.c_int32)]  # fmt: skip


def load_library():
    built = pathlib.Path(__file__).resolve().parent.parent / "build/release/lib/libnormkit.so"
    path = os.environ.get("NORMKIT_LIBRARY")
    path = path or (built if built.exists() else ctypes.util.find_library("normkit"))
    if not path:
        raise OSError("libnormkit.so: not found; build it, or set NORMKIT_LIBRARY")
    lib = ctypes.CDLL(str(path))
    array, size, plan = ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p
    functions = {  # name: (result, arguments)
        "last_error": (ctypes.c_char_p, []),
        "version": (ctypes.c_char_p, []),
        "set_num_threads": (ctypes.c_int32, [ctypes.c_int32]),
        "streaming_bandwidth": (ctypes.c_double, [ctypes.c_int32]),
        "plan_create": (
            ctypes.c_int32,
            [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(size), ctypes.c_size_t,
             ctypes.c_int32, ctypes.POINTER(Options), ctypes.POINTER(plan)],
        ),
        "plan_destroy": (None, [plan]),
        "plan_describe": (ctypes.c_char_p, [plan]),
        "plan_num_statistics": (size, [plan]),
        "plan_num_parameters": (size, [plan]),
        "plan_num_running": (size, [plan]),
        "plan_reduced_count": (size, [plan]),
        "forward_training": (ctypes.c_int32, [plan] + 7 * [array]),
        "forward_inference": (ctypes.c_int32, [plan] + 6 * [array]),
        "backward": (ctypes.c_int32, [plan] + 9 * [array] + [ctypes.c_int32]),
        "forward_training_fused": (ctypes.c_int32, [plan, ctypes.POINTER(ForwardArgs)]),
        "forward_inference_fused": (
            ctypes.c_int32, [plan, ctypes.POINTER(ForwardArgs)] + 2 * [array],
        ),
        "backward_fused": (ctypes.c_int32, [plan, ctypes.POINTER(BackwardArgs)]),
        "update_running": (
            ctypes.c_int32,
            [plan] + 2 * [array] + 2 * [ctypes.c_double] + [ctypes.c_int32] + 2 * [array],
        ),
    }  # fmt: skip
    for name, (result, arguments) in functions.items():
        function = getattr(lib, "normkit_" + name)
        function.restype, function.argtypes = result, arguments
    return lib


lib = load_library()


def check(status):
    if status != 0:
        raise ValueError(lib.normkit_last_error().decode())


class Normalization:
    """One layer on arrays of one shape and dtype.

    norm = Normalization("batch", "BCSS", x.shape)
    y = norm.forward(x, gamma, beta)            # keeps the statistics for backward
    dx, dgamma, dbeta = norm.backward(x, dy, gamma)
    norm.update_running(running_mean, running_variance)
    y = norm.inference(x, gamma, beta, running_mean, running_variance)

    With activation="relu" ("leaky-relu", "gelu"), residual, sum and addend of forward and inference it
    is sum = x + residual; y = activation(norm(sum) + addend), in one pass over memory.

    Arrays are passed as they lie in memory and must be C-contiguous; outputs may be given (`out`),
    else they are made.
    """

    def __init__(self, layer, format, shape, dtype=np.float32, *, epsilon=1e-5, num_groups=0,
                 operation_dimension=None, activation=None, negative_slope=0.01):  # fmt: skip
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.parameter_dtype = np.dtype(np.float64 if self.dtype == np.float64 else np.float32)
        options = Options(
            size=ctypes.sizeof(Options),
            epsilon=epsilon,
            num_groups=GROUPS.get(num_groups, num_groups),
            operation_dimension=operation_dimension and operation_dimension.encode(),
            activation=ACTIVATIONS[activation],
            negative_slope=negative_slope,
        )
        self._plan = ctypes.c_void_p()
        sizes = (ctypes.c_int64 * len(self.shape))(*self.shape)
        check(
            lib.normkit_plan_create(
                layer.encode(), format.encode(), sizes, len(self.shape), DTYPES[self.dtype.name],
                ctypes.byref(options), ctypes.byref(self._plan),
            )
        )  # fmt: skip
        self.num_statistics = lib.normkit_plan_num_statistics(self._plan)
        self.num_parameters = lib.normkit_plan_num_parameters(self._plan)
        self.num_given = lib.normkit_plan_num_running(self._plan) or self.num_statistics
        self.mean, self.rstd, self.variance = np.zeros((3, self.num_statistics))

    def __del__(self):
        lib.normkit_plan_destroy(getattr(self, "_plan", None))

    def __str__(self):
        return lib.normkit_plan_describe(self._plan).decode()

    def _pointer(self, name, array, size, dtype):
        """Where the array lies. The library believes what it is told: check here."""
        if array is None:
            return None
        if array.size != size or array.dtype != dtype or not array.flags.c_contiguous:
            given = f"{array.dtype} {array.shape}"
            raise ValueError(f"{name} is {given}, expected {size} {dtype} in C order")
        return array.ctypes.data

    def _data(self, name, array):
        return self._pointer(name, array, int(np.prod(self.shape)), self.dtype)

    def _parameter(self, name, array):
        return self._pointer(name, array, self.num_parameters, self.parameter_dtype)

    def _given(self, name, array):
        return self._pointer(name, array, self.num_given, self.parameter_dtype)

    def _out(self, array):
        return np.empty(self.shape, self.dtype) if array is None else array

    def _forward_args(self, out, x, gamma, beta, residual, sum, addend):
        if residual is not None and sum is None:
            raise ValueError("residual is given, expected sum as well: an array for x + residual")
        return ForwardArgs(
            ctypes.sizeof(ForwardArgs), x=self._data("x", x), gamma=self._parameter("gamma", gamma),
            beta=self._parameter("beta", beta), y=self._data("out", out),
            residual=self._data("residual", residual), sum=self._data("sum", sum),
            addend=self._data("addend", addend),
        )  # fmt: skip

    def forward(self, x, gamma=None, beta=None, out=None, residual=None, sum=None, addend=None):
        """y from the statistics of x, which stay in self.mean, self.rstd and self.variance."""
        out = self._out(out)
        args = self._forward_args(out, x, gamma, beta, residual, sum, addend)
        args.mean, args.rstd = self.mean.ctypes.data, self.rstd.ctypes.data
        args.variance = self.variance.ctypes.data
        check(lib.normkit_forward_training_fused(self._plan, ctypes.byref(args)))
        return out

    def inference(self, x, gamma=None, beta=None, mean=None, variance=None, out=None,
                  residual=None, sum=None, addend=None):  # fmt: skip
        """y from given statistics."""
        out = self._out(out)
        args = self._forward_args(out, x, gamma, beta, residual, sum, addend)
        mean, variance = self._given("mean", mean), self._given("variance", variance)
        check(lib.normkit_forward_inference_fused(self._plan, ctypes.byref(args), mean, variance))
        return out

    def backward(self, x, dy, gamma=None, beta=None, out=None, y=None, daddend=None):
        """(dx, dgamma, dbeta) after forward(x); x is the sum where there was a residual, y what
        forward wrote (for leaky ReLU, where an addend stood before an activation, and in place of an
        x that is None)."""
        out = self._out(out)
        dgamma, dbeta = np.empty((2, self.num_parameters), self.parameter_dtype)
        args = BackwardArgs(
            ctypes.sizeof(BackwardArgs), x=self._data("x", x), dy=self._data("dy", dy),
            gamma=self._parameter("gamma", gamma), beta=self._parameter("beta", beta),
            mean=self.mean.ctypes.data, rstd=self.rstd.ctypes.data, dx=self._data("out", out),
            dgamma=dgamma.ctypes.data, dbeta=dbeta.ctypes.data, y=self._data("y", y),
            daddend=self._data("daddend", daddend),
        )  # fmt: skip
        check(lib.normkit_backward_fused(self._plan, ctypes.byref(args)))
        return out, dgamma, dbeta

    def update_running(self, running_mean, running_variance, decay=0.1, minus_one=False):
        """running = (1 - decay) * running + decay * (statistics of the last forward), in place."""
        check(
            lib.normkit_update_running(
                self._plan, self.mean.ctypes.data, self.variance.ctypes.data, decay, decay,
                int(minus_one), self._given("running_mean", running_mean),
                self._given("running_variance", running_variance),
            )
        )  # fmt: skip


def main():
    rng = np.random.default_rng(1)
    print(f"normkit {lib.normkit_version().decode()}\n")

    # Pictures far from zero: a mean of 10,000 with a standard deviation of 1.
    x = (1e4 + rng.standard_normal((8, 32, 28, 28))).astype(np.float32)
    gamma = rng.normal(1, 0.1, 32).astype(np.float32)
    beta = rng.normal(0, 0.1, 32).astype(np.float32)
    norm = Normalization("batch", "BCSS", x.shape)
    y = norm.forward(x, gamma, beta)

    column = [1, 32, 1, 1]
    reduced = {"axis": (0, 2, 3), "keepdims": True}
    wide = x.astype(np.float64)
    exact_xhat = (wide - wide.mean(**reduced)) / np.sqrt(wide.var(**reduced) + 1e-5)
    exact = gamma.reshape(column) * exact_xhat + beta.reshape(column)
    naive_variance = (x * x).mean(**reduced) - x.mean(**reduced) ** 2
    print(norm)
    print(f"  largest error of y             {abs(y - exact).max():.1e}")
    print(f"  variance of channel 0          {norm.variance[0]:.6f}")
    print(f"  the same as E[x^2] - E[x]^2    {naive_variance.flat[0]:.6f}  (f32: of no use)\n")

    # Training statistics into running ones, and those into a prediction, in place.
    running_mean, running_variance = np.zeros(32, np.float32), np.ones(32, np.float32)
    for _ in range(100):
        norm.update_running(running_mean, running_variance, decay=0.1)
    in_place = x.copy()
    norm.inference(in_place, gamma, beta, running_mean, running_variance, out=in_place)
    print("prediction with running statistics, in place")
    print(f"  largest distance from training {abs(in_place - y).max():.2f}  (the mean still lags)\n")

    # Gradients: the derivative along a random direction, against a difference quotient in f64.
    print("gradients, f64")
    shape = (4, 6, 5, 5)
    layers = {
        "batch": {}, "layer": {}, "instance": {}, "group": {"num_groups": 3}, "rms": {},
    }  # fmt: skip
    for layer, options in layers.items():
        norm = Normalization(layer, "BCSS", shape, np.float64, **options)
        x, dy, direction = rng.standard_normal((3, *shape))
        norm.forward(x)
        dx, _, _ = norm.backward(x, dy)
        step = 1e-6
        ahead, behind = (norm.forward(x + s * direction) for s in (step, -step))
        quotient = (dy * (ahead - behind)).sum() / (2 * step)
        print(f"  {layer:9s} {(dx * direction).sum():+.8f}  difference quotient {quotient:+.8f}")

    # Misuse is an exception that says what was wrong.
    try:
        Normalization("group", "BCSS", shape, num_groups=4)
    except ValueError as error:
        print(f"\nerror: {error}")


if __name__ == "__main__":
    main()
