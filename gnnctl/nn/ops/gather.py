"""Rows of sources or destinations for every edge, with gradients summed in a fixed order."""

from typing import Any

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import device
from gnnctl.nn.ops.spmm import native_sum


def gather_src(edge_index: EdgeIndex, x: Tensor) -> Tensor:
    """(E, ...): of (S, ...) source rows of any dtype, the source of each edge."""
    _check_rows(x, edge_index.num_src)
    rowptr, _, perm = edge_index.transposed_for(x)
    out: Tensor = _gather(x, edge_index.row, rowptr, perm)
    return out


def gather_dst(edge_index: EdgeIndex, x: Tensor) -> Tensor:
    """(E, ...): of (D, ...) destination rows of any dtype, the destination of each edge."""
    _check_rows(x, edge_index.num_dst)
    out: Tensor = _gather(x, edge_index.col(), edge_index.colptr, None)
    return out


def _check_rows(x: Tensor, num_rows: int) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a tensor, got {type(x).__name__}")
    if x.dim() == 0 or x.shape[0] != num_rows:
        raise ValueError(f"x {tuple(x.shape)} has not one row for each of {num_rows} nodes")


def sum_by_source(values: Tensor, row: Tensor, rowptr: Tensor | None, perm: Tensor | None, num_src: int) -> Tensor:
    """(S, ...): of (E, ...) rows, the sum over each source's edges; an operator."""
    out: Tensor = _gather_backward(values, row, rowptr, perm, num_src)
    return out


@torch.library.custom_op("gnnctl::gather", mutates_args=())
def _gather(x: Tensor, index: Tensor, ptr: Tensor | None, perm: Tensor | None) -> Tensor:
    """``x[index]``; edges of node i are ``perm[ptr[i]:ptr[i + 1]]``, perm None meaning the positions themselves."""
    return device.gather(x, index) if device.elsewhere(x) else x.index_select(0, index)


@_gather.register_fake
def _(x: Tensor, index: Tensor, ptr: Tensor | None, perm: Tensor | None) -> Tensor:
    return x.new_empty((index.shape[0], *x.shape[1:]))


@torch.library.custom_op("gnnctl::gather_backward", mutates_args=())
def _gather_backward(grad: Tensor, index: Tensor, ptr: Tensor | None, perm: Tensor | None, num_rows: int) -> Tensor:
    if ptr is None:
        order = torch.argsort(index, stable=True)
        perm = order.to(index.dtype)
        ptr = torch.zeros(num_rows + 1, dtype=torch.int64, device=index.device)
        ptr[1:] = torch.bincount(index, minlength=num_rows).cumsum(0)
    if device.elsewhere(grad):
        return device.spmm(ptr, perm, grad, None, False)
    return native_sum(ptr, perm, None, grad, None)


@_gather_backward.register_fake
def _(grad: Tensor, index: Tensor, ptr: Tensor | None, perm: Tensor | None, num_rows: int) -> Tensor:
    return grad.new_empty((num_rows, *grad.shape[1:]))


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, index, ptr, perm = inputs
    ctx.save_for_backward(index, ptr, perm)
    ctx.num_rows = x.shape[0]


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    index, ptr, perm = ctx.saved_tensors
    return _gather_backward(grad, index, ptr, perm, ctx.num_rows), None, None, None


_gather.register_autograd(_backward, setup_context=_setup)
