"""Where the arrays of a call lie, whoever made them."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, NamedTuple, Sequence

import numpy as np

from . import _core

ITEM_BYTES = {"f32": 4, "f64": 8, "bf16": 2, "f16": 2}
NUMPY_DTYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16}


class Lies(NamedTuple):
    """An array as it lies in memory; strides in elements. Who keeps `owner` keeps the elements."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    owner: object

    def dense(self) -> bool:
        """Whether the elements lie one behind the other, the last axis fastest."""
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides)):
            if size != 1 and stride != expected:
                return False
            expected *= size
        return True

    def size(self) -> int:
        """Elements."""
        result = 1
        for size in self.shape:
            result *= size
        return result


def memory_order(shape: Sequence[int], strides: Sequence[int]) -> list[int]:
    """The axes from the outermost in memory to the innermost. Those of one element, or that repeat theirs, stay."""
    order = list(range(len(shape)))
    moved = [axis for axis in order if shape[axis] > 1 and strides[axis] != 0]
    for place, axis in zip(moved, sorted(moved, key=lambda axis: -strides[axis])):
        order[place] = axis
    return order


def elements(found: Lies) -> np.ndarray:
    """Of a dense array of any kind and type, as whole numbers of their size."""
    size = ITEM_BYTES[found.dtype]
    memory = memoryview((ctypes.c_uint8 * (size * found.size())).from_address(found.address))
    result: np.ndarray = np.frombuffer(memory, np.dtype(f"u{size}"))
    return result


def kind_of(array: object) -> str:
    """The library an array is of: "numpy", "torch", "jax", ...; "" where it has no arrays."""
    root = type(array).__module__.partition(".")[0]
    return "jax" if root == "jaxlib" else root if root not in ("builtins", "array") else ""


def _described(array: object) -> str:
    dtype = getattr(array, "dtype", None)
    shape = getattr(array, "shape", None)
    text = f"{type(array).__module__}.{type(array).__name__}"
    if dtype is not None:
        text += f" of {dtype.str if isinstance(dtype, np.dtype) and dtype.byteorder == '>' else dtype}"
    return text + (f" {list(shape)}" if shape is not None else "")


def _refuse_lazy(array: Any, name: str) -> None:
    torch = sys.modules["torch"]
    if array.requires_grad and torch.is_grad_enabled():
        raise TypeError(
            f"{name} requires a gradient, expected {name}.detach(), torch.no_grad() or normkit.torch, "
            "whose modules have gradients"
        )
    if array.is_neg():
        raise TypeError(f"{name} is negated in name alone, expected {name}.resolve_neg()")


def lies(array: Any, name: str, writable: bool = False) -> Lies:
    """Throws TypeError where it is no array of a floating-point type in this machine's memory."""
    bf16 = isinstance(array, np.ndarray) and array.dtype.name == "bfloat16"
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, expected one whose elements all count")
    given = array.view(np.uint16) if bf16 else array
    if kind_of(array) == "torch" and "torch" in sys.modules:
        _refuse_lazy(array, name)
        given = array.detach()
    try:
        if writable and kind_of(array) == "jax":  # whose arrays never change, though DLPack does not say so
            raise BufferError
        found = Lies(*(_core.lies_writable if writable else _core.lies)(given))
    except (TypeError, BufferError):
        if isinstance(array, np.ndarray) and any(stride % array.itemsize for stride in array.strides):
            raise TypeError(
                f"{name} is {_described(array)} with strides of {list(array.strides)} bytes, expected multiples of the "
                "element's size: a copy"
            ) from None
        if isinstance(array, np.ndarray) and array.dtype.isnative and not writable:
            raise TypeError(f"{name} is {_described(array)}, expected f32, f64, f16 or bf16") from None
        raise TypeError(
            f"{name} is {_described(array)}, expected {'a writable' if writable else 'an'} array in this "
            "machine's memory and byte order, by DLPack or the buffer protocol"
        ) from None
    if bf16:
        found = found._replace(dtype="bf16")
    if found.dtype not in ITEM_BYTES:
        raise TypeError(f"{name} is {_described(array)}, expected f32, f64, f16 or bf16")
    if found.address % ITEM_BYTES[found.dtype]:
        raise ValueError(f"{name} lies at {found.address:#x}, expected a multiple of the element's size")
    return found


def dtype_name(dtype: Any) -> str:
    """ "f32" of that, of numpy.float32, torch.float32 and their names."""
    if dtype in ITEM_BYTES:
        return str(dtype)
    name = str(getattr(dtype, "__name__", dtype)).rpartition(".")[2]
    found = {"float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16"}.get(name)
    if found is None:
        raise ValueError(f"dtype is {dtype!r}, expected f32, f64, f16 or bf16")
    return found


def numpy_dtype(name: str) -> Any:
    """The type of NumPy called "f32"; of "bf16" that of the package ml_dtypes."""
    if name == "bf16":
        import ml_dtypes

        return ml_dtypes.bfloat16
    return NUMPY_DTYPES[name]


def empty_like(array: Any, found: Lies) -> Any:
    """One of the same kind, shape, type and, where the kind has it, order of axes."""
    if isinstance(array, np.ndarray):
        if all(size < 2 or stride != 0 for size, stride in zip(found.shape, found.strides)):
            return np.empty_like(array, subok=False)
        order = memory_order(found.shape, found.strides)  # NumPy would make repeated axes the innermost
        made = np.empty([found.shape[axis] for axis in order], array.dtype)
        return made.transpose(np.argsort(order, kind="stable"))
    if kind_of(array) == "torch":
        return sys.modules["torch"].empty_like(array.detach())
    return np.empty(found.shape, numpy_dtype(found.dtype))


def as_kind_of(array: Any, result: Any) -> Any:
    """What `empty_like` made, where that is another kind: handed over without a copy."""
    if not isinstance(result, np.ndarray) or isinstance(array, np.ndarray):
        return result
    kind = kind_of(array)
    module = sys.modules.get("jax.numpy" if kind == "jax" else kind)
    # NumPy's DLPack knows no bf16.
    hand_over = getattr(module, "asarray" if result.dtype.kind == "V" else "from_dlpack", None)
    return hand_over(result) if kind != "torch" and hand_over else result
