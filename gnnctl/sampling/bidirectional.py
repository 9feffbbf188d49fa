"""Messages both ways over what was sampled: the edges of the graph that run opposite to sampled ones."""

from dataclasses import replace

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.native import with_opposite
from gnnctl.sampling.adjacency import Adjacency
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges

_REVERSE = "rev_"


def partner_of(graph: Graph, edge_type: EdgeType) -> EdgeType | None:
    """The edge type whose edges run opposite: the generated reverse, or what this is the generated reverse of.

    Where there is neither, a type that connects nodes of one type is its own partner; else there is none.
    """
    src, rel, dst = edge_type
    if graph.edges[edge_type].forward is not None:
        forward = EdgeType(dst, rel.removeprefix(_REVERSE), src)
        return forward if forward in graph.edges and forward != edge_type else None
    reverse = EdgeType(dst, _REVERSE + rel, src)
    if reverse in graph.edges and graph.edges[reverse].forward is not None:
        return reverse
    return edge_type if src == dst else None


def bidirectional(subgraph: Subgraph, graph: Graph) -> Subgraph:
    """The sampled edges, and every edge of the graph that runs opposite to one of them.

    Between a type and its generated reverse, what is opposite to an edge is that very edge's reverse. Within a type
    (t, rel, t) it is each edge from v to u where one from u to v was sampled. Nodes and hops stay; destinations of the
    last hop get no edges, since no layer of a model would use them. Within a destination the sampled edges come first,
    in pick order, then the added ones in the order of the graph, none of them twice. Where sampling was disjoint, edges
    stay within the tree of a seed.

    Edges are found by binary search. Where times have put the lists of a graph in another order than that of sources, a
    sorted copy is made at the first call (12 bytes an edge of the types concerned) and kept.

    Args:
        subgraph: sampled from ``graph``.

    Raises:
        UsageError: the edges are not those of the graph.
    """
    if any(e.weight is not None for e in subgraph.edges.values()):
        raise UsageError("computed edges have no opposite in the graph", fix="take subgraph=bidirectional out")
    lists = Adjacency.of(graph)
    edges, edge_counts = {}, {}
    for t, own in subgraph.edges.items():
        partner = partner_of(graph, t)
        edges[t], edge_counts[t] = own, subgraph.edge_counts[t]
        if partner is None or len(subgraph.edges[partner].row) == 0:
            continue
        other = subgraph.edges[partner]
        bounds = np.cumsum(subgraph.node_counts[t.dst])
        edges[t] = SubgraphEdges(
            *with_opposite(
                lists.native,
                (lists.edge_types[t], lists.edge_types[partner]),
                _forward(graph, t, partner),
                (own.colptr, own.row, own.pos),
                (other.colptr, other.row, other.pos),
                (subgraph.nodes[t.dst], subgraph.nodes[t.src]),
                int(bounds[-2]) if len(bounds) > 1 else 0,
            )
        )
        edge_counts[t] = np.diff(edges[t].colptr[bounds[:-1]], prepend=0).tolist()
    return replace(subgraph, edges=edges, edge_counts=edge_counts)


def _forward(graph: Graph, edge_type: EdgeType, partner: EdgeType) -> tuple[np.ndarray, bool] | None:
    """Positions of forward edges, and whether ``edge_type`` is the reverse type that has them."""
    if edge_type == partner:
        return None
    own, other = graph.edges[edge_type].forward, graph.edges[partner].forward
    if own is not None:
        return own, True
    return None if other is None else (other, False)
