"""Checks between torch and the native kernels: dtype, device, contiguity; then addresses with shapes."""

import torch
from torch import Tensor

from gnnctl.native import _native

_EMPTY = 64
_LARGE = 2**20  # elements
# The codes of DType in gnnctl/native/kernels.h.
_CODES = {
    torch.float32: 0,
    torch.float64: 1,
    torch.bfloat16: 2,
    torch.float16: 3,
    torch.int32: 4,
    torch.int64: 5,
}
_FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


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
    """An uninitialised CPU tensor; a large one in large pages, where faults would cost more than the kernel."""
    out = torch.empty(shape, dtype=dtype)
    if out.numel() >= _LARGE:
        _native.huge_pages(array(out))
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


def as_float(tensor: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """The tensor, contiguous and of this dtype."""
    return None if tensor is None else tensor.detach().to(dtype).contiguous()


def compute_dtype(tensor: Tensor) -> torch.dtype:
    """What kernels compute in: float64 for float64, else float32 (half precision is rounded once, when stored)."""
    if tensor.dtype not in _FLOATS:
        raise TypeError(f"features must be floating point, got {tensor.dtype}")
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def check_weight(x: Tensor, weight: Tensor | None) -> None:
    """Check that a weight is (E,), or (E, H) for (S, H, F) features.

    Raises:
        ValueError: its shape does not fit.
    """
    if weight is None or weight.dim() == 1:
        return
    if weight.dim() != 2 or x.dim() != 3 or weight.shape[1] != x.shape[1]:
        raise ValueError(f"weight {tuple(weight.shape)} does not fit features {tuple(x.shape)}")


def check_rows(colptr: Tensor, values: Tensor) -> None:
    """Check the kinds of what segment reductions take; the kernels check the sizes.

    Raises:
        TypeError: ``colptr`` is not int64, or values are not floating point.
        ValueError: ``colptr`` is not (D + 1,), or values have no axis of edges.
    """
    if colptr.dtype != torch.int64:
        raise TypeError(f"colptr must be int64, got {colptr.dtype}")
    if values.dtype not in _FLOATS:
        raise TypeError(f"values must be floating point, got {values.dtype}")
    if colptr.dim() != 1 or colptr.shape[0] == 0 or values.dim() == 0:
        raise ValueError(f"colptr {tuple(colptr.shape)} and values {tuple(values.shape)} are no segments of rows")


def check_edges(name: str, tensor: Tensor | None, num_edges: int) -> None:
    """Check the first axis of a tensor over edges.

    Raises:
        ValueError: it does not have one entry for each edge.
    """
    if tensor is not None and (tensor.dim() == 0 or tensor.shape[0] != num_edges):
        raise ValueError(f"{name} {tuple(tensor.shape)} has not one row for each of {num_edges} edges")
