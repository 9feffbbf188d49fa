"""Which nodes of each graph to keep, by their scores."""

from typing import NamedTuple

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import segment_reduce

_LEAST = 1e-7  # below a graph's best score, so that one node remains


class Kept(NamedTuple):
    """``nodes`` (M,) int64, rising; ``ptr`` (B + 1,) int64, their graphs."""

    nodes: Tensor
    ptr: Tensor


class Pooled(NamedTuple):
    """A batch of graphs with fewer nodes.

    ``x`` (M, F); ``edge_index`` among them, those whose both ends were kept; ``ptr`` (B + 1,) int64; ``nodes`` (M,)
    int64, which they were, rising; ``score`` (M,); ``edges`` (E',) int64 positions of the kept edges, to select what
    else they have.
    """

    x: Tensor
    edge_index: EdgeIndex
    ptr: Tensor
    nodes: Tensor
    score: Tensor
    edges: Tensor


def one_graph(values: Tensor, ptr: Tensor | None) -> Tensor:
    """``ptr``, or where it is None (2,) int64 of the single graph that all rows belong to."""
    return torch.arange(2, device=values.device) * values.shape[0] if ptr is None else ptr


def graph_of(ptr: Tensor, num_nodes: int) -> Tensor:
    """(N,) int64: the graph of each node."""
    graphs = torch.arange(ptr.shape[0] - 1, device=ptr.device)
    return torch.repeat_interleave(graphs, ptr.diff(), output_size=num_nodes)


def top_k(score: Tensor, ptr: Tensor, ratio: float | int) -> Kept:
    """The nodes with the highest scores of each graph; of equal ones the first.

    Args:
        score: (N,) float.
        ptr: (B + 1,) int64 graphs.
        ratio: an integer: so many of each graph, or all that there are; a float of at most one: that part, rounded
            up.

    Raises:
        ValueError: a ratio that is not above zero, or a float above one.
    """
    if ratio <= 0 or (isinstance(ratio, float) and ratio > 1):
        raise ValueError(f"ratio must be a number of nodes, or a part above 0 and at most 1, got {ratio!r}")
    graph, counts = graph_of(ptr, score.shape[0]), ptr.diff()
    part = isinstance(ratio, float)  # 1.0 is all of a graph, 1 is one node
    counts = (ratio * counts.double() - 1e-9).ceil().long() if part else counts.clamp(max=int(ratio))
    order = score.detach().argsort(descending=True, stable=True)
    order = order[graph[order].argsort(stable=True)]
    rank = torch.arange(score.shape[0], device=score.device) - ptr[graph]
    return Kept(order[rank < counts[graph]].sort().values, _offsets(counts))


def above(score: Tensor, ptr: Tensor, min_score: float) -> Kept:
    """The nodes of higher score than ``min_score``, and of each graph at least the best."""
    graph = graph_of(ptr, score.shape[0])
    best = segment_reduce(ptr, score.detach()[:, None], "max")[:, 0] - _LEAST
    keep = score.detach() > best.clamp(max=min_score)[graph]
    return Kept(keep.nonzero()[:, 0], _offsets(torch.zeros_like(ptr[1:]).index_add_(0, graph, keep.long())))


def pooled(x: Tensor, edge_index: EdgeIndex, kept: Kept, score: Tensor, multiplier: float = 1.0) -> Pooled:
    """The kept nodes, their features times their scores (N,) and ``multiplier``, and the edges among them."""
    weight = score.index_select(0, kept.nodes)
    edges, positions = edge_index.subgraph(kept.nodes)
    rows = x.index_select(0, kept.nodes) * (weight * multiplier if multiplier != 1 else weight)[:, None]
    return Pooled(rows, edges, kept.ptr, kept.nodes, weight, positions)


def unpool_nodes(x: Tensor, nodes: Tensor, num_nodes: int) -> Tensor:
    """(N, F): the rows (M, F) back where they were taken from, zeros elsewhere.

    "Graph U-Nets" (Gao and Ji, 2019).
    """
    return x.new_zeros(num_nodes, *x.shape[1:]).index_copy(0, nodes, x)


def _offsets(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
