"""Products by type in plain torch operations, for devices without native kernels (and as a check of those)."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor


def _segments(rows: int, ptr: Tensor | None) -> Iterator[slice]:
    bounds = [0, rows] if ptr is None else ptr.tolist()
    return (slice(a, b) for a, b in itertools.pairwise(bounds))


def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x @ weight + bias``."""
    return x @ weight if bias is None else torch.addmm(bias, x, weight)


def segment_matmul(x: Tensor, ptr: Tensor | None, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(N, M): each row of x (N, K) times the matrix (T, K, M) of its type."""
    out = x.new_empty((x.shape[0], weight.shape[2]))
    for t, rows in enumerate(_segments(x.shape[0], ptr)):
        out[rows] = product(x[rows], weight[t], None if bias is None else bias[t])
    return out


def segment_outer(x: Tensor, ptr: Tensor | None, grad: Tensor, num_types: int) -> Tensor:
    """(T, K, M): of each type ``x' grad``."""
    out = x.new_empty((num_types, x.shape[1], grad.shape[1]))
    for t, rows in enumerate(_segments(x.shape[0], ptr)):
        out[t] = x[rows].mT @ grad[rows]
    return out
