"""Weighted sum, mean and other reductions of the sources of each destination's edges."""

from typing import Any

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.native import _native
from gnnctl.nn.ops import device
from gnnctl.nn.ops.aggregate import Reduce, aggregate
from gnnctl.nn.ops.checks import (
    array,
    array_or_none,
    as_float,
    check_messages,
    compute_dtype,
    native_edges,
    new_result,
)


def spmm(edge_index: EdgeIndex, x: Tensor, weight: Tensor | None = None, reduce: Reduce = "sum") -> Tensor:
    """Aggregate source features along the edges without materialising messages.

    Args:
        edge_index: E edges from S sources to D destinations.
        x: (S, F) or (S, H, F) float.
        weight: (E,), or (E, H) for (S, H, F) features.
        reduce: how the messages ``weight[e] * x[row[e]]`` of a destination become one; see
            :data:`~gnnctl.nn.ops.aggregate.Reduce`.

    Returns:
        (D, F) or (D, H, F); zero for a destination without edges. A mean divides by the number of edges.

    Raises:
        TypeError: not floating point.
        ValueError: shapes do not fit, or an unknown reduction.
    """
    if reduce not in ("sum", "mean"):
        return aggregate(edge_index, x, weight, (reduce,)).squeeze(1)
    check_messages(edge_index, x, weight)
    rowptr, col, perm = edge_index.transposed_for(x)
    out: Tensor = _spmm(edge_index.colptr, edge_index.row, x, weight, rowptr, col, perm, reduce == "mean")
    return out


def segment_sum(colptr: Tensor, values: Tensor, mean: bool = False) -> Tensor:
    """(D, ...) sum or mean of (E, ...) rows."""
    out: Tensor = _spmm(colptr, None, values, None, None, None, None, mean)
    return out


# -- operators: `row` None stands for the edge's own position, a segment reduction ------------------------------------


@torch.library.custom_op("gnnctl::spmm", mutates_args=())
def _spmm(
    colptr: Tensor,
    row: Tensor | None,
    x: Tensor,
    weight: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    mean: bool,
) -> Tensor:
    if device.elsewhere(x):
        return device.spmm(colptr, row, x, weight, mean)
    return native_sum(colptr, row, None, x, weight, mean)


def native_sum(
    colptr: Tensor, row: Tensor | None, perm: Tensor | None, x: Tensor, weight: Tensor | None, mean: bool = False
) -> Tensor:
    """(D, ...) of x's dtype: per destination the sum or mean of ``weight[perm[e]] * x[row[e]]``, on the CPU."""
    dtype = compute_dtype(x)
    x, weight = x.detach().contiguous(), as_float(weight, dtype)
    edges = native_edges(colptr, row, x.shape[0], perm)
    out = new_result((colptr.shape[0] - 1, *x.shape[1:]), x.dtype)
    results = _native.Aggregates(["mean" if mean else "sum"], array(out))
    _native.aggregate(edges, array(x), array_or_none(weight), results, torch.get_num_threads())
    return out


@_spmm.register_fake
def _(
    colptr: Tensor,
    row: Tensor | None,
    x: Tensor,
    weight: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    mean: bool,
) -> Tensor:
    return x.new_empty((colptr.shape[0] - 1, *x.shape[1:]))


@torch.library.custom_op("gnnctl::spmm_backward", mutates_args=())
def _spmm_backward(
    colptr: Tensor,
    row: Tensor | None,
    grad: Tensor,
    weight: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    num_src: int,
    mean: bool,
) -> Tensor:
    """Gradient for x: the same product over the transposed view, so every source is summed in a fixed order."""
    if device.elsewhere(grad):
        return device.spmm_backward(colptr, row, grad, weight, (rowptr, col, perm), num_src, mean)
    grad, threads = grad.contiguous(), torch.get_num_threads()
    results = _native.Aggregates(["mean" if mean else "sum"])
    if row is None:
        out = new_result((num_src, *grad.shape[1:]), grad.dtype)
        _native.spread(native_edges(colptr, None, num_src), array(grad), results, None, array(out), threads)
        return out
    if rowptr is None or col is None or perm is None:
        rowptr, col, perm = EdgeIndex(colptr, row, num_src, colptr.shape[0] - 1, validate=False).transposed()
    shares = _mean_shares(colptr, row, grad, num_src) if mean else grad
    return native_sum(rowptr, col, None if weight is None else perm, shares, weight).to(grad.dtype)


@_spmm_backward.register_fake
def _(
    colptr: Tensor,
    row: Tensor | None,
    grad: Tensor,
    weight: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    num_src: int,
    mean: bool,
) -> Tensor:
    return grad.new_empty((num_src, *grad.shape[1:]))


@torch.library.custom_op("gnnctl::sddmm", mutates_args=())
def _sddmm(colptr: Tensor, row: Tensor, grad: Tensor, x: Tensor, weight: Tensor, mean: bool) -> Tensor:
    """Gradient for the weights: of each edge, the dot product of its destination's gradient and its source."""
    if device.elsewhere(x):
        return device.sddmm(colptr, row, grad, x, weight, mean)
    x, grad = x.detach().contiguous(), grad.contiguous()
    out = torch.empty(weight.shape, dtype=compute_dtype(x))
    edges = native_edges(colptr, row, x.shape[0])
    _native.sddmm(edges, array(grad), array(x), array(out), mean, torch.get_num_threads())
    return out.to(weight.dtype)


@_sddmm.register_fake
def _(colptr: Tensor, row: Tensor, grad: Tensor, x: Tensor, weight: Tensor, mean: bool) -> Tensor:
    return weight.new_empty(weight.shape)


@torch.library.custom_op("gnnctl::spmm_backward_both", mutates_args=())
def _both_gradients(
    colptr: Tensor,
    row: Tensor,
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    mean: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients for x and for the weights, in one pass over the transposed view: both read the same rows."""
    if device.elsewhere(x):
        of_x = device.spmm_backward(colptr, row, grad, weight, (rowptr, col, perm), x.shape[0], mean)
        return of_x, device.sddmm(colptr, row, grad, x, weight, mean)
    if rowptr is None or col is None or perm is None:
        rowptr, col, perm = EdgeIndex(colptr, row, x.shape[0], colptr.shape[0] - 1, validate=False).transposed()
    own, shares, dtype = x.detach().contiguous(), grad.to(x.dtype).contiguous(), compute_dtype(x)
    if mean:
        own, shares = own.to(dtype), _mean_shares(colptr, row, shares, x.shape[0])
    factors = as_float(weight, dtype)
    assert factors is not None
    of_x, of_weight = new_result(x.shape, own.dtype), new_result(weight.shape, dtype)
    if own.numel() == 0:
        return of_x.to(x.dtype), of_weight.zero_().to(weight.dtype)
    edges = native_edges(rowptr, col, shares.shape[0], perm)
    results = array(of_x), array(of_weight)
    _native.weighted_gradient(edges, array(shares), array(factors), array(own), *results, torch.get_num_threads())
    return of_x.to(x.dtype), of_weight.to(weight.dtype)


def _mean_shares(colptr: Tensor, row: Tensor, grad: Tensor, num_src: int) -> Tensor:
    shares = new_result(grad.shape, compute_dtype(grad))
    edges = native_edges(colptr, row, num_src)
    _native.fold(edges, array(grad), _native.Aggregates(["mean"]), array(shares), torch.get_num_threads())
    return shares


@_both_gradients.register_fake
def _(
    colptr: Tensor,
    row: Tensor,
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    mean: bool,
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), weight.new_empty(weight.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    colptr, row, x, weight, rowptr, col, perm, mean = inputs
    ctx.save_for_backward(colptr, row, x if weight is not None else None, weight, rowptr, col, perm)
    ctx.num_src, ctx.mean = x.shape[0], mean


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    colptr, row, x, weight, rowptr, col, perm = ctx.saved_tensors
    grad_x = grad_weight = None
    if weight is not None and ctx.needs_input_grad[2] and ctx.needs_input_grad[3]:
        grad_x, grad_weight = _both_gradients(colptr, row, grad, x, weight, rowptr, col, perm, ctx.mean)
        return None, None, grad_x, grad_weight, None, None, None, None
    if ctx.needs_input_grad[2]:
        grad_x = _spmm_backward(colptr, row, grad, weight, rowptr, col, perm, ctx.num_src, ctx.mean)
    if weight is not None and ctx.needs_input_grad[3]:
        grad_weight = _sddmm(colptr, row, grad, x, weight, ctx.mean)
    return None, None, grad_x, grad_weight, None, None, None, None


_spmm.register_autograd(_backward, setup_context=_setup)
for _device in ("cpu", "cuda"):
    _spmm.register_autocast(_device, torch.float32)
