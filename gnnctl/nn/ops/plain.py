"""What each forward operator is in plain aten operations, so that an exported model needs nothing of gnnctl."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gnnctl.graph.edge_index import _sorted_by_destination
from gnnctl.nn.ops import fallback
from gnnctl.nn.ops.aggregate import _aggregate
from gnnctl.nn.ops.attend import _attend
from gnnctl.nn.ops.attention import _attention
from gnnctl.nn.ops.gather import _gather
from gnnctl.nn.ops.matmul import _grouped_matmul, _segment_matmul, _spread
from gnnctl.nn.ops.matmul_fallback import product
from gnnctl.nn.ops.quantile import _quantile
from gnnctl.nn.ops.sddmm import _edge_dots
from gnnctl.nn.ops.segment import _logsumexp, _product
from gnnctl.nn.ops.spmm import _spmm

# With more types than this, a matrix is looked up for each row instead of multiplying all rows by each matrix.
_FEW_TYPES = 16
Plain = dict[Any, Callable[..., Any]]


def plain_operators() -> Plain:
    """Decompositions for :meth:`torch.export.ExportedProgram.run_decompositions`, by operator."""
    found: dict[Any, Callable[..., Any]] = {
        _spmm: lambda colptr, row, x, weight, rowptr, col, perm, mean: fallback.spmm(colptr, row, x, weight, mean),
        _gather: lambda x, index, ptr, perm: x.index_select(0, index),
        _aggregate: lambda colptr, row, x, weight, rowptr, col, perm, reduces, ranks=True: fallback.aggregate(
            colptr, row, x, weight, reduces.split(","), ranks
        ),
        _attention: _scored,
        _attend: _attended,
        _edge_dots: _dots,
        _logsumexp: fallback.logsumexp,
        _product: fallback.product,
        _quantile: fallback.quantile,
        _sorted_by_destination: _sorted,
        _segment_matmul: _products,
        _grouped_matmul: _pairs,
    }
    return {operator._opoverload: function for operator, function in found.items()}


def _scored(
    colptr: Tensor,
    row: Tensor | None,
    src: Tensor | None,
    dst: Tensor | None,
    edge: Tensor | None,
    rowptr: Tensor | None,
    perm: Tensor | None,
    negative_slope: float,
) -> Tensor:
    count = next(t for t in (row, edge) if t is not None).shape[0]
    scores = fallback.attention_scores(colptr, row, src, dst, edge, count)
    return fallback.softmax(colptr, torch.nn.functional.leaky_relu(scores, negative_slope))


def _attended(
    colptr: Tensor,
    row: Tensor,
    src: Tensor,
    dst: Tensor,
    x: Tensor,
    edge: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    negative_slope: float,
) -> tuple[Tensor, Tensor, Tensor]:
    prob = _scored(colptr, row, src, dst, edge, rowptr, perm, negative_slope)
    # What backward alone needs is left out: an exported model has none.
    nothing = [x.new_zeros((colptr.shape[0] - 1, x.shape[1]), dtype=torch.float32) for _ in range(2)]
    return fallback.spmm(colptr, row, x, prob.to(x.dtype), False), nothing[0], nothing[1]


def _dots(
    colptr: Tensor,
    row: Tensor,
    dst: Tensor,
    src: Tensor,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
) -> Tensor:
    return (fallback.expand(colptr, dst, row.shape[0]) * src.index_select(0, row)).sum(-1)


def _sorted(coo: Tensor, num_src: int, num_dst: int, wide: bool) -> tuple[Tensor, Tensor, Tensor]:
    order = torch.argsort(coo[1], stable=True)
    count = coo.new_zeros(num_dst, dtype=torch.int64).index_add(0, coo[1], torch.ones_like(coo[1]))
    colptr = torch.cat([count.new_zeros(1), count.cumsum(0)])
    return colptr, coo[0].index_select(0, order).to(torch.int64 if wide else torch.int32), order


def _products(x: Tensor, ptr: Tensor | None, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
    weight = weight.mT if transposed else weight
    if ptr is None:
        return product(x, weight[0], None if bias is None else bias[0])
    types = weight.shape[0]
    of_row = fallback.destinations(ptr, x.shape[0])
    if types > _FEW_TYPES:
        out = torch.bmm(x[:, None], weight.index_select(0, of_row)).squeeze(1)
        return out if bias is None else out + bias.index_select(0, of_row)
    out = x.new_zeros((x.shape[0], weight.shape[2]))
    for t in range(types):
        out = torch.where((of_row == t)[:, None], product(x, weight[t], None if bias is None else bias[t]), out)
    return out


def _pairs(xs: list[Tensor], weights: list[Tensor], biases: list[Tensor], has_bias: list[bool]) -> list[Tensor]:
    return [product(*group) for group in zip(xs, weights, _spread(biases, has_bias), strict=True)]
