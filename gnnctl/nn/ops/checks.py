"""Checks of what operators are given, and how they hand it to native kernels."""

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.memory import array, array_or_none, native_edges, new_result

__all__ = [
    "array",
    "array_or_none",
    "as_float",
    "check_edges",
    "check_floats",
    "check_messages",
    "check_rows",
    "compute_dtype",
    "native_edges",
    "new_result",
]
_FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def as_float(tensor: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """The tensor, contiguous and of this dtype."""
    return None if tensor is None else tensor.detach().to(dtype).contiguous()


def compute_dtype(tensor: Tensor) -> torch.dtype:
    """What kernels compute in: float64 for float64, else float32 (half precision is rounded once, when stored)."""
    check_floats(features=tensor)
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def check_floats(**arguments: Tensor | None) -> None:
    """Check that arguments are tensors of floating point numbers; None passes.

    Raises:
        TypeError: one is not, by its name.
    """
    for name, tensor in arguments.items():
        if tensor is None:
            continue
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
        if tensor.dtype not in _FLOATS:
            raise TypeError(f"{name} must be floating point, got {tensor.dtype}")


def check_messages(edge_index: EdgeIndex, x: Tensor, weight: Tensor | None) -> None:
    """Check that features have a row for each source; and that a weight is (E,), or (E, H) for (S, H, F) features.

    Weights may be whole numbers or truth values.

    Raises:
        TypeError: features are not floating point, or weights are complex, of which a part would be lost.
        ValueError: a shape does not fit.
    """
    check_floats(x=x)
    if x.dim() == 0 or x.shape[0] != edge_index.num_src:
        raise ValueError(f"x {tuple(x.shape)} has not one row for each of {edge_index.num_src} sources")
    if weight is None:
        return
    if not isinstance(weight, Tensor) or weight.is_complex():
        raise TypeError(f"weight must hold real numbers, got {getattr(weight, 'dtype', type(weight).__name__)}")
    check_edges("weight", weight, edge_index.num_edges)
    if weight.dim() != 1 and (weight.dim() != 2 or x.dim() != 3 or weight.shape[1] != x.shape[1]):
        raise ValueError(f"weight {tuple(weight.shape)} does not fit x {tuple(x.shape)}")


def check_rows(colptr: Tensor, values: Tensor) -> None:
    """Check the kinds of what segment reductions take; the kernels check the sizes.

    Raises:
        TypeError: ``colptr`` is not int64, or values are not floating point.
        ValueError: ``colptr`` is not (D + 1,), or values have no axis of edges.
    """
    check_floats(values=values)
    if not isinstance(colptr, Tensor) or colptr.dtype != torch.int64:
        raise TypeError(f"colptr must be int64, got {getattr(colptr, 'dtype', type(colptr).__name__)}")
    if colptr.dim() != 1 or colptr.shape[0] == 0 or values.dim() == 0:
        raise ValueError(f"colptr {tuple(colptr.shape)} and values {tuple(values.shape)} are no segments of rows")


def check_edges(name: str, tensor: Tensor | None, num_edges: int) -> None:
    """Check the first axis of a tensor over edges.

    Raises:
        ValueError: it does not have one entry for each edge.
    """
    if tensor is not None and (tensor.dim() == 0 or tensor.shape[0] != num_edges):
        raise ValueError(f"{name} {tuple(tensor.shape)} has not one row for each of {num_edges} edges")
