"""normkit, oneDNN and ggml through their C interfaces."""

import ctypes
import functools
import importlib.util
import os
import pathlib
import sys

import numpy as np

from cells import DTYPES

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples"))
import ctypes_numpy  # noqa: E402  the wrapper that examples/ shows

FORWARD, INFERENCE, BACKWARD = range(3)


def pointer(array):
    return None if array is None else array.ctypes.data


class NormKit:
    def __init__(self, name="normkit", wrapper=ctypes_numpy):
        self.name, self.wrapper = name, wrapper

    @classmethod
    def of_sources(cls, name, folder):
        """That of other sources, built in their build/release: by their own wrapper, for what the library's
        interface takes may have grown since."""
        root = pathlib.Path(folder).resolve()
        library, here = root / "build/release/lib/libnormkit.so", os.environ["NORMKIT_LIBRARY"]
        if not library.exists():
            raise FileNotFoundError(f"{library}: not found, expected normkit's sources, built, in {folder}")
        spec = importlib.util.spec_from_file_location(name, root / "examples/ctypes_numpy.py")
        wrapper = importlib.util.module_from_spec(spec)
        os.environ["NORMKIT_LIBRARY"] = str(library)
        try:
            spec.loader.exec_module(wrapper)
        finally:
            os.environ["NORMKIT_LIBRARY"] = here
        return cls(name, wrapper)

    def version(self):
        return self.wrapper.lib.normkit_version().decode()

    def set_threads(self, threads):
        self.wrapper.lib.normkit_set_num_threads(threads)

    def prepare(self, cell, arrays):
        """One call for each set of arrays, and what returns the result of the last call (None: it is
        in arrays.y). None where the peer has no such operation."""
        lib = self.wrapper.lib
        norm = self.wrapper.Normalization(
            cell.layer, cell.format, cell.shape, DTYPES[cell.dtype], num_groups=cell.num_groups
        )
        plan = norm._plan.value
        gamma, beta = pointer(arrays.gamma), pointer(arrays.beta)
        mean, rstd = norm.mean.ctypes.data, norm.rstd.ctypes.data
        dgamma, dbeta = np.empty((2, cell.channels), np.float32)
        if arrays.beta is None:
            dbeta = None
        keep = (norm, dgamma, dbeta)  # as long as the calls
        if cell.op == "backward":  # the statistics of the first x serve all
            norm.forward(arrays.x[0], arrays.gamma, arrays.beta, out=arrays.y[0])
        calls = []
        for i, (x, y, dy) in enumerate(zip(arrays.x, arrays.y, arrays.dy)):
            if cell.residual:
                given = (pointer(arrays.residual[i]), pointer(arrays.sum[i]))
                args = self.wrapper.FORWARD_ARGS.pack(
                    self.wrapper.FORWARD_ARGS.size, pointer(x), gamma, beta or 0, pointer(y), mean, rstd, 0, *given, 0
                )
                call = functools.partial(lib.normkit_forward_training_fused, plan, args)
            elif cell.op == "forward":
                call = functools.partial(
                    lib.normkit_forward_training,
                    plan, pointer(x), gamma, beta, pointer(y), mean, rstd, None,
                )  # fmt: skip
            elif cell.op == "inference":
                call = functools.partial(
                    lib.normkit_forward_inference,
                    plan, pointer(x), gamma, beta, pointer(arrays.mean), pointer(arrays.variance),
                    pointer(y),
                )  # fmt: skip
            else:
                call = functools.partial(
                    lib.normkit_backward,
                    plan, pointer(x), pointer(dy), gamma, beta, mean, rstd, pointer(y),
                    pointer(dgamma), pointer(dbeta), 0,
                )  # fmt: skip
            calls.append(call)
        calls[0].keep = keep
        if calls[0]() != 0:
            raise RuntimeError(lib.normkit_last_error().decode())
        self.description = str(norm)
        return calls, None

    def streaming_bandwidth(self, threads):
        return self.wrapper.lib.normkit_streaming_bandwidth(threads)


def take_pointers(lib, **counts):
    """Functions of so many pointers that give nothing."""
    for name, count in counts.items():
        getattr(lib, name).argtypes = count * [ctypes.c_void_p]
        getattr(lib, name).restype = None


class OneDnn:
    name = "oneDNN"

    def __init__(self):
        self.lib = ctypes.CDLL(os.environ["NORMKIT_ONEDNN_PEER"])
        self.lib.peer_version.restype = ctypes.c_char_p
        self.lib.peer_create.restype = ctypes.c_void_p
        self.lib.peer_create.argtypes = [
            ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int64), ctypes.c_int, ctypes.c_int,
        ]  # fmt: skip
        take_pointers(self.lib, peer_run=5, peer_set=5, peer_destroy=1)

    def version(self):
        return self.lib.peer_version().decode()

    def set_threads(self, threads):
        self.lib.peer_set_threads(threads)

    def prepare(self, cell, arrays):
        rows = cell.layer == "layer" and cell.format == "BC" and not cell.residual
        if not rows and cell.layer != "batch":
            return None
        op = {"forward": FORWARD, "inference": INFERENCE, "backward": BACKWARD}[cell.op]
        shape = (ctypes.c_int64 * 4)(*cell.images)
        peer = self.lib.peer_create(
            cell.layer.encode(), op, shape, cell.channels_last, cell.dtype == "bf16"
        )
        if not peer:
            return None
        holder = Holder(self.lib.peer_destroy, peer)
        given = (arrays.mean, arrays.variance) if op == INFERENCE else (None, None)
        if op == BACKWARD:
            given = statistics(cell, arrays.x[0])
        self.lib.peer_set(peer, pointer(arrays.gamma), pointer(arrays.beta), *map(pointer, given))
        calls = []
        for x, y, dy in zip(arrays.x, arrays.y, arrays.dy):
            out = (None, pointer(dy), pointer(y)) if op == BACKWARD else (pointer(y), None, None)
            calls.append(functools.partial(self.lib.peer_run, peer, pointer(x), *out))
        calls[0].keep = holder
        return calls, None


def statistics(cell, x):
    """(mean, variance) of x, as a forward pass would have saved them."""
    channel = cell.format.index("C")
    axes = (1,) if cell.layer == "layer" else tuple(i for i in range(x.ndim) if i != channel)
    x = x.astype(np.float32)
    mean, variance = x.mean(axes, dtype=np.float64), x.var(axes, dtype=np.float64)
    return mean.astype(np.float32), variance.astype(np.float32)


class Ggml:
    name = "ggml"

    def __init__(self):
        self.lib = ctypes.CDLL(os.environ["NORMKIT_GGML_PEER"])
        self.lib.ggml_peer_version.restype = ctypes.c_char_p
        self.lib.ggml_peer_create.restype = ctypes.c_void_p
        self.lib.ggml_peer_create.argtypes = [
            ctypes.c_char_p, ctypes.POINTER(ctypes.c_int64), ctypes.c_int, ctypes.c_void_p,
            ctypes.c_void_p, ctypes.c_int,
        ]  # fmt: skip
        take_pointers(self.lib, ggml_peer_run=3, ggml_peer_destroy=1)

    def version(self):
        return self.lib.ggml_peer_version().decode()

    def set_threads(self, threads):
        self.threads = threads

    def prepare(self, cell, arrays):
        rows = cell.layer in ("layer", "rms") and cell.format == "BC"
        pictures = cell.layer in ("group", "instance") and cell.format == "BCSS"
        if cell.op != "forward" or cell.dtype != "f32" or cell.residual or not (rows or pictures):
            return None
        peer = self.lib.ggml_peer_create(
            cell.layer.encode(), (ctypes.c_int64 * 4)(*cell.images), cell.num_groups,
            pointer(arrays.gamma), pointer(arrays.beta), self.threads,
        )  # fmt: skip
        calls = [
            functools.partial(self.lib.ggml_peer_run, peer, pointer(x), pointer(y))
            for x, y in zip(arrays.x, arrays.y)
        ]
        calls[0].keep = Holder(self.lib.ggml_peer_destroy, peer)
        return calls, None


class Holder:
    """Destroys a peer's operation when nobody calls it any more."""

    def __init__(self, destroy, peer):
        self.destroy, self.peer = destroy, peer

    def __del__(self):
        self.destroy(self.peer)
