"""Weighted sum, mean, maximum and minimum of the sources of each destination's edges."""

from typing import Any, Literal

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.native import _native
from gnnctl.nn.ops import fallback
from gnnctl.nn.ops.checks import address, as_float, check_edges, check_index, compute_dtype, heads_of

Reduce = Literal["sum", "mean", "max", "min"]


def spmm(edge_index: EdgeIndex, x: Tensor, weight: Tensor | None = None, reduce: Reduce = "sum") -> Tensor:
    """Aggregate source features along the edges without materialising messages.

    Args:
        edge_index: E edges from S sources to D destinations.
        x: (S, F) or (S, H, F) float.
        weight: (E,), or (E, H) for (S, H, F) features.
        reduce: how the messages ``weight[e] * x[row[e]]`` of a destination become one.

    Returns:
        (D, F) or (D, H, F); zero for a destination without edges. A mean divides by the number of edges.
    """
    if x.shape[0] != edge_index.num_src:
        raise ValueError(f"x has {x.shape[0]} rows for {edge_index.num_src} sources")
    rowptr, col, perm = edge_index.transposed_for(x)
    colptr, row = edge_index.colptr, edge_index.row
    if reduce in ("sum", "mean"):
        out: Tensor = _spmm(colptr, row, x, weight, rowptr, col, perm, reduce == "mean")
        return out
    if reduce not in ("max", "min"):
        raise ValueError(f"reduce must be sum, mean, max or min, got {reduce!r}")
    best: Tensor = _extremum(colptr, row, x, weight, rowptr, col, perm, reduce == "min")[0]
    return best


def segment_reduce(colptr: Tensor, values: Tensor, reduce: Reduce = "sum") -> Tensor:
    """Aggregate one row per edge by destination.

    Args:
        colptr: (D + 1,) int64.
        values: (E, ...) float, in edge order.
        reduce: how a destination's rows become one.

    Returns:
        (D, ...); zero for a destination without edges.
    """
    if reduce in ("sum", "mean"):
        out: Tensor = _spmm(colptr, None, values, None, None, None, None, reduce == "mean")
        return out
    best: Tensor = _extremum(colptr, None, values, None, None, None, None, reduce == "min")[0]
    return best


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
    if x.device.type != "cpu":
        return fallback.spmm(colptr, row, x, weight, mean)
    return _native_sum(colptr, row, None, x, weight, mean)


def _native_sum(
    colptr: Tensor, row: Tensor | None, perm: Tensor | None, x: Tensor, weight: Tensor | None, mean: bool
) -> Tensor:
    wide, dtype = check_index(colptr, row, perm), compute_dtype(x)
    heads, width = heads_of(x, weight)
    num_dst = colptr.shape[0] - 1
    if row is not None:
        check_edges("weight", weight, row.shape[0])
    values, factors = as_float(x, dtype), as_float(weight, dtype)
    out = torch.empty((num_dst, *x.shape[1:]), dtype=dtype)
    _native.spmm_sum(
        colptr=address(colptr),
        row=address(row),
        perm=address(perm),
        x=address(values),
        weight=address(factors),
        out=address(out),
        num_dst=num_dst,
        heads=heads,
        width=width,
        wide=wide,
        is_double=dtype == torch.float64,
        mean=mean,
        threads=torch.get_num_threads(),
    )
    return out.to(x.dtype)


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
    if mean:
        degree = torch.diff(colptr).clamp_(min=1).to(grad.dtype)
        grad = grad / degree.view(-1, *[1] * (grad.dim() - 1))
    if row is None:
        return fallback.expand(colptr, grad, num_src)
    if grad.device.type != "cpu":
        return fallback.spmm_backward(colptr, row, grad, weight, num_src)
    if rowptr is None or col is None or perm is None:
        rowptr, col, perm = EdgeIndex(colptr, row, num_src, colptr.shape[0] - 1, validate=False).transposed()
    return _native_sum(rowptr, col, None if weight is None else perm, grad, weight, False)


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
def _sddmm(
    colptr: Tensor, row: Tensor, grad: Tensor, x: Tensor, weight: Tensor, arg: Tensor | None, mean: bool
) -> Tensor:
    """Gradient for the weights: of each edge, the dot product of its destination's gradient and its source."""
    if x.device.type != "cpu":
        return fallback.sddmm(colptr, row, grad, x, weight, arg, mean)
    wide, dtype = check_index(colptr, row), compute_dtype(x)
    heads, width = heads_of(x, weight)
    out = torch.zeros(weight.shape, dtype=dtype)
    left, right = as_float(grad, dtype), as_float(x, dtype)
    _native.sddmm(
        colptr=address(colptr),
        row=address(row),
        grad=address(left),
        x=address(right),
        arg=address(arg),
        out=address(out),
        num_dst=colptr.shape[0] - 1,
        heads=heads,
        width=width,
        wide=wide,
        is_double=dtype == torch.float64,
        mean=mean,
        threads=torch.get_num_threads(),
    )
    return out.to(weight.dtype)


@_sddmm.register_fake
def _(colptr: Tensor, row: Tensor, grad: Tensor, x: Tensor, weight: Tensor, arg: Tensor | None, mean: bool) -> Tensor:
    return weight.new_empty(weight.shape)


@torch.library.custom_op("gnnctl::spmm_extremum", mutates_args=())
def _extremum(
    colptr: Tensor,
    row: Tensor | None,
    x: Tensor,
    weight: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    minimum: bool,
) -> tuple[Tensor, Tensor]:
    """Also returns, per feature, the rank of the chosen edge within its destination (the first of equals), or -1."""
    if x.device.type != "cpu":
        return fallback.extremum(colptr, row, x, weight, minimum)
    wide, dtype = check_index(colptr, row), compute_dtype(x)
    heads, width = heads_of(x, weight)
    num_dst = colptr.shape[0] - 1
    if row is not None:
        check_edges("weight", weight, row.shape[0])
    values, factors = as_float(x, dtype), as_float(weight, dtype)
    out = torch.empty((num_dst, *x.shape[1:]), dtype=dtype)
    arg = torch.empty((num_dst, *x.shape[1:]), dtype=torch.int32)
    _native.spmm_extremum(
        colptr=address(colptr),
        row=address(row),
        x=address(values),
        weight=address(factors),
        out=address(out),
        arg=address(arg),
        num_dst=num_dst,
        heads=heads,
        width=width,
        wide=wide,
        is_double=dtype == torch.float64,
        minimum=minimum,
        threads=torch.get_num_threads(),
    )
    return out.to(x.dtype), arg


@_extremum.register_fake
def _(
    colptr: Tensor,
    row: Tensor | None,
    x: Tensor,
    weight: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    minimum: bool,
) -> tuple[Tensor, Tensor]:
    shape = (colptr.shape[0] - 1, *x.shape[1:])
    return x.new_empty(shape), x.new_empty(shape, dtype=torch.int32)


@torch.library.custom_op("gnnctl::spmm_extremum_backward", mutates_args=())
def _extremum_backward(
    colptr: Tensor,
    row: Tensor | None,
    grad: Tensor,
    arg: Tensor,
    weight: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    num_src: int,
) -> Tensor:
    if row is None or grad.device.type != "cpu":
        return fallback.extremum_backward(colptr, row, grad, arg, weight, num_src)
    if rowptr is None or col is None or perm is None:
        rowptr, col, perm = EdgeIndex(colptr, row, num_src, colptr.shape[0] - 1, validate=False).transposed()
    wide, dtype = check_index(rowptr, col, perm), compute_dtype(grad)
    heads, width = heads_of(grad, weight)
    values, factors = as_float(grad, dtype), as_float(weight, dtype)
    out = torch.empty((num_src, *grad.shape[1:]), dtype=dtype)
    _native.spmm_selected_sum(
        rowptr=address(rowptr),
        col=address(col),
        perm=address(perm),
        colptr=address(colptr),
        grad=address(values),
        arg=address(arg),
        weight=address(factors),
        out=address(out),
        num_src=num_src,
        heads=heads,
        width=width,
        wide=wide,
        is_double=dtype == torch.float64,
        threads=torch.get_num_threads(),
    )
    return out.to(grad.dtype)


@_extremum_backward.register_fake
def _(
    colptr: Tensor,
    row: Tensor | None,
    grad: Tensor,
    arg: Tensor,
    weight: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    num_src: int,
) -> Tensor:
    return grad.new_empty((num_src, *grad.shape[1:]))


# -- gradients --------------------------------------------------------------------------------------------------------


def _setup_spmm(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    colptr, row, x, weight, rowptr, col, perm, mean = inputs
    ctx.save_for_backward(colptr, row, x if weight is not None else None, weight, rowptr, col, perm)
    ctx.num_src, ctx.mean = x.shape[0], mean


def _backward_spmm(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    colptr, row, x, weight, rowptr, col, perm = ctx.saved_tensors
    grad_x = grad_weight = None
    if ctx.needs_input_grad[2]:
        grad_x = _spmm_backward(colptr, row, grad, weight, rowptr, col, perm, ctx.num_src, ctx.mean)
    if weight is not None and ctx.needs_input_grad[3]:
        grad_weight = _sddmm(colptr, row, grad, x, weight, None, ctx.mean)
    return None, None, grad_x, grad_weight, None, None, None, None


def _setup_extremum(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    colptr, row, x, weight, rowptr, col, perm, _ = inputs
    ctx.save_for_backward(colptr, row, x if weight is not None else None, weight, rowptr, col, perm, output[1])
    ctx.num_src = x.shape[0]
    ctx.mark_non_differentiable(output[1])


def _backward_extremum(ctx: Any, grad: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
    colptr, row, x, weight, rowptr, col, perm, arg = ctx.saved_tensors
    grad_x = grad_weight = None
    if ctx.needs_input_grad[2]:
        grad_x = _extremum_backward(colptr, row, grad, arg, weight, rowptr, col, perm, ctx.num_src)
    if weight is not None and ctx.needs_input_grad[3]:
        grad_weight = _sddmm(colptr, row, grad, x, weight, arg, False)
    return None, None, grad_x, grad_weight, None, None, None, None


_spmm.register_autograd(_backward_spmm, setup_context=_setup_spmm)
_extremum.register_autograd(_backward_extremum, setup_context=_setup_extremum)
for _op in (_spmm, _extremum):
    for _device in ("cpu", "cuda"):
        _op.register_autocast(_device, torch.float32)
