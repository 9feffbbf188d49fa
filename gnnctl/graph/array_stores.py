"""Stores over arrays, in memory or mapped from an artifact."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gnnctl.graph.store_interfaces import Key, Rows, check_read
from gnnctl.graph.stores import EdgeStore
from gnnctl.graph.types import EdgeType
from gnnctl.native import gather_features


class ArrayFeatures:
    """A :class:`FeatureStore` of arrays.

    Args:
        arrays: by key (rows, ...); mapped ones are read only where they are asked for.
    """

    def __init__(self, arrays: Mapping[Key, np.ndarray]) -> None:
        self._arrays = dict(arrays)

    def keys(self) -> Sequence[Key]:
        """What there is."""
        return list(self._arrays)

    def shape(self, key: Key) -> tuple[int, ...]:
        """(rows, ...)."""
        shape: tuple[int, ...] = self._arrays[key].shape
        return shape

    def dtype(self, key: Key) -> "np.dtype[Any]":
        """Of the values."""
        dtype: np.dtype[Any] = self._arrays[key].dtype
        return dtype

    def read(self, key: Key, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Read rows into a buffer."""
        values = self._arrays[key]
        check_read(key, values.shape, values.dtype, rows, out)
        if isinstance(rows, slice):
            out[...] = values[rows]
        elif values.dtype == np.float32 and values.ndim == 2 and values.flags.c_contiguous and values.flags.aligned:
            gather_features(values, rows, None, out, num_threads)
        else:
            np.take(values, rows, axis=0, out=out, mode="clip")  # in range, as was checked: "raise" would copy twice


class ArrayGraph:
    """A :class:`GraphStore` of arrays.

    Args:
        num_nodes: by node type.
        edges: by edge type.
    """

    def __init__(self, num_nodes: Mapping[str, int], edges: Mapping[EdgeType, EdgeStore]) -> None:
        self._num_nodes, self._edges = dict(num_nodes), dict(edges)

    def edge_types(self) -> Sequence[EdgeType]:
        """What there is."""
        return list(self._edges)

    def num_nodes(self, node_type: str) -> int:
        """Nodes of a type."""
        return self._num_nodes[node_type]

    def num_edges(self, edge_type: EdgeType) -> int:
        """Edges of a type."""
        return self._edges[edge_type].num_edges

    def csc(self, edge_type: EdgeType) -> tuple[np.ndarray, np.ndarray]:
        """All edges of a type; the arrays themselves, not copies."""
        store = self._edges[edge_type]
        return store.colptr, store.row

    def in_edges(self, edge_type: EdgeType, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The in-edges of some destinations."""
        colptr, row = self.csc(edge_type)
        if len(nodes) and (int(nodes.min()) < 0 or int(nodes.max()) >= len(colptr) - 1):
            raise IndexError(f"{edge_type}: a node is outside 0..{len(colptr) - 2}")
        first = colptr[nodes]
        degree = colptr[nodes + 1] - first
        local = np.concatenate([np.zeros(1, np.int64), np.cumsum(degree, dtype=np.int64)])
        positions = np.arange(local[-1], dtype=np.int64) + np.repeat(first - local[:-1], degree)
        return local, row[positions], positions
