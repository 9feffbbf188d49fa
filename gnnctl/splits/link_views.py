"""The edges that a part's view shows, as arrays of their own."""

from collections.abc import Mapping

import numpy as np

from gnnctl.graph.stores import EdgeStore
from gnnctl.graph.types import EdgeType


def edges_seen(
    edges: Mapping[EdgeType, EdgeStore], codes: Mapping[EdgeType, np.ndarray], number: int
) -> dict[EdgeType, EdgeStore]:
    """Edges that view ``number`` shows, in their old order; a type of which it shows all is not copied.

    Args:
        edges: of the whole graph.
        codes: by edge type (E,) int8, the first view that shows each edge; a missing type is always shown.
        number: of the view.

    Raises:
        ValueError: a generated reverse edge would be shown without its forward edge.
    """
    masks = {t: codes[t] <= number for t in edges if t in codes}
    return {t: _seen(t, store, masks, edges) for t, store in edges.items()}


def _seen(
    edge_type: EdgeType, store: EdgeStore, masks: Mapping[EdgeType, np.ndarray], edges: Mapping[EdgeType, EdgeStore]
) -> EdgeStore:
    forward_type = forward_of(edge_type, edges)
    mask, forward_mask = masks.get(edge_type), None if forward_type is None else masks.get(forward_type)
    if mask is None:
        mask = np.ones(store.num_edges, bool)
    forward = store.forward
    if forward is not None and forward_mask is not None:
        kept = np.asarray(forward[mask])
        if not forward_mask[kept].all():
            raise ValueError(f"codes: edges of '{edge_type}' are seen without their forward edges")
        forward = (np.cumsum(forward_mask) - 1)[kept]
    elif forward is not None:
        forward = forward[mask]

    def of(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[mask]

    if mask.all():
        return EdgeStore(
            store.colptr, store.row, store.weight, store.edge_attr, store.time, forward, store.feature_names
        )
    before = np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])
    return EdgeStore(
        before[store.colptr],
        store.row[mask],
        of(store.weight),
        of(store.edge_attr),
        of(store.time),
        forward,
        store.feature_names,
    )


def forward_of(edge_type: EdgeType, edges: Mapping[EdgeType, EdgeStore]) -> EdgeType | None:
    """The type that a generated reverse type was generated from, or None."""
    if edges[edge_type].forward is None:
        return None
    return edge_type.forward if edge_type.forward in edges else None
