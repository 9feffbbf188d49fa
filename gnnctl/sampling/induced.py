"""Subgraphs by their nodes: all edges among given or sampled nodes."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.native import induced_edges
from gnnctl.sampling.adjacency import Adjacency
from gnnctl.sampling.seeds import checked_seeds
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges


def induced(
    graph: Graph,
    nodes: Mapping[str, np.ndarray],
    seeds: np.ndarray,
    node_type: str,
    hops: int,
    *,
    num_threads: int = 1,
) -> Subgraph:
    """All edges of the graph among the seeds and the given nodes; an edge keeps its position.

    The seeds are hop 0, all other nodes hop 1, in the order given. Edges into seeds are hop 1's and those into the rest
    hop 2's, so that the layers of a model may be trimmed: whatever ``hops`` is, the first layers see all edges and the
    last one those into seeds. With one hop only edges into seeds are kept. Within a destination edges are in the order
    of the graph.

    Args:
        nodes: by type (n,) int64 distinct rows; the seeds may be among them. A type that is absent has none.
        seeds: (s,) int64 distinct rows.
        node_type: of the seeds.
        hops: H, at least 1.
        num_threads: for the search.

    Raises:
        TypeError, ValueError: rows or seeds of another dtype, out of range or twice, an unknown type, no hops.
    """
    if unknown := [t for t in (*nodes, node_type) if t not in graph.nodes]:
        raise ValueError(f"nodes: the graph has no node type '{unknown[0]}'")
    checked_seeds(seeds, graph.num_nodes(node_type))
    rows = {}
    for t in graph.node_types:
        given = nodes.get(t, np.zeros(0, np.int64))
        if not isinstance(given, np.ndarray) or given.dtype != np.int64 or given.ndim != 1:
            raise TypeError(f"nodes['{t}']: expected one dimension of int64")
        rows[t] = np.concatenate([seeds, given[~np.isin(given, seeds)]]) if t == node_type else given.copy()
    return edges_among(graph, rows, seeds.copy(), node_type, hops, None, num_threads)


def induced_of(subgraph: Subgraph, graph: Graph, *, num_threads: int = 1) -> Subgraph:
    """The sampled nodes, in their order, with all edges of the graph among them instead of the sampled ones.

    Counts by hop are as for :func:`induced`. Where sampling was disjoint, edges stay within the tree of a seed.

    Args:
        subgraph: sampled from ``graph``.
        num_threads: for the search.
    """
    found = edges_among(
        graph,
        subgraph.nodes,
        subgraph.seeds,
        subgraph.node_type,
        subgraph.hops,
        subgraph.node_group,
        num_threads,
        {t: counts[0] for t, counts in subgraph.node_counts.items()},
    )
    return replace(found, seed_times=subgraph.seed_times)


def edges_among(
    graph: Graph,
    nodes: dict[str, np.ndarray],
    seeds: np.ndarray,
    node_type: str,
    hops: int,
    node_group: dict[str, np.ndarray] | None,
    num_threads: int,
    first: Mapping[str, int] | None = None,
) -> Subgraph:
    """:func:`induced` for nodes that are in local order already, of several trees where ``node_group`` is given.

    Args:
        nodes: every type of the graph; those of the seeds' type begin with the seeds.
        node_group: by type (n,) int32, or None.
        first: by type how many nodes are of hop 0; None: the seeds alone.

    Raises:
        TypeError, ValueError: nodes out of range or twice in a group, no hops.
    """
    if hops < 1:
        raise ValueError(f"hops: expected 1 or more, got {hops}")
    lists = Adjacency.of(graph, num_threads=num_threads)
    count = first or {t: len(seeds) if t == node_type else 0 for t in graph.node_types}
    ends = [len(nodes[e.dst]) if hops > 1 else count[e.dst] for e in graph.edge_types]
    groups = [None if node_group is None else node_group[t] for t in graph.node_types]
    found = induced_edges(
        lists.native, [(nodes[t], g) for t, g in zip(graph.node_types, groups, strict=True)], ends, num_threads
    )
    edges = {t: SubgraphEdges(*arrays) for t, arrays in zip(graph.edge_types, found, strict=True)}
    into_seeds = {t: int(e.colptr[count[t.dst]]) for t, e in edges.items()}
    return Subgraph(
        nodes=nodes,
        node_counts={t: _by_hop(count[t], len(rows), hops + 1) for t, rows in nodes.items()},
        edges=edges,
        edge_counts={t: _by_hop(into_seeds[t], len(e.row), hops) for t, e in edges.items()},
        seeds=seeds,
        node_type=node_type,
        node_group=node_group,
    )


def _by_hop(first: int, total: int, length: int) -> list[int]:
    return [first, total - first, *[0] * length][:length]
