"""Expansion over neighbours that a method computes, instead of those that edges give: virtual edges with weights.

Such edges connect nodes of one type t, so an edge type (t, rel, t) of the graph carries them: a model sees them as its
edges. All other edge types stay empty. Their position is -1, their features, where the carrier has some, are zeros.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.native import number_nodes
from gnnctl.sampling.seeds import checked_seeds
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges


class ScoredLists(NamedTuple):
    """A list of nodes for each of n nodes, best first: those of node i are entries ``ptr[i]:ptr[i + 1]``.

    ``ptr`` (n + 1,) int64, ``rows`` (m,) int64, ``scores`` (m,) float64.
    """

    ptr: np.ndarray
    rows: np.ndarray
    scores: np.ndarray

    def normalised(self) -> np.ndarray:
        """(m,) float32: the scores of each list over their sum."""
        counts = np.diff(self.ptr)
        filled = counts > 0
        sums = np.add.reduceat(self.scores, self.ptr[:-1][filled]) if filled.any() else np.zeros(0)
        shares: np.ndarray = self.scores / np.repeat(sums, counts[filled])
        return shares.astype(np.float32)


def carrier_of(graph: Graph, edge_type: EdgeType | None, what: str) -> EdgeType:
    """The edge type that virtual edges go by: as named, or the graph's only one that connects nodes of one type.

    Args:
        edge_type: as named, or None.
        what: the method, for messages.

    Raises:
        UsageError: there is none, there are several, or the one named connects nodes of two types.
    """
    closed = [t for t in graph.edge_types if t.src == t.dst]
    known = ", ".join(f"'{t}'" for t in closed)
    if edge_type is not None:
        if edge_type not in graph.edges:
            raise UsageError(f"{what}: the graph has no edge type '{edge_type}'", fix=f"it has {known or 'none'}")
        if edge_type.src != edge_type.dst:
            raise UsageError(
                f"{what}: '{edge_type}' connects nodes of two types, important neighbours are of the node's own",
                fix=f"name one of {known}" if known else "ingest edges between nodes of one type",
            )
        return edge_type
    if not closed:
        raise UsageError(
            f"{what}: the graph has no edge type between nodes of one type, which could carry important neighbours",
            fix="ingest edges between nodes of one type",
        )
    if len(closed) > 1:
        raise UsageError(f"{what}: several edge types could carry important neighbours", fix=f"name one of {known}")
    return closed[0]


def expand(
    graph: Graph,
    carrier: EdgeType,
    seeds: np.ndarray,
    node_type: str,
    hops: int,
    lists: Callable[[np.ndarray], ScoredLists],
) -> Subgraph:
    """The subgraph that ``lists`` give around ``seeds``, hop by hop, a node expanded once, as the sampler does it.

    Args:
        carrier: type of the edges.
        seeds: (s,) int64 distinct rows.
        node_type: of the seeds; the carrier's.
        hops: H.
        lists: neighbours of (n,) int64 rows.

    Raises:
        UsageError: seeds of a type that the carrier does not connect.
        TypeError, ValueError: seeds of another dtype, out of range or twice.
    """
    if node_type != carrier.dst:
        raise UsageError(
            f"the seeds are of type '{node_type}', but important neighbours are found for '{carrier.dst}'",
            fix=f"name an edge type between nodes of type '{node_type}'",
        )
    nodes = checked_seeds(seeds, graph.num_nodes(node_type)).copy()
    node_counts, edge_counts = [len(nodes)], []
    degrees, sources, weights = [], [], []
    frontier = nodes
    for _ in range(hops):
        found = lists(frontier)
        before = len(nodes)
        every = np.concatenate([nodes, found.rows])
        nodes, number, _ = number_nodes(every, np.zeros(len(every), np.int64))
        degrees.append(np.diff(found.ptr))
        sources.append(number[before:])
        weights.append(found.normalised())
        frontier = nodes[before:]
        node_counts.append(len(frontier))
        edge_counts.append(len(found.rows))
    colptr = np.zeros(len(nodes) + 1, np.int64)
    degree = np.concatenate([*degrees, np.zeros(0, np.int64)])
    np.cumsum(degree, out=colptr[1 : len(degree) + 1])
    colptr[len(degree) + 1 :] = colptr[len(degree)]
    row = np.concatenate([*sources, np.zeros(0, np.int32)], dtype=np.int32)
    weight = np.concatenate([*weights, np.zeros(0, np.float32)], dtype=np.float32)
    subgraph = _empty(graph, seeds, node_type, hops)
    subgraph.nodes[node_type] = nodes
    subgraph.node_counts[node_type] = node_counts
    subgraph.edges[carrier] = SubgraphEdges(colptr, row, np.full(len(row), -1, np.int64), weight)
    subgraph.edge_counts[carrier] = edge_counts
    for t, edges in subgraph.edges.items():
        if t != carrier and t.dst == node_type:
            edges.colptr = np.zeros(len(nodes) + 1, np.int64)
    return subgraph


def _empty(graph: Graph, seeds: np.ndarray, node_type: str, hops: int) -> Subgraph:
    def nothing() -> SubgraphEdges:
        none = np.zeros(0, np.int64)
        return SubgraphEdges(np.zeros(1, np.int64), none.astype(np.int32), none, none.astype(np.float32))

    return Subgraph(
        nodes={t: np.zeros(0, np.int64) for t in graph.node_types},
        node_counts={t: [0] * (hops + 1) for t in graph.node_types},
        edges={t: nothing() for t in graph.edge_types},
        edge_counts={t: [0] * hops for t in graph.edge_types},
        seeds=seeds.copy(),
        node_type=node_type,
    )
