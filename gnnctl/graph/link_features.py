"""Features of edges that are themselves what is predicted."""

from collections.abc import Sequence

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType


def link_features(
    graph: Graph, edge_types: Sequence[EdgeType], relation: np.ndarray, positions: np.ndarray
) -> np.ndarray | None:
    """(n, F) float32 features of edges, those of each type in columns of its own, 0 in the others'; None without any.

    Args:
        graph: that has the edges.
        edge_types: whose features stand side by side.
        relation: (n,) int64 places in ``edge_types``.
        positions: (n,) int64 places in the CSC of the type.
    """
    widths = [0 if (attr := graph.edges[t].edge_attr) is None else attr.shape[1] for t in edge_types]
    if not sum(widths):
        return None
    found = np.zeros((len(relation), sum(widths)), np.float32)
    for number, (t, width) in enumerate(zip(edge_types, widths, strict=True)):
        attr = graph.edges[t].edge_attr
        chosen = np.flatnonzero(relation == number)
        if attr is not None and len(chosen):
            start = sum(widths[:number])
            found[chosen, start : start + width] = attr[positions[chosen]]
    return found
