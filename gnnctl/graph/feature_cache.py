"""The rows that are read most, kept in memory in front of a store.

Which ones is settled once, by degree: a node is gathered about as often as it has out-edges. On a power-law graph this
hits more often than keeping what was read last (docs/stores.md has the figures), and a read takes no lock and moves
nothing.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gnnctl.graph.array_stores import ArrayFeatures
from gnnctl.graph.graph import Graph
from gnnctl.graph.store_interfaces import Column, FeatureStore, Key, Rows, check_read

_EDGES = 1 << 24  # looked at together
_ROWS = 1 << 16


@dataclass
class Hits:
    """How often a cache had what was asked for.

    Attributes:
        rows: kept.
        bytes: that they and their index take.
        read: rows asked for.
        hit: of these in the cache.
    """

    rows: int = 0
    bytes: int = 0
    read: int = 0
    hit: int = 0

    @property
    def rate(self) -> float | None:
        """Hits of reads; None before the first."""
        return self.hit / self.read if self.read else None

    def describe(self) -> str:
        """In words."""
        found = "nothing was read by row" if self.rate is None else f"{self.rate:.1%} of {self.read:,} rows read"
        return f"{self.rows:,} rows in {self.bytes / 2**20:.1f} MiB; hits: {found}"

    def to_json(self) -> dict[str, Any]:
        """For a summary."""
        return {"rows": self.rows, "bytes": self.bytes, "read": self.read, "hit_rate": self.rate}


class CachedFeatures:
    """A :class:`FeatureStore` with some rows of one key in memory; the others, and all ranges, come from the store.

    Args:
        store: behind it.
        key: whose rows.
        rows: (n,) int64 to keep, each once.
        hits: where to count.
    """

    def __init__(self, store: FeatureStore, key: Key, rows: np.ndarray, hits: Hits) -> None:
        self._store, self._key, self._hits = store, key, hits
        self._lock = threading.Lock()
        shape = store.shape(key)
        self._place = np.full(shape[0], -1, np.int32)
        kept = np.sort(rows)  # near each other in the store
        self._place[kept] = np.arange(len(kept), dtype=np.int32)
        self._values = np.empty((len(kept), *shape[1:]), store.dtype(key))
        for start in range(0, len(kept), _ROWS):
            store.read(key, kept[start : start + _ROWS], self._values[start : start + _ROWS])
        hits.rows += len(kept)
        hits.bytes += self._values.nbytes + self._place.nbytes

    def keys(self) -> Sequence[Key]:
        """What there is."""
        return self._store.keys()

    def shape(self, key: Key) -> tuple[int, ...]:
        """(rows, ...)."""
        return self._store.shape(key)

    def dtype(self, key: Key) -> "np.dtype[Any]":
        """Of the values."""
        return self._store.dtype(key)

    def read(self, key: Key, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Read rows into a buffer."""
        if key != self._key or isinstance(rows, slice):
            self._store.read(key, rows, out, num_threads=num_threads)
            return
        check_read(key, self.shape(key), self._values.dtype, rows, out)
        place = self._place[rows]
        missing = np.flatnonzero(place < 0)
        if len(missing) < len(rows):
            np.take(self._values, place, axis=0, out=out, mode="clip")  # what is missing is written over
        if len(missing):
            others = np.empty((len(missing), *out.shape[1:]), out.dtype)
            self._store.read(key, rows[missing], others, num_threads=num_threads)
            out[missing] = others
        with self._lock:
            self._hits.read += len(rows)
            self._hits.hit += len(rows) - len(missing)


def cache_features(graph: Graph, size: int) -> Hits:
    """Put a cache in front of the features of a graph's nodes, all types together; returns its counters.

    Args:
        graph: its node stores are replaced.
        size: bytes, those of the index, 4 a node, among them.

    Raises:
        ValueError: not even one row fits.
    """
    hits = Hits()
    widths = {name: _row_bytes(store.x) for name, store in graph.nodes.items() if store.x is not None}
    widths = {name: width for name, width in widths.items() if width and graph.num_nodes(name)}
    left = size - 4 * sum(graph.num_nodes(name) for name in widths)
    if not widths or left < min(widths.values()):
        least = 4 * sum(graph.num_nodes(name) for name in widths) + min(widths.values(), default=0)
        raise ValueError(f"{size:,} bytes are too few: an index and one row take {least:,}")
    names = list(widths)
    worth = np.concatenate([_drawn(graph, name) / np.float32(widths[name]) for name in names])
    order = np.argsort(-worth, kind="stable")
    first = np.cumsum([0, *(graph.num_nodes(name) for name in names)])
    of = np.searchsorted(first, order, side="right") - 1
    total = np.cumsum(np.array([widths[name] for name in names])[of])
    fitting = int(np.searchsorted(total, left, side="right"))
    for number, name in enumerate(names):
        rows = order[:fitting][of[:fitting] == number] - first[number]
        store = graph.nodes[name]
        if len(rows):
            column = store.x if isinstance(store.x, Column) else None
            key = Key(name, "x") if column is None else column.key
            behind: FeatureStore = ArrayFeatures({key: np.asarray(store.x)}) if column is None else column.store
            cached = Column(CachedFeatures(behind, key, rows, hits), key)
            graph.nodes[name] = replace(store, x=cached)
    return hits


def _row_bytes(x: np.ndarray | Column) -> int:
    return x.dtype.itemsize * int(np.prod(x.shape[1:], dtype=np.int64))


def _drawn(graph: Graph, name: str) -> np.ndarray:
    """(N,) float32: out-edges of each node, of all types, which is how often others draw it."""
    found = np.zeros(graph.num_nodes(name), np.float32)
    for edge_type, store in graph.edges.items():
        if edge_type.src == name:
            for start in range(0, store.num_edges, _EDGES):
                found += np.bincount(store.row[start : start + _EDGES], minlength=len(found))
    return found
