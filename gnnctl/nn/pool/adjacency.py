"""Adjacency matrices of a batch of graphs."""

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.pool.select import graph_of


def to_dense_adj(
    edge_index: EdgeIndex, ptr: Tensor, edge_weight: Tensor | None = None, *, num_nodes: int | None = None
) -> Tensor:
    """The adjacency matrix of each graph.

    Args:
        edge_index: E edges, each within one graph.
        ptr: (B + 1,) int64 graphs.
        edge_weight: (E,), or (E, F); weights of equal edges are summed. None: one.
        num_nodes: rows of each matrix; None: those of the largest graph, at which a compiled graph breaks.

    Returns:
        (B, N, N), or (B, N, N, F): ``[b, i, j]`` is the weight of j -> i, zero where there is no edge, so that a
        product with node features sums over the sources.
    """
    size = int(ptr.diff().max()) if num_nodes is None and ptr.shape[0] > 1 else num_nodes or 0
    graph = graph_of(ptr, edge_index.num_dst)
    src, dst = edge_index.row.long(), edge_index.col().long()
    of = graph[dst]
    weight = torch.ones(edge_index.num_edges, device=edge_index.device) if edge_weight is None else edge_weight
    place = (of * size + dst - ptr[of]) * size + src - ptr[of]
    flat = weight.new_zeros((ptr.shape[0] - 1) * size * size, *weight.shape[1:]).index_add(0, place, weight)
    return flat.view(ptr.shape[0] - 1, size, size, *weight.shape[1:])
