#!/usr/bin/env python3
"""normkit from Python with nothing but ctypes: layers on NumPy arrays, without a copy.

    python examples/ctypes_numpy.py

finds the library in $NORMKIT_LIBRARY, in build/release, or where it was installed. `Normalization`
below is all there is to it; take it with you.
"""

import ctypes
import ctypes.util
import operator
import os
import pathlib
import struct

import numpy as np
from numpy import ndarray

DTYPES = {"float32": 0, "float64": 1, "bfloat16": 2, "float16": 3}
GROUPS = {"all-channels": -1, "channel-wise": -2}
ACTIVATIONS = {None: 0, "relu": 1, "leaky-relu": 2, "gelu": 3, "gelu-tanh": 4, "silu": 5,
               "sigmoid": 6, "hard-swish": 7, "elu": 8, "softplus": 9}  # fmt: skip
STATISTICS = ("mean", "rstd", "variance")


class Options(ctypes.Structure):
    """normkit_options."""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("epsilon", ctypes.c_double),
        ("num_groups", ctypes.c_int64),
        ("operation_dimension", ctypes.c_char_p),
        ("activation", ctypes.c_int32),
        ("negative_slope", ctypes.c_double),
        ("tree", ctypes.c_int32),
        ("activation_alpha", ctypes.c_double),
        ("parameter_axes", ctypes.c_char_p),
        ("scale_plus_one", ctypes.c_int32),
        ("parameter_dtype", ctypes.c_int32),
    ]


# normkit_forward_args (size; x, gamma, beta, y, mean, rstd, variance, residual, sum, addend) and
# normkit_backward_args (size; x, dy, gamma, beta, mean, rstd, dx, dgamma, dbeta, y, daddend; flags;
# addend) as bytes, which are made in a fifth of the time that a ctypes.Structure takes.
FORWARD_ARGS, BACKWARD_ARGS = struct.Struct("N10P"), struct.Struct("N11PiP")


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
        "forward_training_fused": (ctypes.c_int32, [plan, array]),
        "forward_inference_fused": (ctypes.c_int32, [plan] + 3 * [array]),
        "backward_fused": (ctypes.c_int32, [plan, array]),
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


class ArrayInterface(ctypes.Structure):
    """PyArrayInterface: what the __array_struct__ of an array points to."""

    _fields_ = [
        ("two", ctypes.c_int),
        ("nd", ctypes.c_int),
        ("typekind", ctypes.c_char),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_int),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("descr", ctypes.c_void_p),
    ]


interface_of = ctypes.PYFUNCTYPE(
    ctypes.POINTER(ArrayInterface), ctypes.py_object, ctypes.c_char_p
)(("PyCapsule_GetPointer", ctypes.pythonapi))
# Flags of the interface: in C order, aligned, in the machine's byte order; the same and writable.
DENSE = 0x1 | 0x100 | 0x200
WRITABLE = DENSE | 0x400


def address_of(name, array, shape, dtype, flags=DENSE):
    """Where the array lies, if it is what the library will take it for: that believes what it is told.
    0, which is NULL, for none. (array.ctypes.data is the same number, in twice the time of all of this.)"""
    if array is None:
        return 0
    if type(array) is ndarray or is_plain(array):
        interface = array.__array_struct__  # owns what interface_of points to
        found = interface_of(interface, None)[0]
        if array.shape == shape and array.dtype == dtype and found.flags & flags == flags:
            return found.data
    expected = f"{'writable ' if flags == WRITABLE else ''}{dtype} {shape} in C order"
    raise ValueError(f"{name} is {describe(array)}, expected {expected}")


def is_plain(array):
    """A subclass of arrays that is what its memory holds, such as np.memmap."""
    return isinstance(array, ndarray) and not isinstance(array, np.ma.MaskedArray)


def describe(given):
    if not isinstance(given, ndarray):
        return f"{type(given).__name__}, no NumPy array"
    words = [
        ("masked", isinstance(given, np.ma.MaskedArray)),
        ("read-only", not given.flags.writeable),
        ("unaligned", not given.flags.aligned),
        ("strided", not given.flags.c_contiguous),
    ]
    return " ".join([word for word, is_so in words if is_so] + [f"{given.dtype} {given.shape}"])


def dtype_of(given):
    try:
        dtype = np.dtype(given)
    except TypeError:
        dtype = None
    if dtype is None or dtype.name not in DTYPES or not dtype.isnative:
        name = repr(given) if dtype is None else dtype
        raise ValueError(f"dtype is {name}, expected {', '.join(DTYPES)} in native byte order")
    return dtype


def choice(name, given, names, otherwise):
    word = given is None or isinstance(given, str)
    if word and given in names:
        return names[given]
    if word or otherwise is None:
        expected = ", ".join(map(repr, names)) + (f" or {otherwise}" if otherwise else "")
        raise ValueError(f"{name} is {given!r}, expected {expected}")
    return given


def integer(name, given):
    """What fits into an int64_t; ctypes would drop the bits above."""
    try:
        value = operator.index(given)
    except TypeError:
        value = None
    if value is None or not -(2**63) <= value < 2**63:
        raise ValueError(f"{name} is {given!r}, expected a whole number of 64 bits")
    return value


class Normalization:
    """One layer on arrays of one shape and dtype.

    norm = Normalization("batch", "BCSS", x.shape)
    y = norm.forward(x, gamma, beta)            # keeps the statistics for backward
    dx, dgamma, dbeta = norm.backward(x, dy, gamma)
    norm.update_running(running_mean, running_variance)
    y = norm.inference(x, gamma, beta, running_mean, running_variance)

    With activation="relu" ("leaky-relu", "gelu", ...: ACTIVATIONS), residual, sum and addend of forward and inference it
    is sum = x + residual; y = activation(norm(sum) + addend), in one pass over memory.

    Arrays are passed as they lie in memory, and have to be NumPy's, of the dtype and the shape that is
    needed, in C order; those that are written (`out`, sum, daddend, running statistics) writable.
    Anything else is a ValueError. Outputs that are not given are made.

    bind does the checks once, for arrays that are used again and again:

    step = norm.bind("forward", x, gamma, beta, out=y)
    step()                                      # writes y again, from what x holds now

    inference may be called from several threads at once; the others keep their statistics here.
    """

    def __init__(self, layer, format, shape, dtype=np.float32, *, epsilon=1e-5, num_groups=0,
                 operation_dimension=None, activation=None, negative_slope=0.01,
                 activation_alpha=1.0, parameter_axes=None, scale_plus_one=False):  # fmt: skip
        self.shape = tuple(integer("a size of shape", size) for size in shape)
        self.dtype = dtype_of(dtype)
        self.parameter_dtype = np.dtype(np.float64 if self.dtype == np.float64 else np.float32)
        groups = choice("num_groups", num_groups, GROUPS, "a number")
        options = Options(
            size=ctypes.sizeof(Options),
            epsilon=epsilon,
            num_groups=integer("num_groups", groups),
            operation_dimension=operation_dimension and operation_dimension.encode(),
            activation=choice("activation", activation, ACTIVATIONS, None),
            negative_slope=negative_slope,
            activation_alpha=activation_alpha,
            parameter_axes=parameter_axes and parameter_axes.encode(),
            scale_plus_one=bool(scale_plus_one),
            parameter_dtype=-1,  # f32, of f64 f64
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
        self._statistics = np.full((len(STATISTICS), self.num_statistics), np.nan)
        start = self._statistics.ctypes.data
        self._mean, self._rstd, self._variance = (
            start + i * self._statistics.strides[0] for i in range(len(STATISTICS))
        )
        self._has_statistics = False

    def __del__(self):
        lib.normkit_plan_destroy(getattr(self, "_plan", None))

    def __str__(self):
        return lib.normkit_plan_describe(self._plan).decode()

    # Of the last forward; NaN before the first.
    mean, rstd, variance = (
        property(lambda self, row=row: self._statistics[row]) for row in range(len(STATISTICS))
    )

    def forward(self, x, gamma=None, beta=None, out=None, residual=None, sum=None, addend=None):
        """y from the statistics of x, which stay in self.mean, self.rstd and self.variance."""
        return self._forward(x, gamma, beta, out, residual, sum, addend)()

    def inference(self, x, gamma=None, beta=None, mean=None, variance=None, out=None,
                  residual=None, sum=None, addend=None):  # fmt: skip
        """y from given statistics."""
        return self._inference(x, gamma, beta, mean, variance, out, residual, sum, addend)()

    def backward(self, x, dy, gamma=None, beta=None, out=None, y=None, daddend=None, addend=None):
        """(dx, dgamma, dbeta) after forward(x); x is the sum where there was a residual, y what
        forward wrote (for leaky ReLU, where an addend stood before a ReLU, and in place of an x that
        is None), addend what it added (read for the activations behind leaky ReLU)."""
        return self._backward(x, dy, gamma, beta, out, y, daddend, addend)()

    def update_running(self, running_mean, running_variance, decay=0.1, minus_one=False):
        """running = (1 - decay) * running + decay * (statistics of the last forward), in place; returns
        both."""
        return self._update_running(running_mean, running_variance, decay, minus_one)()

    def bind(self, method, *args, **kwargs):
        """A function without arguments that does what the method of this name does with these
        arguments, each time into the same outputs."""
        methods = ("forward", "inference", "backward", "update_running")
        if method not in methods:
            raise ValueError(f"method is {method!r}, expected {', '.join(methods)}")
        return getattr(self, "_" + method)(*args, **kwargs)

    # Each of the following checks, and returns what is left to be done, which keeps the arrays.

    def _forward(self, x, gamma=None, beta=None, out=None, residual=None, sum=None, addend=None):
        kept = self._mean, self._rstd, self._variance
        out, args = self._forward_args(x, gamma, beta, out, residual, sum, addend, kept)
        plan = self._plan

        def call():
            check(lib.normkit_forward_training_fused(plan, args))
            self._has_statistics = True
            return out

        call.arrays = x, gamma, beta, residual, sum, addend
        return call

    def _inference(self, x, gamma=None, beta=None, mean=None, variance=None, out=None,
                   residual=None, sum=None, addend=None):  # fmt: skip
        out, args = self._forward_args(x, gamma, beta, out, residual, sum, addend)
        given, dtype = (self.num_given,), self.parameter_dtype
        means = address_of("mean", mean, given, dtype)
        variances = address_of("variance", variance, given, dtype)
        plan = self._plan

        def call():
            check(lib.normkit_forward_inference_fused(plan, args, means, variances))
            return out

        call.arrays = x, gamma, beta, mean, variance, residual, sum, addend, self
        return call

    def _backward(self, x, dy, gamma=None, beta=None, out=None, y=None, daddend=None, addend=None):
        shape, dtype = self.shape, self.dtype
        parameters, parameter_dtype = (self.num_parameters,), self.parameter_dtype
        if out is None:
            out = np.empty(shape, dtype)
        dgamma, dbeta = np.empty(parameters, parameter_dtype), np.empty(parameters, parameter_dtype)
        args = BACKWARD_ARGS.pack(
            BACKWARD_ARGS.size,
            address_of("x", x, shape, dtype),
            address_of("dy", dy, shape, dtype),
            address_of("gamma", gamma, parameters, parameter_dtype),
            address_of("beta", beta, parameters, parameter_dtype),
            self._mean,
            self._rstd,
            address_of("out", out, shape, dtype, WRITABLE),
            address_of("dgamma", dgamma, parameters, parameter_dtype),
            address_of("dbeta", dbeta, parameters, parameter_dtype),
            address_of("y", y, shape, dtype),
            address_of("daddend", daddend, shape, dtype, WRITABLE),
            0,
            address_of("addend", addend, shape, dtype),
        )
        plan = self._plan

        def call():
            self._check_statistics("backward")
            check(lib.normkit_backward_fused(plan, args))
            return out, dgamma, dbeta

        call.arrays = x, dy, gamma, beta, y, daddend, addend
        return call

    def _update_running(self, running_mean, running_variance, decay=0.1, minus_one=False):
        given, dtype = (self.num_given,), self.parameter_dtype
        means = address_of("running_mean", running_mean, given, dtype, WRITABLE)
        variances = address_of("running_variance", running_variance, given, dtype, WRITABLE)
        arrays = running_mean, running_variance
        plan, decay, divisor = self._plan, float(decay), int(bool(minus_one))

        def call():
            self._check_statistics("update_running")
            check(
                lib.normkit_update_running(
                    plan, self._mean, self._variance, decay, decay, divisor, means, variances
                )
            )
            return arrays

        return call

    def _forward_args(self, x, gamma, beta, out, residual, sum, addend, kept=(0, 0, 0)):
        if residual is not None and sum is None and any(kept):  # backward will read it as x
            raise ValueError("residual is given, expected sum as well: an array for x + residual")
        shape, dtype = self.shape, self.dtype
        parameters, parameter_dtype = (self.num_parameters,), self.parameter_dtype
        if out is None:
            out = np.empty(shape, dtype)
        args = FORWARD_ARGS.pack(
            FORWARD_ARGS.size,
            address_of("x", x, shape, dtype),
            address_of("gamma", gamma, parameters, parameter_dtype),
            address_of("beta", beta, parameters, parameter_dtype),
            address_of("out", out, shape, dtype, WRITABLE),
            *kept,
            address_of("residual", residual, shape, dtype),
            address_of("sum", sum, shape, dtype, WRITABLE),
            address_of("addend", addend, shape, dtype),
        )
        return out, args

    def _check_statistics(self, what):
        if not self._has_statistics:
            raise ValueError(f"{what} before forward, expected after: it needs the statistics of x")


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
        "group-rms": {"num_groups": 3}, "l2": {}, "scale": {}, "mean-only": {},
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
