"""What disjoint sampling grows its trees from, where a tree has several seeds: the two ends of a link and their kin."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gnnctl.graph.graph import EdgeStore, Graph
from gnnctl.graph.store_interfaces import Column
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.columns import ranges


class HiddenEdges(NamedTuple):
    """In-edges of one type that seeds do not see: those of seed i are ``offset[ptr[i]]``, ..., ascending.

    Attributes:
        ptr: (n + 1,) int64 over the seeds of the destination type.
        offset: (m,) int64 places among the seed's in-edges.
    """

    ptr: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True)
class Trees:
    """T trees over seeds of several types.

    Attributes:
        kind: name of what they grow from, which enters the keys.
        words: (T,) uint64, which of them each is: enters the keys too.
        group: by node type (n,) int32, the tree of each seed.
        times: (T,) int64, where sampling heeds time, or None.
        hidden: by edge type what seeds do not see.
    """

    kind: str
    words: np.ndarray
    group: Mapping[str, np.ndarray]
    times: np.ndarray | None = None
    hidden: Mapping[EdgeType, HiddenEdges] = field(default_factory=dict)


def hidden_edges(
    graph: Graph, edge_type: EdgeType, seeds: np.ndarray, sources: np.ndarray, at: np.ndarray
) -> HiddenEdges:
    """Every edge of a type from ``sources[i]`` to the seed number ``at[i]``.

    Args:
        graph: that has the edges.
        edge_type: theirs.
        seeds: (n,) int64 rows of its destination type.
        sources: (m,) int64 rows of its source type.
        at: (m,) int64 numbers of seeds.
    """
    store = graph.edges[edge_type]
    timed = store.time is not None or graph.nodes[edge_type.src].time is not None
    scanned = timed or isinstance(store.row, Column)  # one question about all lists, not one a step of the search
    first = np.asarray(store.colptr)[seeds[at]]
    start, count = (_scanned if scanned else _bisected)(store, first, np.asarray(store.colptr)[seeds[at] + 1], sources)
    pairs = np.unique(np.stack([np.repeat(at, count), start - np.repeat(first, count)]), axis=1)
    ptr = np.zeros(len(seeds) + 1, np.int64)
    np.cumsum(np.bincount(pairs[0], minlength=len(seeds)), out=ptr[1:])
    return HiddenEdges(ptr, np.ascontiguousarray(pairs[1]))


def _scanned(
    store: EdgeStore, first: np.ndarray, last: np.ndarray, sources: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions in [first, last) of each source's edges, and how many: lists that are sorted by time."""
    places = ranges(first, last - first)
    owner = np.repeat(np.arange(len(first)), last - first)
    found = store.row[places] == sources[owner]
    return places[found], np.bincount(owner[found], minlength=len(first))


def _bisected(
    store: EdgeStore, first: np.ndarray, last: np.ndarray, sources: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same where lists are sorted by source."""
    start = _first_place(store.row, first, last, sources)
    count = _first_place(store.row, first, last, sources + 1) - start
    return ranges(start, count), count


def _first_place(row: np.ndarray, low: np.ndarray, high: np.ndarray, least: np.ndarray) -> np.ndarray:
    """(m,) the first place in each [low, high) whose entry is at least ``least``, else ``high``."""
    low, high = low.copy(), high.copy()
    while len(open_ := np.flatnonzero(low < high)):
        middle = (low[open_] + high[open_]) // 2
        below = row[middle] < least[open_]
        low[open_[below]] = middle[below] + 1
        high[open_[~below]] = middle[~below]
    return low
