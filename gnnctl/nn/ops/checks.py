"""Checks between torch and the native kernels: dtype, device, contiguity; then bare addresses."""

import torch
from torch import Tensor

_EMPTY = 64
FLOATS = (torch.float32, torch.float64)


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


def check_index(colptr: Tensor, *indices: Tensor | None) -> bool:
    """Whether the index tensors are int64; ``colptr`` always is.

    Raises:
        TypeError: another dtype, or dtypes that differ.
    """
    if colptr.dtype != torch.int64:
        raise TypeError(f"colptr must be int64, got {colptr.dtype}")
    dtypes = {index.dtype for index in indices if index is not None}
    if len(dtypes) > 1 or not dtypes <= {torch.int32, torch.int64}:
        raise TypeError(f"edge indices must all be int32 or all int64, got {sorted(map(str, dtypes))}")
    return torch.int64 in dtypes


def as_float(tensor: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """The tensor, contiguous and in the dtype that the kernels compute in."""
    return None if tensor is None else tensor.detach().to(dtype).contiguous()


def compute_dtype(tensor: Tensor) -> torch.dtype:
    """float64 for float64, else float32 (half precision is widened, summed and rounded once)."""
    if not tensor.is_floating_point():
        raise TypeError(f"features must be floating point, got {tensor.dtype}")
    return tensor.dtype if tensor.dtype in FLOATS else torch.float32


def heads_of(x: Tensor, weight: Tensor | None) -> tuple[int, int]:
    """(heads, width) of rows: heads matter only where each has its own weight.

    Raises:
        ValueError: the weight's shape does not fit.
    """
    row = x[0].numel() if x.shape[0] else x.shape[1:].numel()
    if weight is None or weight.dim() == 1:
        return 1, row
    if weight.dim() != 2 or x.dim() != 3 or weight.shape[1] != x.shape[1]:
        raise ValueError(f"weight {tuple(weight.shape)} does not fit features {tuple(x.shape)}")
    return x.shape[1], x.shape[2]


def check_edges(name: str, tensor: Tensor | None, num_edges: int) -> None:
    """Check the first axis of a tensor over edges.

    Raises:
        ValueError: it does not have one entry for each edge.
    """
    if tensor is not None and tensor.shape[0] != num_edges:
        raise ValueError(f"{name} has {tensor.shape[0]} rows for {num_edges} edges")
