"""Pooling and interpolation over the nearest points."""

from typing import NamedTuple

import torch
from torch import Tensor

from gnnctl.nn.aggr import AggregationLike, aggregation
from gnnctl.nn.neighbors import fps, knn
from gnnctl.nn.ops import gather_dst, gather_src, segment_reduce, spmm


class PooledPoints(NamedTuple):
    """``x`` (M, F); ``pos`` (M, 3); ``ptr`` (B + 1,) int64; ``nodes`` (M,) int64, which points they were."""

    x: Tensor
    pos: Tensor
    ptr: Tensor
    nodes: Tensor


def knn_pool(
    x: Tensor, pos: Tensor, k: int, ptr: Tensor, *, ratio: float = 0.25, aggr: AggregationLike = "max"
) -> PooledPoints:
    """Points far from each other, each with what its k nearest have: the transition down of "Point Transformer"
    (Zhao et al., 2021).

    Args:
        x: (N, F) features.
        pos: (N, 3) positions.
        k: neighbours of a kept point, itself among them.
        ptr: (B + 1,) int64 graphs.
        ratio: of the points to keep; see :func:`~gnnctl.nn.neighbors.fps`.
        aggr: of the neighbours' features; see :func:`gnnctl.nn.aggr.aggregation`.
    """
    kept = fps(pos, ratio, ptr)
    places = pos.index_select(0, kept.rows)
    edges = knn(pos, places, k, ptr, kept.ptr)
    return PooledPoints(aggregation(aggr).along(edges, x), places, kept.ptr, kept.rows)


def knn_interpolate(
    x: Tensor, pos: Tensor, to: Tensor, k: int = 3, ptr: Tensor | None = None, ptr_to: Tensor | None = None
) -> Tensor:
    r"""Features at other places, the mean of the k nearest points weighted by :math:`1 / d^2`.

    "PointNet++: Deep Hierarchical Feature Learning on Point Sets in a Metric Space" (Qi et al., 2017). Gradients reach
    the features, not the positions.

    Args:
        x: (N, F) features.
        pos: (N, 3) positions.
        to: (M, 3) places.
        k: points to interpolate between.
        ptr: (B + 1,) int64 graphs of the points.
        ptr_to: of the places.

    Returns:
        (M, F); zero at a place whose graph has no points.
    """
    with torch.no_grad():
        edges = knn(pos, to, k, ptr, ptr_to)
        apart = (gather_src(edges, pos) - gather_dst(edges, to)).square().sum(1)
        weight = apart.clamp(min=1e-16).reciprocal()
        total = segment_reduce(edges.colptr, weight[:, None])
        weight = weight / gather_dst(edges, total)[:, 0]
    return spmm(edges, x, weight)
