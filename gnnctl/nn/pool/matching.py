"""Pairs of neighbours, and connected components: partitions of nodes by edges."""

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import segment_reduce


def greedy_matching(edge_index: EdgeIndex, score: Tensor) -> Tensor:
    """Edges taken from the highest score downwards, each if neither end has one yet; of equal scores the first.

    Computed in rounds that each take all edges that are best at both ends: the same edges, without a loop over them.

    Args:
        edge_index: E edges between nodes of one kind.
        score: (E,) float.

    Returns:
        (P,) int64 positions of the taken edges, rising; a loop takes its node alone.
    """
    taken: Tensor = _matched(edge_index.row, edge_index.col(), score.detach(), edge_index.num_src)
    return taken.nonzero()[:, 0]


@torch.library.custom_op("gnnctl::greedy_matching", mutates_args=())
def _matched(row: Tensor, col: Tensor, score: Tensor, num_nodes: int) -> Tensor:
    """(E,) bool."""
    src, dst, count = row.long(), col.long(), row.shape[0]
    rank = torch.empty_like(src)
    rank[score.argsort(descending=True, stable=True)] = torch.arange(count, device=src.device)
    left, taken = torch.arange(count, device=src.device), torch.zeros(count, dtype=torch.bool, device=src.device)
    while len(left):
        a, b, order = src[left], dst[left], rank[left]
        best = torch.full((num_nodes,), count, device=src.device)
        best.scatter_reduce_(0, a, order, "amin").scatter_reduce_(0, b, order, "amin")
        chosen = (best[a] == order) & (best[b] == order)
        taken[left[chosen]] = True
        used = torch.zeros(num_nodes, dtype=torch.bool, device=src.device)
        used[a[chosen]] = True
        used[b[chosen]] = True
        left = left[~(used[a] | used[b])]
    return taken


@_matched.register_fake
def _(row: Tensor, col: Tensor, score: Tensor, num_nodes: int) -> Tensor:
    return row.new_empty(row.shape, dtype=torch.bool)


def pairs_as_labels(edge_index: EdgeIndex, taken: Tensor) -> Tensor:
    """(N,) int64: nodes joined by an edge of a matching have the lesser one's number, others their own."""
    label = torch.arange(edge_index.num_src, device=edge_index.device)
    ends = torch.stack([edge_index.row.long()[taken], edge_index.col().long()[taken]])
    label[ends] = ends.amin(0).expand(2, -1)
    return label


def graclus(edge_index: EdgeIndex, weight: Tensor | None = None, *, generator: torch.Generator | None = None) -> Tensor:
    r"""Labels that merge pairs of neighbours, the heaviest first.

    "Weighted Graph Cuts without Eigenvectors: A Multilevel Approach" (Dhillon et al., 2007), with the weight
    :math:`w_{ij} (1 / d_i + 1 / d_j)` of normalised cuts, d the weighted in-degrees. Where the paper visits the nodes
    in random order, the edges are taken from the heaviest downwards.

    Args:
        edge_index: E edges between nodes of one kind, loops of which count nothing.
        weight: (E,) positive; None: all are one.
        generator: decides between equal weights; None: the first edge is taken.

    Returns:
        (N,) int64: the least number in each pair; see :func:`~gnnctl.nn.pool.clusters.clusters_of`.
    """
    ones = torch.ones(edge_index.num_edges, device=edge_index.device)
    weight = ones if weight is None else weight.detach()
    share = segment_reduce(edge_index.colptr, weight[:, None])[:, 0]
    share = torch.where(share > 0, share, torch.ones_like(share)).reciprocal()
    src, dst = edge_index.row.long(), edge_index.col().long()
    score = weight * (share[src] + share[dst])
    score = score.masked_fill(src == dst, -float("inf"))
    if generator is None:
        taken = greedy_matching(edge_index, score)
    else:
        order = torch.randperm(len(score), generator=generator).to(score.device)
        shuffled = torch.empty_like(order)
        shuffled[score[order].argsort(descending=True, stable=True)] = torch.arange(len(order), device=order.device)
        taken = greedy_matching(edge_index, -torch.empty_like(order).index_copy(0, order, shuffled).double())
    return pairs_as_labels(edge_index, taken)


def components(edge_index: EdgeIndex) -> Tensor:
    """(N,) int64: the least node that is connected to each, whatever the directions of the edges."""
    label: Tensor = _components(edge_index.row, edge_index.col(), edge_index.num_src)
    return label


@torch.library.custom_op("gnnctl::components", mutates_args=())
def _components(row: Tensor, col: Tensor, num_nodes: int) -> Tensor:
    src, dst, label = row.long(), col.long(), torch.arange(num_nodes, device=row.device)
    while True:
        least = label.scatter_reduce(0, src, label[dst], "amin").scatter_reduce(0, dst, label[src], "amin")
        least = least[least]
        if torch.equal(least, label):
            return label
        label = least


@_components.register_fake
def _(row: Tensor, col: Tensor, num_nodes: int) -> Tensor:
    return row.new_empty((num_nodes,), dtype=torch.int64)
