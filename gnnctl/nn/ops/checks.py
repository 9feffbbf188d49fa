"""Checks of what operators are given, and how they hand it to native kernels."""

import torch
from torch import Tensor

from gnnctl.graph.memory import array, array_or_none, native_edges, new_result

__all__ = [
    "array",
    "array_or_none",
    "as_float",
    "check_edges",
    "check_rows",
    "check_weight",
    "compute_dtype",
    "native_edges",
    "new_result",
]
_FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def as_float(tensor: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """The tensor, contiguous and of this dtype.

    Raises:
        TypeError: complex numbers, of which a part would be lost.
    """
    if tensor is not None and tensor.is_complex():
        raise TypeError(f"expected real numbers, got {tensor.dtype}")
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
