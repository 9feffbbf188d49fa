"""Gradients of aggregations: for the features over the view by source, for the weights edge by edge."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.native import _native
from gnnctl.nn.ops import device
from gnnctl.nn.ops.checks import array, array_or_none, as_float, compute_dtype, native_edges, new_result


def results_of(
    names: list[str], out: Tensor, average: Tensor, least: Tensor, most: Tensor, *, ranks: bool = True
) -> _native.Aggregates:
    """What forward returned, as native functions take it."""
    return _native.Aggregates(
        names,
        array(out),
        array(average) if "var" in names or "std" in names else None,
        array(least) if "min" in names and ranks else None,
        array(most) if "max" in names and ranks else None,
    )


@torch.library.custom_op("gnnctl::aggregate_backward", mutates_args=())
def aggregate_backward(
    colptr: Tensor,
    row: Tensor | None,
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    out: Tensor,
    average: Tensor,
    least: Tensor,
    most: Tensor,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    reduces: str,
) -> Tensor:
    """Gradient for x: of each message ``linear + curved * message`` by the transposed view, then the extremes'."""
    names, threads = reduces.split(","), torch.get_num_threads()
    if device.elsewhere(x):
        saved, view = (out, average, least, most), (rowptr, col, perm)
        return device.aggregate_backward(colptr, row, grad, x, weight, saved, view, names)
    x, grad = x.detach().contiguous(), grad.contiguous()
    edges, results = native_edges(colptr, row, x.shape[0]), results_of(names, out, average, least, most)
    if row is None:
        found = new_result(x.shape, x.dtype)
        _native.spread(edges, array(grad), results, array(x), array(found), threads)
        return found
    factors = as_float(weight, compute_dtype(x))
    if set(names) <= {"min", "max"}:
        found = new_result(x.shape, compute_dtype(x)).zero_()
    else:
        if rowptr is None or col is None or perm is None:
            rowptr, col, perm = EdgeIndex(colptr, row, x.shape[0], colptr.shape[0] - 1, validate=False).transposed()
        found = _smooth_backward(_folded(edges, grad, results, names), x, factors, (rowptr, col, perm))
    if "min" in names or "max" in names:
        _native.select(edges, array(grad), results, array_or_none(factors), array(found), threads)
    return found.to(x.dtype)


def _folded(edges: _native.Edges, grad: Tensor, results: _native.Aggregates, names: Sequence[str]) -> Tensor:
    """(D, 1, ...) linear part of every message's gradient, or (D, 2, ...) with its slope."""
    parts = 2 if "var" in names or "std" in names else 1
    folded = new_result((grad.shape[0], parts, *grad.shape[2:]), compute_dtype(grad))
    _native.fold(edges, array(grad), results, array(folded), torch.get_num_threads())
    return folded


def _smooth_backward(folded: Tensor, x: Tensor, weight: Tensor | None, view: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """(S, ...): over each source's edges, the sum of ``weight * linear + weight^2 * curved * x``, in one product."""
    rowptr, col, perm = view
    parts = folded.shape[1]
    if weight is not None and parts == 2:
        weight = torch.stack([weight, weight * weight], 1).flatten(1)
    out = new_result((x.shape[0], *folded.shape[1:]), folded.dtype)
    _native.aggregate(
        native_edges(rowptr, col, folded.shape[0], None if weight is None else perm),
        array(folded),
        array_or_none(weight),
        _native.Aggregates(["sum"], array(out)),
        torch.get_num_threads(),
    )
    return torch.addcmul(out[:, 0], out[:, 1], x) if parts == 2 else out[:, 0]


@aggregate_backward.register_fake
def _(
    colptr: Tensor,
    row: Tensor | None,
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    out: Tensor,
    average: Tensor,
    least: Tensor,
    most: Tensor,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    reduces: str,
) -> Tensor:
    return x.new_empty(x.shape)


@torch.library.custom_op("gnnctl::aggregate_backward_weight", mutates_args=())
def aggregate_backward_weight(
    colptr: Tensor,
    row: Tensor,
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    out: Tensor,
    average: Tensor,
    least: Tensor,
    most: Tensor,
    reduces: str,
) -> Tensor:
    """Gradient for the weights: of each edge, the dot product of its message's gradient and its source."""
    names, threads = reduces.split(","), torch.get_num_threads()
    if device.elsewhere(x):
        return device.aggregate_backward_weight(colptr, row, grad, x, weight, (out, average, least, most), names)
    dtype = compute_dtype(x)
    x, grad = x.detach().contiguous(), grad.contiguous()
    edges, results = native_edges(colptr, row, x.shape[0]), results_of(names, out, average, least, most)
    found = torch.zeros(weight.shape, dtype=dtype)
    if not set(names) <= {"min", "max"}:
        folded, wide = _folded(edges, grad, results, names), x.to(dtype)
        _native.sddmm(edges, array(folded[:, 0].contiguous()), array(wide), array(found), False, threads)
        if folded.shape[1] == 2:
            slope = torch.empty_like(found)
            _native.sddmm(edges, array(folded[:, 1].contiguous()), array(wide * wide), array(slope), False, threads)
            found.addcmul_(slope, weight.to(dtype))
    if "min" in names or "max" in names:
        _native.select_weights(edges, array(grad), results, array(x), array(found), threads)
    return found.to(weight.dtype)


@aggregate_backward_weight.register_fake
def _(
    colptr: Tensor,
    row: Tensor,
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    out: Tensor,
    average: Tensor,
    least: Tensor,
    most: Tensor,
    reduces: str,
) -> Tensor:
    return weight.new_empty(weight.shape)
