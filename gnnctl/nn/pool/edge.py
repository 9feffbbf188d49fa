"""Edge contraction pooling."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.dropout import dropout
from gnnctl.nn.ops import gather_dst, gather_src, segment_softmax
from gnnctl.nn.pool.clusters import Clusters, clusters_of, merge_edges, merge_rows, unpool_clusters
from gnnctl.nn.pool.matching import greedy_matching, pairs_as_labels


class EdgePooled(NamedTuple):
    """``x`` (C, F); ``edge_index`` among them; ``ptr`` (B + 1,); ``score`` (C,), one of nodes that stayed alone;
    ``clusters``, which nodes were merged."""

    x: Tensor
    edge_index: EdgeIndex
    ptr: Tensor
    score: Tensor
    clusters: Clusters


class EdgePooling(nn.Module):
    r"""The pooling of "Towards Graph Pooling by Edge Contraction" (Diehl et al., 2019).

    .. math:: s_{ji} = f(w^\top [x_j, x_i] + b) + \tfrac{1}{2}

    Edges are contracted from the highest score downwards, each if neither end was contracted before; the features of
    the two nodes are summed and multiplied by the score. How many nodes remain depends on the data; see
    :mod:`gnnctl.nn.pool` on compiling.

    Args:
        in_channels: width of x.
        method: f: softmax over the edges into a node, tanh, or sigmoid.
        dropout: of the scores before f, in training.
        offset: added to the score.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        method: Literal["softmax", "tanh", "sigmoid"] = "softmax",
        dropout: float = 0.0,
        offset: float = 0.5,
    ) -> None:
        super().__init__()
        if method not in ("softmax", "tanh", "sigmoid"):
            raise ValueError(f"method must be softmax, tanh or sigmoid, got {method!r}")
        self.method, self.dropout, self.offset = method, dropout, offset
        self.lin = nn.Linear(2 * in_channels, 1)

    def forward(self, x: Tensor, edge_index: EdgeIndex, ptr: Tensor | None = None) -> EdgePooled:
        """Pool the graphs ``ptr`` (B + 1,) of x (N, F)."""
        raw = edge_scores(self.lin, x, edge_index)
        raw = dropout(raw, self.dropout, self.training)
        if self.method == "softmax":
            score = segment_softmax(edge_index.colptr, raw[:, None])[:, 0]
        else:
            score = raw.tanh() if self.method == "tanh" else raw.sigmoid()
        score = score + self.offset
        taken = greedy_matching(edge_index, score)
        clusters = clusters_of(pairs_as_labels(edge_index, taken), ptr)
        count = clusters.members.num_dst
        merged = clusters.cluster[edge_index.col()[taken]]
        scale = score.new_ones(count).index_copy(0, merged, score.index_select(0, taken))
        rows = merge_rows(clusters, x, "sum") * scale[:, None]
        edges, _ = merge_edges(edge_index, clusters.cluster, count, self_loops=True)
        return EdgePooled(rows, edges, clusters.ptr, scale, clusters)

    @staticmethod
    def unpool(x: Tensor, pooled: EdgePooled) -> Tensor:
        """(N, F): rows (C, F) back to the nodes that were merged, divided by the score."""
        return unpool_clusters(x / pooled.score[:, None], pooled.clusters)


def edge_scores(linear: nn.Linear, x: Tensor, edge_index: EdgeIndex) -> Tensor:
    """(E,): the linear function of the features of both ends, source first, from products of nodes."""
    of_src, of_dst = linear.weight.chunk(2, dim=1)
    parts = gather_src(edge_index, x @ of_src.T) + gather_dst(edge_index, x @ of_dst.T)
    return torch.add(parts[:, 0], linear.bias)
