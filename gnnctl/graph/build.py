"""Edges in any order become a CSC, in the one order that the graph model has."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gnnctl.native import csc_from_coo, order_lists

if TYPE_CHECKING:
    import pyarrow as pa

ALWAYS = np.iinfo(np.int64).min
"""The time of what is visible at every time."""


class EdgeList(NamedTuple):
    """Edges of one type as they come.

    Attributes:
        coo: (2, E) integers, sources over destinations.
        time: (E,) integers, or None.
        weight: (E,) float, or None.
        edge_attr: (E, F) float, or None.
        columns: (E rows) kept columns, or None.
    """

    coo: np.ndarray
    time: np.ndarray | None = None
    weight: np.ndarray | None = None
    edge_attr: np.ndarray | None = None
    columns: "pa.Table | None" = None


class SortedEdges(NamedTuple):
    """A CSC (``colptr`` int64, ``row`` int32 where it fits) and its edges' arrays, as the graph model has them."""

    colptr: np.ndarray
    row: np.ndarray
    time: np.ndarray | None
    weight: np.ndarray | None
    edge_attr: np.ndarray | None
    columns: "pa.Table | None"


def sort_edges(
    edges: EdgeList, num_src: int, num_dst: int, src_time: np.ndarray | None = None, *, num_threads: int = 1
) -> SortedEdges:
    """Sort edges by (destination, visible time, source, time, weight, attributes, kept columns).

    The visible time is the larger of the edge's and of its source's. What is left in the order given are edges alike in
    everything, so that the same edges in any order give the same bytes. Floats compare by their bits (-0 before 0).

    Args:
        edges: in any order.
        num_src, num_dst: nodes of the two types.
        src_time: (num_src,) int64 times of the sources, or None.
        num_threads: the result does not depend on it.

    Raises:
        ValueError: an endpoint out of range, or arrays whose lengths do not fit.
        TypeError: endpoints or times that are no integers.
    """
    coo = np.asarray(edges.coo)
    if coo.ndim != 2 or coo.shape[0] != 2:
        raise ValueError(f"edges: expected shape (2, E), got {coo.shape}")
    count = coo.shape[1]
    src, dst = (integers(end, "edges", count) for end in coo)
    time = None if edges.time is None else integers(edges.time, "edge_time", count)
    weight = None if edges.weight is None else _floats(edges.weight, "edge_weight", count, 1)
    edge_attr = None if edges.edge_attr is None else _floats(edges.edge_attr, "edge_attr", count, 2)
    colptr, row, perm = csc_from_coo(src, dst, num_src, num_dst, True, num_threads)
    visible = time
    if src_time is not None:
        visible = src_time[src] if time is None else np.maximum(time, src_time[src])
    ties: list[np.ndarray] = [] if time is None else [time]
    ties += [] if weight is None else [weight.reshape(-1, 1)]
    ties += [] if edge_attr is None else [edge_attr]
    ties += [] if edges.columns is None else _ranks(edges.columns, count)
    if visible is not None or ties:
        order_lists(colptr, row, perm, visible, ties, num_threads)
    return SortedEdges(
        colptr,
        row,
        None if time is None else time[perm],
        None if weight is None else weight[perm],
        None if edge_attr is None else edge_attr[perm],
        None if edges.columns is None else edges.columns.take(perm),
    )


def integers(values: np.ndarray, name: str, count: int) -> np.ndarray:
    """Values as (count,) contiguous int64.

    Raises:
        TypeError: they are no integers.
        ValueError: another shape.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name}: expected integers, got {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{name}: expected shape ({count},), got {array.shape}")
    return np.ascontiguousarray(array, dtype=np.int64)


def _ranks(columns: "pa.Table", count: int) -> list[np.ndarray]:
    """By column the place (E,) int64 of each value among all; columns whose values have no order break no ties."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if columns.num_rows != count:
        raise ValueError(f"edge_columns: expected {count} rows, got {columns.num_rows}")
    found = []
    for column in columns.columns:
        try:
            found.append(pc.rank(column, tiebreaker="dense").to_numpy().astype(np.int64))
        except pa.ArrowNotImplementedError:
            continue
    return found


def _floats(values: np.ndarray, name: str, count: int, dimensions: int) -> np.ndarray:
    array = np.ascontiguousarray(values, dtype=np.float32)
    if array.ndim != dimensions or array.shape[0] != count:
        raise ValueError(f"{name}: expected {count} entries in {dimensions} dimensions, got shape {array.shape}")
    return array


def by_name(value: Any, default: Any, known: Collection[Any], argument: str) -> dict[Any, Any]:
    """An argument that is one array, or arrays by type, as the latter.

    Raises:
        ValueError: a type that is not ``known``.
    """
    if value is None:
        return {}
    by_name = dict(value) if isinstance(value, Mapping) else {default: value}
    if unknown := [str(name) for name in by_name if name not in known]:
        raise ValueError(f"{argument}: there is no type '{unknown[0]}'")
    return by_name
