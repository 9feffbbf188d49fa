"""Cluster pooling."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.dropout import dropout
from gnnctl.nn.ops import segment_logsumexp, spmm
from gnnctl.nn.pool.clusters import Clusters, clusters_of, merge_edges, merge_rows
from gnnctl.nn.pool.edge import edge_scores
from gnnctl.nn.pool.matching import components
from gnnctl.nn.pool.select import one_graph


class ClusterPooled(NamedTuple):
    """``x`` (C, F); ``edge_index`` among them; ``ptr`` (B + 1,); ``clusters``, which nodes were merged."""

    x: Tensor
    edge_index: EdgeIndex
    ptr: Tensor
    clusters: Clusters


class ClusterPooling(nn.Module):
    r"""The pooling of "Edge-Based Graph Component Pooling" (Snelleman et al., 2024).

    .. math:: s_{ji} = f(w^\top [x_j, x_i] + b)

    Nodes connected by edges whose score is above the threshold are merged; a merged node is
    :math:`\sum_i \sum_{j \to i} s_{ji} x_j` over its members i. A node that is merged with no other adds its own
    features. Loops take no part. How many nodes remain depends on the data; see
    :mod:`gnnctl.nn.pool` on compiling.

    Args:
        in_channels: width of x.
        method: f: tanh, sigmoid, or the logarithm of the softmax over a graph's edges.
        dropout: of the scores before f, in training.
        threshold: None: 0.5 for sigmoid, else 0.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        method: Literal["tanh", "sigmoid", "log_softmax"] = "tanh",
        dropout: float = 0.0,
        threshold: float | None = None,
    ) -> None:
        super().__init__()
        if method not in ("tanh", "sigmoid", "log_softmax"):
            raise ValueError(f"method must be tanh, sigmoid or log_softmax, got {method!r}")
        self.method, self.dropout = method, dropout
        self.threshold = (0.5 if method == "sigmoid" else 0.0) if threshold is None else threshold
        self.lin = nn.Linear(2 * in_channels, 1)

    def forward(self, x: Tensor, edge_index: EdgeIndex, ptr: Tensor | None = None) -> ClusterPooled:
        """Pool the graphs ``ptr`` (B + 1,) of x (N, F)."""
        ptr = one_graph(x, ptr)
        edges, _ = edge_index.select(edge_index.row != edge_index.col())
        raw = dropout(edge_scores(self.lin, x, edges), self.dropout, self.training)
        if self.method == "log_softmax":
            first = edges.colptr[ptr]
            total = segment_logsumexp(first, raw[:, None])[:, 0]
            score = raw - torch.repeat_interleave(total, first.diff(), output_size=edges.num_edges)
        else:
            score = raw.tanh() if self.method == "tanh" else raw.sigmoid()
        contracted, _ = edges.select(score.detach() > self.threshold)
        touched = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
        touched[contracted.row.long()] = True
        touched[contracted.col().long()] = True
        rows = spmm(edges, x, score) + torch.where(touched[:, None], 0.0, x)
        clusters = clusters_of(components(contracted), ptr)
        merged, _ = merge_edges(edges, clusters.cluster, clusters.members.num_dst)
        return ClusterPooled(merge_rows(clusters, rows, "sum"), merged, clusters.ptr, clusters)
