"""Pooling: smaller graphs out of graphs, and back.

Graphs of a batch are contiguous ranges of nodes, given by ``ptr`` (B + 1,); None stands for a single graph. Poolings
that assign nodes to a fixed number of clusters (``diff_pool``, ``mincut_pool``, ``DMoNPooling``, ``MemPooling``) take
dense batches and are compiled without a break. Those that keep or merge nodes give results whose size depends on the
data: a compiled model breaks there and goes on after, or is one graph too where
``torch._dynamo.config.capture_dynamic_output_shape_ops`` is set.
"""

from gnnctl.nn.pool.adjacency import to_dense_adj
from gnnctl.nn.pool.asap import ASAPooled, ASAPooling
from gnnctl.nn.pool.assignment import DensePooled
from gnnctl.nn.pool.cluster import ClusterPooled, ClusterPooling
from gnnctl.nn.pool.clusters import (
    Clusters,
    Merged,
    clusters_of,
    coalesce,
    merge,
    merge_edges,
    merge_rows,
    unpool_clusters,
)
from gnnctl.nn.pool.diff import diff_pool
from gnnctl.nn.pool.dmon import DMoNPooling
from gnnctl.nn.pool.edge import EdgePooled, EdgePooling
from gnnctl.nn.pool.knn import PooledPoints, knn_interpolate, knn_pool
from gnnctl.nn.pool.matching import components, graclus, greedy_matching
from gnnctl.nn.pool.memory import MemPooling
from gnnctl.nn.pool.mincut import mincut_pool
from gnnctl.nn.pool.pan import PANPooling
from gnnctl.nn.pool.sag import SAGPooling
from gnnctl.nn.pool.select import Pooled, unpool_nodes
from gnnctl.nn.pool.topk import TopKPooling
from gnnctl.nn.pool.voxel import voxel_grid

__all__ = [
    "ASAPooled",
    "ASAPooling",
    "ClusterPooled",
    "ClusterPooling",
    "Clusters",
    "DMoNPooling",
    "DensePooled",
    "EdgePooled",
    "EdgePooling",
    "MemPooling",
    "Merged",
    "PANPooling",
    "Pooled",
    "PooledPoints",
    "SAGPooling",
    "TopKPooling",
    "clusters_of",
    "coalesce",
    "components",
    "diff_pool",
    "graclus",
    "greedy_matching",
    "knn_interpolate",
    "knn_pool",
    "merge",
    "merge_edges",
    "merge_rows",
    "mincut_pool",
    "to_dense_adj",
    "unpool_clusters",
    "unpool_nodes",
    "voxel_grid",
]
