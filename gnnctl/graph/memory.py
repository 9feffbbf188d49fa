"""Tensors as native functions take them: an address with dtype and shape, on the CPU and contiguous."""

import ctypes
import os

import torch
from torch import Tensor

from gnnctl.native import _native

_EMPTY = 64
_LARGE = 2**20  # elements
_KEPT = 256 << 20  # bytes
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST_MMAP_THRESHOLD = -1, -3, 32 << 20  # of glibc's malloc.h
# The codes of DType in gnnctl/native/kernels.h.
_CODES = {
    torch.float32: 0,
    torch.float64: 1,
    torch.bfloat16: 2,
    torch.float16: 3,
    torch.int32: 4,
    torch.int64: 5,
}


def keep_freed_memory() -> None:
    """Keep up to 256 MiB of what is freed for what is allocated next, where the C library's allocator is glibc's.

    By itself it gives the memory of a training step's tensors back to the system after every step, and the next step
    gets it again as new pages, each of which the kernel has to clear: two fifths of a step's time. Who tunes the
    allocator by its own variables is left alone.
    """
    tuned = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    mallopt = None if tuned else getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _MOST_MMAP_THRESHOLD)


def address(tensor: Tensor | None) -> int:
    """Where the tensor's data starts; 0 for None, and for an empty tensor a non-zero address that is never read.

    Raises:
        ValueError: it is not on the CPU, or not contiguous.
    """
    if tensor is None:
        return 0
    if tensor.device.type != "cpu" or not tensor.is_contiguous():
        raise ValueError(
            f"a native kernel needs a contiguous CPU tensor, got {tensor.device}, strides {tensor.stride()}"
        )
    return tensor.data_ptr() or _EMPTY


def array(tensor: Tensor) -> _native.Array:
    """The tensor's memory with its dtype and shape, as native functions take it; keeps the tensor alive.

    Raises:
        TypeError: a dtype that no kernel takes.
        ValueError: it is not on the CPU, or not contiguous.
    """
    code = _CODES.get(tensor.dtype)
    if code is None:
        raise TypeError(f"a native kernel takes floats, int32 and int64, got {tensor.dtype}")
    return _native.Array(tensor, address(tensor), code, tensor.shape)


def new_result(shape: tuple[int, ...] | torch.Size, dtype: torch.dtype) -> Tensor:
    """An uninitialised CPU tensor; a large one in memory that is reused, where new pages would cost more than kernels.

    At most 512 MiB of such memory are kept while nobody uses them.
    """
    count = torch.Size(shape).numel()
    if count < _LARGE:
        return torch.empty(shape, dtype=dtype)
    memory = torch.from_numpy(_native.result_memory(count * dtype.itemsize))
    # torch declares set_ for whole storages alone.
    out: Tensor = torch.empty(0, dtype=dtype).set_(memory.untyped_storage(), 0, shape)  # type: ignore[call-overload]
    return out


def array_or_none(tensor: Tensor | None) -> _native.Array | None:
    """:func:`array` of what may be missing."""
    return None if tensor is None else array(tensor)


def native_edges(colptr: Tensor, row: Tensor | None, num_src: int, perm: Tensor | None = None) -> _native.Edges:
    """Edges as native functions take them; ``row`` None: segments of ``num_src`` edge rows.

    Raises:
        TypeError: ``colptr`` is not int64, or the other indices are not all int32 or all int64.
        ValueError: sizes do not fit, or segments do not follow each other.
    """
    return _native.Edges(array(colptr), array_or_none(row), array_or_none(perm), num_src)
