"""Some of a graph's edges under places of their own, found by counting, so that no list of them is kept."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np

from gnnctl.graph.store_interfaces import Column, FeatureStore, Key, Rows, check_read
from gnnctl.graph.stores import EdgeStore
from gnnctl.graph.types import EdgeType

BLOCK = 512  # edges that one count is kept of
_TOGETHER = 2048  # blocks looked at at a time
_ASKED = 1 << 18  # places or positions told at a time
_DENSE = 16  # edges for each position that is asked about, up to which all edges are counted through
EDGE_PARTS = ("colptr", "row", "weight", "edge_attr", "time", "forward")


class Seen:
    """Which of E edges are seen; an edge's *place* is the number of seen edges before it.

    Keeps 8 bytes for each 512 edges.

    Args:
        count: E.
        shown: of positions, a slice or (n,) int64, whether each is seen: (n,) bool.
    """

    def __init__(self, count: int, shown: Callable[[Rows], np.ndarray]) -> None:
        self.count, self._shown = count, shown
        self._before = np.zeros(-(-count // BLOCK) + 1, np.int64)
        for first in range(0, len(self._before) - 1, _TOGETHER):
            found = self._blocks(np.arange(first, min(first + _TOGETHER, len(self._before) - 1)))
            self._before[first + 1 : first + 1 + len(found)] = found.sum(axis=1)
        np.cumsum(self._before, out=self._before)

    @property
    def size(self) -> int:
        """How many are seen."""
        return int(self._before[-1])

    def mask(self, start: int, stop: int) -> np.ndarray:
        """(stop - start,) bool, whether each of the positions is seen."""
        return self._shown(slice(start, stop))

    def places(self, positions: np.ndarray) -> np.ndarray:
        """(n,) int64, how many are seen before each of ``positions`` (n,), from 0 to E."""
        if len(positions) * _DENSE >= self.count and np.any(positions[1:] < positions[:-1]):
            before = np.zeros(self.count + 1, np.int64)
            np.cumsum(self.mask(0, self.count), out=before[1:])
            return np.asarray(before[positions])
        found = np.empty(len(positions), np.int64)
        for start in range(0, len(positions), _ASKED):
            self._places(positions[start : start + _ASKED], found[start : start + _ASKED])
        return found

    def _places(self, positions: np.ndarray, out: np.ndarray) -> None:
        for blocks, at, which in self._grouped(positions // BLOCK):
            before = np.zeros((len(blocks), BLOCK), np.int16)
            np.cumsum(self._blocks(blocks)[:, :-1], axis=1, dtype=np.int16, out=before[:, 1:])
            out[at] = self._before[blocks][which] + before[which, positions[at] % BLOCK]

    def positions(self, places: np.ndarray) -> np.ndarray:
        """(n,) int64 positions of the edges at ``places`` (n,), from 0 to size - 1."""
        found = np.empty(len(places), np.int64)
        for start in range(0, len(places), _ASKED):
            self._positions(places[start : start + _ASKED], found[start : start + _ASKED])
        return found

    def _positions(self, places: np.ndarray, out: np.ndarray) -> None:
        for blocks, at, which in self._grouped(np.searchsorted(self._before, places, side="right") - 1):
            mask = self._blocks(blocks)
            counts = mask.sum(axis=1)
            flat = np.flatnonzero(mask)
            place = flat[(np.cumsum(counts) - counts)[which] + places[at] - self._before[blocks][which]]
            out[at] = blocks[which] * BLOCK + place % BLOCK

    def _grouped(self, block: np.ndarray) -> "list[tuple[np.ndarray, np.ndarray, np.ndarray]]":
        """Some blocks, the numbers of what is asked about them, and which of the blocks each is about; until all are
        there."""
        distinct, which = np.unique(block, return_inverse=True)
        if len(distinct) <= _TOGETHER:
            return [(distinct, np.arange(len(block)), which)] if len(block) else []
        order = np.argsort(which, kind="stable")
        cuts = np.searchsorted(which[order], np.arange(0, len(distinct) + _TOGETHER, _TOGETHER))
        return [
            (distinct[i * _TOGETHER : (i + 1) * _TOGETHER], order[a:b], which[order[a:b]] - i * _TOGETHER)
            for i, (a, b) in enumerate(pairwise(cuts))
        ]

    def _blocks(self, blocks: np.ndarray) -> np.ndarray:
        """(b, BLOCK) bool, whether the edges of ascending blocks are seen; beyond the last edge nothing is."""
        found = np.zeros((len(blocks), BLOCK), bool)
        if not len(blocks):
            return found
        start, last = int(blocks[0]) * BLOCK, int(blocks[-1])
        if last - int(blocks[0]) == len(blocks) - 1:
            stop = min((last + 1) * BLOCK, self.count)
            found.reshape(-1)[: max(0, stop - start)] = self.mask(min(start, self.count), stop)
        else:
            positions = (blocks[:, None] * BLOCK + np.arange(BLOCK)).reshape(-1)
            there = positions < self.count
            found.reshape(-1)[there] = self._shown(positions[there])
        return found


class SeenRows:
    """The :class:`gnnctl.graph.store_interfaces.FeatureStore` of the seen edges of some types, by their places.

    Args:
        whole: has the arrays of all edges.
        seen: by edge type; of the others all edges are seen.

    Reading raises what ``whole`` raises, and ValueError where an edge of a generated reverse type is seen without its
    forward edge.
    """

    def __init__(self, whole: FeatureStore, seen: Mapping[EdgeType, Seen]) -> None:
        self._whole, self._seen = whole, dict(seen)

    def keys(self) -> Sequence[Key]:
        """What there is."""
        return [key for key in self._whole.keys() if key.group in self._seen]  # noqa: SIM118  # a store is no dictionary

    def shape(self, key: Key) -> tuple[int, ...]:
        """(rows, ...)."""
        shape = self._whole.shape(key)
        return shape if key.attribute == "colptr" else (self._of(key).size, *shape[1:])

    def dtype(self, key: Key) -> "np.dtype[Any]":
        """Of the values."""
        return self._whole.dtype(key)

    def read(self, key: Key, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Read rows into a buffer."""
        seen = self._of(key)
        check_read(key, self.shape(key), self.dtype(key), rows, out)
        if key.attribute == "colptr":
            self._whole.read(key, rows, out, num_threads=num_threads)
            out[:] = seen.places(out)
            return
        if not len(out):
            return
        if isinstance(rows, slice):
            first, last = rows.indices(seen.size)[0], rows.indices(seen.size)[1] - 1
        else:
            follow = bool(np.all(np.diff(rows) == 1))
            first, last = (int(rows[0]), int(rows[-1])) if follow else (0, -1)
        if last < first:
            assert not isinstance(rows, slice)
            self._whole.read(key, seen.positions(rows), out, num_threads=num_threads)
        else:
            self._read_range(key, seen, first, last, out, num_threads)
        if key.attribute == "forward":
            out[:] = self._forward(key, out)

    def _read_range(self, key: Key, seen: Seen, first: int, last: int, out: np.ndarray, num_threads: int) -> None:
        """Edges that follow each other, from the range that they lie in, piece by piece."""
        start, stop = seen.positions(np.array([first, last], np.int64)).tolist()
        stop += 1
        shape, dtype, filled = self._whole.shape(key), self._whole.dtype(key), 0
        for at in range(start, stop, BLOCK * _TOGETHER):
            end = min(at + BLOCK * _TOGETHER, stop)
            mask = seen.mask(at, end)
            if not (count := int(mask.sum())):
                continue
            piece = np.empty((end - at, *shape[1:]), dtype)
            self._whole.read(key, slice(at, end), piece, num_threads=num_threads)
            out[filled : filled + count] = piece[mask]
            filled += count

    def _forward(self, key: Key, positions: np.ndarray) -> np.ndarray:
        assert isinstance(key.group, EdgeType)
        forward = self._seen.get(key.group.forward)
        if forward is None:
            return positions
        places = forward.places(positions)
        if np.any(forward.places(positions + 1) == places):
            raise ValueError(f"edges of '{key.group}' are seen without their forward edges")
        return places

    def _of(self, key: Key) -> Seen:
        assert isinstance(key.group, EdgeType)
        return self._seen[key.group]


def seen_edges(
    edges: Mapping[EdgeType, EdgeStore], whole: FeatureStore, seen: Mapping[EdgeType, Seen]
) -> dict[EdgeType, EdgeStore]:
    """The seen edges of a graph, their arrays as columns; of a type that ``seen`` leaves out all, as they are.

    Args:
        edges: of the graph.
        whole: has their arrays.
        seen: by edge type.
    """
    renumbered = renumbered_types(edges, seen)
    known = {t: seen[t] if t in seen else Seen(edges[t].num_edges, _all) for t in renumbered}
    store = SeenRows(whole, known)

    def part(t: EdgeType, name: str) -> Any:
        held = getattr(edges[t], name)
        # A column is indexed like an array, which is all that is done with arrays that may be large.
        return held if held is None or t not in known else cast(np.ndarray, Column(store, Key(t, name)))

    return {
        t: EdgeStore(**{name: part(t, name) for name in EDGE_PARTS}, feature_names=held.feature_names)
        for t, held in edges.items()
    }


def renumbered_types(edges: Mapping[EdgeType, EdgeStore], types: Collection[EdgeType]) -> list[EdgeType]:
    """The types whose arrays change where edges of ``types`` are not seen: they, and their generated reverse types."""
    return [t for t, held in edges.items() if t in types or (held.forward is not None and t.forward in types)]


def _all(rows: Rows) -> np.ndarray:
    return np.ones(rows.stop - rows.start if isinstance(rows, slice) else len(rows), bool)
