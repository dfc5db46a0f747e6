"""See quantized. Runs by itself, too, where NORMKIT_LIBRARY says which library."""

import argparse
import ctypes
import pathlib
import statistics
import struct
import sys
import time

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples"))
import ctypes_numpy  # noqa: E402  the wrapper that examples/ shows
from ctypes_numpy import check, lib  # noqa: E402

EPSILON, SCALE = 1e-5, 0.03
PER_ROW, STATIC = 3, 1  # normkit_output
ARRAYS = 1 << 29  # bytes of x in turns, so that it comes from memory


class Options(ctypes_numpy.Options):
    """normkit_options as far as `output_scale`."""

    _fields_ = [
        ("strides", ctypes.c_void_p),
        ("output", ctypes.c_int32),
        ("output_zero_point", ctypes.c_int32),
        ("output_scale", ctypes.c_double),
    ]


def normkit(layer, output, xs, gamma, beta):
    options = Options(
        size=ctypes.sizeof(Options), epsilon=EPSILON, negative_slope=0.01, activation_alpha=1,
        parameter_dtype=-1, output=output, output_scale=SCALE if output == STATIC else 1,
    )  # fmt: skip
    shape, plan = (ctypes.c_int64 * 2)(*xs[0].shape), ctypes.c_void_p()
    check(lib.normkit_plan_create(layer.encode(), b"BC", shape, 2, 0, ctypes.byref(options),
                                  ctypes.byref(plan)))  # fmt: skip
    y, scales = np.empty(xs[0].shape, np.int8), np.empty(len(xs[0]), np.float32)
    arguments = [
        struct.pack("N12P", struct.calcsize("N12P"), x.ctypes.data, gamma.ctypes.data,
                    beta.ctypes.data, y.ctypes.data, *[0] * 7, scales.ctypes.data)
        for x in xs
    ]  # fmt: skip

    def call(i):
        check(lib.normkit_forward_inference_fused(plan, arguments[i], 0, 0))
        return y, scales

    return call


def in_torch(layer, output, xs, gamma, beta, compiled):
    tensors = [torch.from_numpy(x) for x in xs]
    g, b = torch.from_numpy(gamma), torch.from_numpy(beta)

    def operation(x):
        if layer == "layer":
            y = torch.nn.functional.layer_norm(x, x.shape[1:], g, b, EPSILON)
        else:
            y = torch.nn.functional.rms_norm(x, x.shape[1:], g, EPSILON)
        if output == STATIC:
            return torch.clamp(torch.round(y / SCALE), -128, 127).to(torch.int8), None
        scales = y.abs().amax(dim=1, keepdim=True) / 127
        return torch.round(y / scales).to(torch.int8), scales

    run = torch.compile(operation) if compiled else operation

    def call(i):
        with torch.no_grad():
            return run(tensors[i])

    return call


def in_onnx_runtime(layer, output, xs, gamma, beta, threads):
    if output != STATIC:
        return None  # no operator has a scale a row, and symmetric
    opset = 23 if layer == "rms" else 21
    norm = (helper.make_node("RMSNormalization", ["x", "gamma"], ["n"], axis=-1, epsilon=EPSILON)
            if layer == "rms" else
            helper.make_node("LayerNormalization", ["x", "gamma", "beta"], ["n"], axis=-1,
                             epsilon=EPSILON))  # fmt: skip
    graph = helper.make_graph(
        [norm, helper.make_node("QuantizeLinear", ["n", "scale", "zero"], ["y"])],
        "quantized",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, xs[0].shape)],
        [helper.make_tensor_value_info("y", TensorProto.INT8, xs[0].shape)],
        [numpy_helper.from_array(gamma, "gamma"), numpy_helper.from_array(beta, "beta"),
         numpy_helper.from_array(np.float32(SCALE), "scale"),
         numpy_helper.from_array(np.int8(0), "zero")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    y = np.empty(xs[0].shape, np.int8)
    bindings = []
    for x in xs:
        binding = session.io_binding()
        binding.bind_input("x", "cpu", 0, np.float32, x.shape, x.ctypes.data)
        binding.bind_output("y", "cpu", 0, np.int8, x.shape, y.ctypes.data)
        bindings.append(binding)

    def call(i):
        session.run_with_iobinding(bindings[i])
        return y, None

    return call


def times_of(call, arrays, seconds):
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call(len(times) % arrays)
        times.append(1e3 * (time.perf_counter() - start))
    return times


def measure(layer, output, shape, threads, seconds):
    rng = np.random.default_rng(1)
    xs = [rng.standard_normal(shape, np.float32)]
    xs += [xs[0].copy() for _ in range(ARRAYS // xs[0].nbytes)]
    gamma = rng.standard_normal(shape[1]).astype(np.float32)
    beta = np.zeros_like(gamma)  # which RMS normalization of others does not have
    check(lib.normkit_set_num_threads(threads))
    torch.set_num_threads(threads)
    calls = {
        "normkit": normkit(layer, output, xs, gamma, beta),
        "PyTorch": in_torch(layer, output, xs, gamma, beta, compiled=False),
        "PyTorch compiled": in_torch(layer, output, xs, gamma, beta, compiled=True),
        "ONNX Runtime": in_onnx_runtime(layer, output, xs, gamma, beta, threads),
    }
    expected = np.asarray(calls["PyTorch"](0)[0]).astype(int)
    for name, call in calls.items():
        if call and np.abs(np.asarray(call(0)[0]).astype(int) - expected).max() > 1:
            raise SystemExit(f"{name}: {layer} {shape} is not what PyTorch gives")
    times = {name: [] for name, call in calls.items() if call}
    for _ in range(5):
        for name in times:
            time.sleep(0.05)  # threads of the peer before may still be waiting for work
            times[name] += times_of(calls[name], len(xs), seconds / 5)
    medians = {name: statistics.median(values) for name, values in times.items()}
    own = medians["normkit"]
    best = min(value for name, value in medians.items() if name != "normkit")
    row = "  ".join(f"{name} {value:.2f}" for name, value in medians.items())
    rate = 5 * np.prod(shape) / own / 1e6  # read in 4 bytes, written in one
    kind = "a scale a row" if output == PER_ROW else "one scale"
    print(f"{layer} {list(shape)} {kind}, {threads} threads, ms: {row}; best peer / normkit "
          f"{best / own:.2f}; {rate:.1f} GB/s", flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=1)
    args = parser.parse_args()
    for threads in args.threads:
        for layer in ("layer", "rms"):
            for shape in ((8192, 768), (4096, 4096)):
                for output in (PER_ROW, STATIC):
                    measure(layer, output, shape, threads, args.seconds)


if __name__ == "__main__":
    main()
