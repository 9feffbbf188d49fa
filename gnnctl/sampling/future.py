"""What seeds may not see of a subgraph whose edges were not all drawn by their times."""

from dataclasses import replace

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.native import colptr_of
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges


def without_future(subgraph: Subgraph, graph: Graph) -> Subgraph:
    """The subgraph without edges that became visible after the time of the seed in whose tree they are.

    An edge is visible from the later of its own time and its source's. A subgraph whose seeds have no times stays as it
    is.

    Args:
        subgraph: disjoint, its edges those of ``graph``; edges of a hop are those into the nodes of the hop before.
    """
    seen, group = subgraph.seed_times, subgraph.node_group
    if seen is None or group is None:
        return subgraph
    edges, edge_counts = {}, {}
    for t, own in subgraph.edges.items():
        col = own.col()
        visible, limit = _visible(graph, t, subgraph.nodes[t.src][own.row], own.pos), seen.times[group[t.dst][col]]
        kept = np.flatnonzero(visible <= limit if seen.inclusive else visible < limit)
        weight = None if own.weight is None else own.weight[kept]
        colptr = colptr_of(col[kept], len(subgraph.nodes[t.dst]))
        edges[t] = SubgraphEdges(colptr, own.row[kept], own.pos[kept], weight)
        edge_counts[t] = np.diff(colptr[np.cumsum(subgraph.node_counts[t.dst])[:-1]], prepend=0).tolist()
    return replace(subgraph, edges=edges, edge_counts=edge_counts)


def _visible(graph: Graph, edge_type: EdgeType, sources: np.ndarray, pos: np.ndarray) -> np.ndarray:
    visible = np.full(len(pos), np.iinfo(np.int64).min)
    for time, index in ((graph.edges[edge_type].time, pos), (graph.nodes[edge_type.src].time, sources)):
        if time is not None:
            np.maximum(visible, time[index], out=visible)
    return visible
