"""The arrays of one node type or one edge type: mapped from an artifact or in memory, read-only either way."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gnnctl.graph.features import read_features
from gnnctl.graph.store_interfaces import Column

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class NodeStore:
    """Nodes of one type; a node is its row.

    Attributes:
        num_nodes: how many.
        ids: original ids by row, any Arrow type; None where rows are all there is.
        x: features (N, F) as stored: float32, float16, uint16 (bfloat16) or int8; or None. An array,
            mapped or in memory, or a column of another :class:`FeatureStore`. Read :meth:`features`.
        x_scale: (2, F) float32, of int8 features; else None.
        time: (N,) int64, or None.
        columns: kept columns (N rows), the label's among them, or None.
        feature_names: names of the F features.
        label: name of the kept column that is the label, or None.
    """

    num_nodes: int
    ids: "pa.Array | pa.ChunkedArray | None" = None
    x: np.ndarray | Column | None = None
    time: np.ndarray | None = None
    columns: "pa.Table | None" = None
    feature_names: list[str] = field(default_factory=list)
    label: str | None = None
    x_scale: np.ndarray | None = None

    def features(
        self, rows: np.ndarray | None = None, *, out: np.ndarray | None = None, num_threads: int = 1
    ) -> np.ndarray | None:
        """Features of ``rows`` (all where None) as float32, or None; see :func:`read_features`."""
        if self.x is None:
            return None
        return read_features(self.x, self.x_scale, rows, out=out, num_threads=num_threads)


@dataclass(frozen=True)
class EdgeStore:
    """Edges of one type in CSC: the in-edges of node ``v`` are positions ``colptr[v]:colptr[v + 1]``.

    Attributes:
        colptr: (num_dst + 1,) int64, non-decreasing from 0 to E.
        row: (E,) int32 or int64 source rows, sorted by (visible time, source, attributes) within a destination.
        weight: (E,) float32, or None.
        edge_attr: (E, F) float32, or None.
        time: (E,) int64, or None.
        forward: (E,) int64, for a generated reverse type the position of each edge's forward edge; else None.
        feature_names: names of the F edge features.
        columns: kept columns (E rows), or None.
        undirected: whether every edge is stored in both directions.
    """

    colptr: np.ndarray
    row: np.ndarray
    weight: np.ndarray | None = None
    edge_attr: np.ndarray | None = None
    time: np.ndarray | None = None
    forward: np.ndarray | None = None
    feature_names: list[str] = field(default_factory=list)
    columns: "pa.Table | None" = None
    undirected: bool = False

    @property
    def num_edges(self) -> int:
        """E."""
        return len(self.row)


def destinations(colptr: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Destination of each edge at positions ``start:stop`` of a CSC, (stop - start,) int64."""
    first = int(np.searchsorted(colptr, start, side="right")) - 1
    last = int(np.searchsorted(colptr, stop, side="left"))
    bounds = np.clip(colptr[first : last + 1], start, stop)
    return np.repeat(np.arange(first, last, dtype=np.int64), np.diff(bounds))
