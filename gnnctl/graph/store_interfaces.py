"""What a store of features and a store of structure must do, whatever holds them: arrays, a database, another machine.

A store is read by many threads at once. Nothing is copied twice: rows are read into buffers that the caller gives.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, overload, runtime_checkable

import numpy as np

from gnnctl.graph.types import EdgeType

Rows = np.ndarray | slice


class Key(NamedTuple):
    """Names one attribute of all nodes or edges of a type.

    Attributes:
        group: a node type, or an edge type.
        attribute: ``x`` of nodes; ``edge_attr``, ``weight`` of edges; or another name that the store knows.
    """

    group: str | EdgeType
    attribute: str


@runtime_checkable
class FeatureStore(Protocol):
    """Rows of numbers by key. Edges are rows too, by their position in the CSC of their type."""

    def keys(self) -> Sequence[Key]:
        """What there is."""

    def shape(self, key: Key) -> tuple[int, ...]:
        """(rows, ...), known without reading any.

        Raises:
            KeyError: there is no such key.
        """

    def dtype(self, key: Key) -> "np.dtype[Any]":
        """Of the values as they are stored; bfloat16 is uint16.

        Raises:
            KeyError: there is no such key.
        """

    def read(self, key: Key, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Read rows into a buffer, as they are stored. Thread-safe.

        Args:
            rows: (n,) int64, in any order and as often as wanted; or a slice without a step.
            out: (n, ...) of the key's dtype, C-contiguous.
            num_threads: that may take part.

        Raises:
            KeyError: there is no such key.
            IndexError: a row is out of range.
            ArtifactError: what is stored is damaged.
        """


@runtime_checkable
class GraphStore(Protocol):
    """The edges of a typed graph, sorted by destination."""

    def edge_types(self) -> Sequence[EdgeType]:
        """What there is, in the graph's fixed order."""

    def num_nodes(self, node_type: str) -> int:
        """Nodes of a type."""

    def num_edges(self, edge_type: EdgeType) -> int:
        """Edges of a type."""

    def csc(self, edge_type: EdgeType) -> tuple[np.ndarray, np.ndarray]:
        """All edges of a type: ``colptr`` (num_dst + 1,) int64 and ``row`` (E,) int32 or int64, as in an EdgeStore."""

    def in_edges(self, edge_type: EdgeType, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The in-edges of some destinations.

        Args:
            nodes: (n,) int64, in any order and as often as wanted.

        Returns:
            ``colptr`` (n + 1,) int64; ``row`` (e,) sources, those of ``nodes[i]`` at ``colptr[i]:colptr[i + 1]`` in the
            graph's order; ``positions`` (e,) int64 of the edges in the type's CSC.

        Raises:
            IndexError: a node is out of range.
        """


def check_read(key: Key, shape: tuple[int, ...], dtype: "np.dtype[Any]", rows: Rows, out: np.ndarray) -> None:
    """Check what :meth:`FeatureStore.read` is given.

    Raises:
        IndexError: a row is out of range.
        TypeError: ``rows`` or ``out`` is of the wrong dtype.
        ValueError: ``out`` is of the wrong shape, or the slice has a step.
    """
    what = f"{key.group} {key.attribute}"
    if isinstance(rows, slice):
        if rows.step not in (None, 1):
            raise ValueError(f"{what}: a slice of rows has no step, got {rows.step}")
        start = 0 if rows.start is None else int(rows.start)
        stop = shape[0] if rows.stop is None else int(rows.stop)
        low, high, count = start, stop - 1, stop - start
        if count < 0:
            raise IndexError(f"{what}: rows {start}:{stop} run backwards")
    else:
        if rows.dtype != np.int64 or rows.ndim != 1:
            raise TypeError(f"{what}: rows must be (n,) int64, got {rows.dtype} {rows.shape}")
        count = len(rows)
        low, high = (int(rows.min()), int(rows.max())) if count else (0, -1)
    if count and (low < 0 or high >= shape[0]):
        raise IndexError(f"{what}: row {low if low < 0 else high} is outside 0..{shape[0] - 1}")
    if out.dtype != dtype:
        raise TypeError(f"{what}: out must be {dtype}, got {out.dtype}")
    if out.shape != (count, *shape[1:]) or not out.flags.c_contiguous:
        raise ValueError(f"{what}: out must be {(count, *shape[1:])} and C-contiguous, got {out.shape}")


class Column:
    """One key of a store, seen as an array that is read when it is indexed.

    Args:
        store: where it is.
        key: which.

    Raises:
        KeyError: the store has no such key.
    """

    def __init__(self, store: FeatureStore, key: Key) -> None:
        self.store, self.key = store, key
        self.shape, self.dtype = store.shape(key), store.dtype(key)

    @property
    def ndim(self) -> int:
        """Axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that it would take as an array."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, rows: Rows, out: np.ndarray | None = None, *, num_threads: int = 1) -> np.ndarray:
        """Rows as stored, in ``out`` where it is given; see :meth:`FeatureStore.read`."""
        if out is None:
            count = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
            out = np.empty((count, *self.shape[1:]), self.dtype)
        self.store.read(self.key, rows, out, num_threads=num_threads)
        return out

    @overload
    def __getitem__(self, rows: slice) -> np.ndarray: ...
    @overload
    def __getitem__(self, rows: np.ndarray) -> np.ndarray: ...
    def __getitem__(self, rows: Rows) -> np.ndarray:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            return self.read(slice(start, max(start, stop)))[::step] if step > 0 else self.read(slice(None))[rows]
        return self.read(np.ascontiguousarray(np.flatnonzero(rows) if rows.dtype == bool else rows, np.int64))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of it, in memory."""
        return self.read(slice(None)).astype(dtype or self.dtype, copy=False)
