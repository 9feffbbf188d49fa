"""Aggregation and its gradients on a device."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import fallback
from gnnctl.nn.ops.checks import check_edges
from gnnctl.nn.ops.device.kernels import Kernels, factors, kernels_for, ready

Saved = tuple[Tensor, Tensor, Tensor, Tensor]  # out, average, least, most: what aggregate() returned
View = tuple[Tensor | None, Tensor | None, Tensor | None]  # rowptr, col, perm


def spmm(
    colptr: Tensor, row: Tensor | None, x: Tensor, weight: Tensor | None, mean: bool, perm: Tensor | None = None
) -> Tensor:
    """(D, ...): sum or mean of ``weight[perm[e]] * x[row[e]]`` per destination."""
    kernels = kernels_for(x)
    if kernels is None:
        return fallback.spmm(colptr, row, x, weight, mean)
    if row is not None:
        check_edges("weight", weight, row.shape[0])
    x, weight = ready(x), factors(weight)
    out = x.new_empty((colptr.shape[0] - 1, *x.shape[1:]))
    results = kernels.module.Results(["mean" if mean else "sum"], kernels.array(out))
    edges = kernels.edges(colptr, row, x.shape[0], perm)
    kernels.module.aggregate(kernels.place(x), edges, kernels.array(x), kernels.maybe(weight), results)
    return out


def spmm_backward(
    colptr: Tensor, row: Tensor | None, grad: Tensor, weight: Tensor | None, view: View, num_src: int, mean: bool
) -> Tensor:
    """(S, ...): the gradient of :func:`spmm` for x."""
    kernels = kernels_for(grad)
    if kernels is None:
        return fallback.spmm_backward(colptr, row, grad, weight, num_src, mean)
    return _backward(kernels, colptr, row, ready(grad).unsqueeze(1), None, weight, None, view, num_src, [_sum(mean)])


def sddmm(colptr: Tensor, row: Tensor, grad: Tensor, x: Tensor, weight: Tensor, mean: bool) -> Tensor:
    """(E,) or (E, H): of each edge, the dot product of its destination's row of grad and its source's of x."""
    kernels = kernels_for(x)
    if kernels is None:
        return fallback.sddmm(colptr, row, grad, x, weight, mean)
    return _by_edge(kernels, colptr, row, ready(grad).unsqueeze(1), x, weight, None, [_sum(mean)])


def aggregate(
    colptr: Tensor, row: Tensor | None, x: Tensor, weight: Tensor | None, reduces: list[str], ranks: bool = True
) -> Saved:
    """(D, R, ...) reductions; the mean in float32, and the ranks of the edges that minimum and maximum chose."""
    kernels = kernels_for(x)
    if kernels is None:
        return fallback.aggregate(colptr, row, x, weight, reduces, ranks)
    if row is not None:
        check_edges("weight", weight, row.shape[0])
    x, weight, num_dst = ready(x), factors(weight), colptr.shape[0] - 1
    rows, nothing = (num_dst, *x.shape[1:]), (0,)
    moments = "var" in reduces or "std" in reduces
    found = (
        x.new_empty((num_dst, len(reduces), *x.shape[1:])),
        x.new_empty(rows if moments else nothing, dtype=torch.float32),
        x.new_empty(rows if ranks and "min" in reduces else nothing, dtype=torch.int32),
        x.new_empty(rows if ranks and "max" in reduces else nothing, dtype=torch.int32),
    )
    edges = kernels.edges(colptr, row, x.shape[0])
    results = _results(kernels, reduces, found, ranks)
    kernels.module.aggregate(kernels.place(x), edges, kernels.array(x), kernels.maybe(weight), results)
    return found


def aggregate_backward(
    colptr: Tensor,
    row: Tensor | None,
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    saved: Saved,
    view: View,
    reduces: list[str],
) -> Tensor:
    """(S, ...): the gradient of :func:`aggregate` for x."""
    kernels = kernels_for(x)
    if kernels is None:
        return fallback.aggregate_backward(colptr, row, grad, x, weight, saved, reduces)[0]
    return _backward(kernels, colptr, row, ready(grad), ready(x), weight, saved, view, x.shape[0], reduces)


def aggregate_backward_weight(
    colptr: Tensor, row: Tensor, grad: Tensor, x: Tensor, weight: Tensor, saved: Saved, reduces: list[str]
) -> Tensor:
    """(E,) or (E, H): the gradient of :func:`aggregate` for the weights."""
    kernels = kernels_for(x)
    if kernels is None:
        return fallback.aggregate_backward(colptr, row, grad, x, weight, saved, reduces)[1]
    return _by_edge(kernels, colptr, row, ready(grad), x, weight, saved, reduces)


def gather(x: Tensor, index: Tensor) -> Tensor:
    """``x[index]``, rows of any dtype that kernels know."""
    kernels = kernels_for(x)
    if kernels is None or index.dtype not in (torch.int32, torch.int64):
        return x.index_select(0, index)
    x = ready(x)
    out = x.new_empty((index.shape[0], *x.shape[1:]))
    kernels.module.gather(kernels.place(x), kernels.array(x), kernels.array(index.contiguous()), kernels.array(out))
    return out


def _sum(mean: bool) -> str:
    return "mean" if mean else "sum"


def _results(kernels: Kernels, reduces: Sequence[str], saved: Saved | None, ranks: bool = True) -> Any:
    if saved is None:
        return kernels.module.Results(list(reduces))
    out, average, least, most = (kernels.array(tensor) for tensor in saved)
    moments = "var" in reduces or "std" in reduces
    return kernels.module.Results(
        list(reduces),
        out,
        average if moments else None,
        least if ranks and "min" in reduces else None,
        most if ranks and "max" in reduces else None,
    )


def _folded(kernels: Kernels, edges: Any, grad: Tensor, results: Any, reduces: Sequence[str]) -> Tensor | None:
    """(D, 1 or 2, ...) float32: what messages have in common; None for a lone sum, and for extremes alone."""
    if list(reduces) == ["sum"] or set(reduces) <= {"min", "max"}:
        return None
    parts = 2 if "var" in reduces or "std" in reduces else 1
    folded = grad.new_empty((grad.shape[0], parts, *grad.shape[2:]), dtype=torch.float32)
    kernels.module.fold(kernels.place(grad), edges, kernels.array(grad), results, kernels.array(folded))
    return folded


def _backward(
    kernels: Kernels,
    colptr: Tensor,
    row: Tensor | None,
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    saved: Saved | None,
    view: View,
    num_src: int,
    reduces: list[str],
) -> Tensor:
    """(S, ...) from grad (D, R, ...)."""
    edges, results = kernels.edges(colptr, row, num_src), _results(kernels, reduces, saved)
    out = grad.new_empty((num_src, *grad.shape[2:]))
    place, rows = kernels.place(grad), kernels.maybe(x)
    if row is None:
        kernels.module.spread(place, edges, kernels.array(grad), results, rows, kernels.array(out))
        return out
    rowptr, col, perm = view
    if rowptr is None or col is None or perm is None:
        rowptr, col, perm = EdgeIndex(colptr, row, num_src, colptr.shape[0] - 1, validate=False).transposed()
    folded = _folded(kernels, edges, grad, results, reduces)
    kernels.module.by_source(
        place,
        edges,
        kernels.array(grad),
        results,
        kernels.maybe(folded),
        kernels.edges(rowptr, col, colptr.shape[0] - 1, perm),
        rows,
        kernels.maybe(factors(weight)),
        kernels.array(out),
    )
    return out


def _by_edge(
    kernels: Kernels,
    colptr: Tensor,
    row: Tensor,
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    saved: Saved | None,
    reduces: list[str],
) -> Tensor:
    """Shaped like the weight, from grad (D, R, ...)."""
    x, values = ready(x), factors(weight)
    assert values is not None
    edges, results = kernels.edges(colptr, row, x.shape[0]), _results(kernels, reduces, saved)
    folded = _folded(kernels, edges, grad, results, reduces)
    out = torch.empty_like(values)
    kernels.module.by_edge(
        kernels.place(grad),
        edges,
        kernels.array(grad),
        results,
        kernels.maybe(folded),
        kernels.array(x),
        kernels.array(values),
        kernels.array(out),
    )
    return out.to(weight.dtype)
