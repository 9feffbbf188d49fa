"""Nodes that are merged: their numbering, and what becomes of features and edges."""

from typing import NamedTuple

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike, aggregation
from gnnctl.nn.ops import Reduce, segment_reduce
from gnnctl.nn.pool.select import graph_of, one_graph


class Clusters(NamedTuple):
    """A partition of N nodes into C clusters, each within one graph.

    ``cluster`` (N,) int64, of each node; ``ptr`` (B + 1,) int64, the graphs of the clusters; ``members`` edges from
    the nodes to their clusters.
    """

    cluster: Tensor
    ptr: Tensor
    members: EdgeIndex


class Merged(NamedTuple):
    """Graphs of clusters: ``x`` (C, F), or None; ``edge_index`` among them; ``edge_attr`` (E', ...), or None."""

    x: Tensor | None
    edge_index: EdgeIndex
    edge_attr: Tensor | None


def clusters_of(label: Tensor, ptr: Tensor | None = None) -> Clusters:
    """Number clusters by graph and then by label.

    Args:
        label: (N,) integers; nodes of one graph and equal label are a cluster.
        ptr: (B + 1,) int64 graphs; None: there is one.
    """
    ptr = one_graph(label, ptr)
    graph = graph_of(ptr, label.shape[0])
    labels, label = torch.unique(label, return_inverse=True)
    span = labels.shape[0] + 1
    keys, cluster = torch.unique(graph * span + label, return_inverse=True)
    graphs = torch.arange(ptr.shape[0], device=ptr.device) * span
    order = cluster.argsort(stable=True)
    first = torch.searchsorted(cluster[order], torch.arange(keys.shape[0] + 1, device=ptr.device))
    row = order.to(torch.int64 if order.shape[0] >= 2**31 else torch.int32)
    members = EdgeIndex(first, row, order.shape[0], keys.shape[0], validate=False)
    return Clusters(cluster, torch.searchsorted(keys, graphs), members)


def merge_edges(
    edge_index: EdgeIndex,
    cluster: Tensor,
    num_clusters: int,
    edge_attr: Tensor | None = None,
    *,
    reduce: Reduce = "sum",
    self_loops: bool = False,
) -> tuple[EdgeIndex, Tensor | None]:
    """Edges between clusters, one for all that lead from one to another, by destination and then by source.

    Args:
        edge_index: E edges between N nodes.
        cluster: (N,) int64, below ``num_clusters``.
        num_clusters: C.
        edge_attr: (E, ...) float.
        reduce: how the features of merged edges become one.
        self_loops: whether the edges within a cluster remain.

    Returns:
        The edges and their features.
    """
    src, dst = cluster[edge_index.row], cluster[edge_index.col()]
    if not self_loops:
        between = (src != dst).nonzero()[:, 0]
        src, dst, edge_attr = src[between], dst[between], None if edge_attr is None else edge_attr[between]
    coo = torch.stack([src, dst]).to(edge_index.row.dtype)
    return coalesce(coo, num_clusters, num_clusters, edge_attr, reduce)


def coalesce(
    coo: Tensor, num_src: int, num_dst: int, edge_attr: Tensor | None = None, reduce: Reduce = "sum"
) -> tuple[EdgeIndex, Tensor | None]:
    """Sort edges (2, E) by destination and then by source, and merge equal ones; (E, ...) features are reduced.

    The result's ``row`` has the dtype of ``coo``.
    """
    src, dst = coo.long()
    key, order = (dst * num_src + src).sort(stable=True)
    keys, counts = torch.unique_consecutive(key, return_counts=True)
    first = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    if edge_attr is not None:
        edge_attr = segment_reduce(first, edge_attr.index_select(0, order), reduce)
    ends = torch.arange(num_dst + 1, device=key.device) * num_src
    row = coo[0].index_select(0, order.index_select(0, first[:-1]))
    return EdgeIndex(torch.searchsorted(keys, ends), row, num_src, num_dst, validate=False), edge_attr


def merge(
    clusters: Clusters,
    x: Tensor | None,
    edge_index: EdgeIndex,
    edge_attr: Tensor | None = None,
    aggr: AggregationLike = "max",
) -> Merged:
    """The graphs of the clusters; features of edges that become one are summed.

    Args:
        clusters: of N nodes.
        x: (N, F) features, aggregated over each cluster.
        edge_index: E edges between the nodes; those within a cluster vanish.
        edge_attr: (E, ...) float.
        aggr: max, mean (for positions, too), or any other; see :func:`gnnctl.nn.aggr.aggregation`.
    """
    edges, attr = merge_edges(edge_index, clusters.cluster, clusters.members.num_dst, edge_attr)
    return Merged(None if x is None else merge_rows(clusters, x, aggr), edges, attr)


def merge_rows(clusters: Clusters, x: Tensor, aggr: AggregationLike = "max") -> Tensor:
    """(C, F) of (N, F): features aggregated over each cluster, without being copied into its order."""
    return aggregation(aggr).along(clusters.members, x)


def unpool_clusters(x: Tensor, clusters: Clusters) -> Tensor:
    """(N, F): of each node, the row (C, F) of its cluster."""
    return x.index_select(0, clusters.cluster)
