"""Which edges are one link: duplicates, both directions of an undirected type, and edges of reverse types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.stores import destinations
from gnnctl.graph.types import EdgeType

_EDGES = 1 << 20  # looked at at a time


@dataclass(frozen=True)
class LinkGroups:
    """The edges of a predicted type, and of the types declared to be its reverse, grouped into links.

    Attributes:
        edge_type: the predicted type.
        src, dst: (E,) int64, ends of its edges by position.
        group: (E,) int64 from 0: edges of one link have the same.
        count: groups.
        reverses: by declared reverse type (edges,) int64, the group of each edge; -1 where it is no link's reverse.
        undirected: whether both directions are one link.
    """

    edge_type: EdgeType
    src: np.ndarray
    dst: np.ndarray
    group: np.ndarray
    count: int
    reverses: dict[EdgeType, np.ndarray]
    undirected: bool

    def least(self, values: np.ndarray, fill: int) -> np.ndarray:
        """(count,) the least of the edges' values (E,) in each group."""
        found = np.full(self.count, fill, values.dtype)
        np.minimum.at(found, self.group, values)
        return found

    def greatest(self, values: np.ndarray, fill: int) -> np.ndarray:
        """(count,) the greatest of the edges' values (E,) in each group."""
        found = np.full(self.count, fill, values.dtype)
        np.maximum.at(found, self.group, values)
        return found


def ends_of(graph: Graph, edge_type: EdgeType) -> tuple[np.ndarray, np.ndarray]:
    """Source and destination (E,) int64 of every edge of a type, by position."""
    store = graph.edges[edge_type]
    targets = np.repeat(np.arange(len(store.colptr) - 1, dtype=np.int64), np.diff(store.colptr))
    return np.asarray(store.row, dtype=np.int64), targets


def ends_among(
    graph: Graph, edge_type: EdgeType, end: Literal["src", "dst"], rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Source and destination (e,) int64 of the edges of a type that have one of ``rows`` at an end, by position.

    All edges are looked at, some at a time: those of a graph on a disk or a server are not held.
    """
    store, found = graph.edges[edge_type], [np.zeros((2, 0), np.int64)]
    wanted = np.zeros(graph.num_nodes(getattr(edge_type, end)), bool)
    wanted[rows] = True
    colptr = np.asarray(store.colptr)
    for start in range(0, store.num_edges, _EDGES):
        stop = min(start + _EDGES, store.num_edges)
        ends = np.stack([np.asarray(store.row[start:stop], np.int64), destinations(colptr, start, stop)])
        found.append(ends[:, wanted[ends[0 if end == "src" else 1]]])
    src, dst = np.concatenate(found, axis=1)
    return src, dst


def group_links(
    graph: Graph,
    edge_type: EdgeType,
    reverses: list[EdgeType],
    moments: Mapping[EdgeType, np.ndarray] | None = None,
) -> LinkGroups:
    """Group the edges of a type into links.

    Args:
        graph: the whole graph.
        edge_type: predicted; in ``reverses`` itself, its two directions are one link.
        reverses: types whose edges run the other way; generated reverse types know their edges and are not meant.
        moments: by type (E,) times: then edges of two times are two links.
    """
    undirected = graph.edges[edge_type].undirected or edge_type in reverses
    src, dst = ends_of(graph, edge_type)
    members = [edge_type, *(t for t in reverses if t != edge_type)]
    firsts, seconds, times = [src], [dst], [] if moments is None else [moments[edge_type]]
    for member in members[1:]:
        other_src, other_dst = ends_of(graph, member)
        firsts.append(other_dst)
        seconds.append(other_src)
        if moments is not None:
            times.append(moments[member])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    if undirected:
        first, second = np.minimum(first, second), np.maximum(first, second)
    group = _numbers([first, second, *([np.concatenate(times)] if times else [])])
    own = group[: len(src)]
    # Renumbered, so that only groups with an edge of the type count.
    present = np.zeros(int(group.max()) + 1 if len(group) else 0, bool)
    present[own] = True
    number = np.where(present, np.cumsum(present) - 1, -1)
    found = number[group]
    stops = np.cumsum([len(f) for f in firsts])
    others = {t: found[stops[i] : stops[i + 1]] for i, t in enumerate(members[1:])}
    return LinkGroups(edge_type, src, dst, found[: len(src)], int(present.sum()), others, undirected)


def _numbers(keys: list[np.ndarray]) -> np.ndarray:
    """(n,) int64 from 0: the same for rows whose keys (n,) are all equal."""
    order = np.lexsort(keys[::-1])
    changes = np.zeros(len(order), np.int64)
    for key in keys:
        changes[1:] |= key[order[1:]] != key[order[:-1]]
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(changes)
    return numbers


def parse_reverses(graph: Graph, texts: list[str]) -> dict[EdgeType, list[EdgeType]]:
    """``["a rev b=b r a"]`` as predicted type -> types that are its reverse; a type may be its own.

    Raises:
        UsageError: not TYPE=TYPE, a type that the graph does not have, or ends that do not fit.
    """
    found: dict[EdgeType, list[EdgeType]] = {}
    for text in texts:
        left, equals, right = text.partition("=")
        fix = 'write --reverse-of "REVERSE TYPE=FORWARD TYPE", a type each as source relation target'
        if not equals or len(left.split()) != 3 or len(right.split()) != 3:
            raise UsageError(f"--reverse-of {text} names no two edge types", fix=fix)
        reverse, forward = EdgeType(*left.split()), EdgeType(*right.split())
        for kind in (reverse, forward):
            if kind not in graph.edges:
                raise UsageError(f"--reverse-of {text}: the graph has no edge type '{kind}'", fix=fix)
        if (reverse.src, reverse.dst) != (forward.dst, forward.src):
            raise UsageError(f"--reverse-of {text}: their ends do not fit", fix="name types that run opposite ways")
        if reverse not in found.setdefault(forward, []):
            found[forward].append(reverse)
    for forward in found:
        for other, reverses in found.items():
            if other != forward and forward in reverses:
                raise UsageError(f"--reverse-of: '{forward}' is both forward and reverse", fix="name it once")
    return found
