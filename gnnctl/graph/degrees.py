"""Degrees of nodes: in the whole graph, or as a seed sees them at its time."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from gnnctl.graph.build import ALWAYS
from gnnctl.graph.graph import EdgeStore, Graph
from gnnctl.graph.types import EdgeType
from gnnctl.native import count_visible, csc_from_coo, order_lists

_LOOP_BLOCK = 2**16  # nodes that are searched for loops at a time


class Degrees(NamedTuple):
    """Degrees, float32, of a batch's local nodes, for one edge type.

    ``src`` (S,): of sources, their out-degree; in a homogeneous graph their in-degree, as GCN has it.
    ``dst`` (D,): in-degree of destinations. Both are sums of edge weights where there are any.
    ``in_edges`` (D,): number of in-edges of destinations.
    ``src_loop`` (S,), ``dst_loop`` (D,): 1 where the node has an edge from itself, else 0; None where no node has.
    """

    src: Tensor
    dst: Tensor
    in_edges: Tensor
    src_loop: Tensor | None = None
    dst_loop: Tensor | None = None

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "Degrees":
        """All of them, changed."""
        # None stays where it may stand, which a generator cannot tell the type checker.
        return Degrees(*(None if part is None else change(part) for part in self))  # type: ignore[arg-type]

    def first(self, num_src: int, num_dst: int) -> "Degrees":
        """Those of the first sources and destinations."""
        loops = (part if part is None else part[:n] for part, n in ((self.src_loop, num_src), (self.dst_loop, num_dst)))
        return Degrees(self.src[:num_src], self.dst[:num_dst], self.in_edges[:num_dst], *loops)


class SeedTimes(NamedTuple):
    """What seeds see: edges visible before their times (s,) int64, or at them too where ``inclusive``."""

    times: np.ndarray
    inclusive: bool


class NodesAtTimes(NamedTuple):
    """(n,) int64 rows of one type, and the time (n,) int64 at which each is looked at."""

    rows: np.ndarray
    times: np.ndarray


class GraphDegrees(NamedTuple):
    """Float32 arrays over all nodes: out-degree of sources, in-degree of destinations (both weighted), in-edges.

    ``loops``: of a homogeneous graph, 1 where a node has an edge from itself; None where no node has.
    """

    out: np.ndarray
    into: np.ndarray
    in_edges: np.ndarray
    loops: np.ndarray | None


def graph_degrees(graph: Graph, edge_type: EdgeType) -> GraphDegrees:
    """Degrees of all nodes; counted at the first call and kept."""
    found: GraphDegrees = _kept(graph, ("whole", edge_type), lambda: _counted(graph, edge_type))
    return found


def gathered_degrees(graph: Graph, edge_type: EdgeType, src: np.ndarray | None, dst: np.ndarray | None) -> Degrees:
    """Degrees in the whole graph of the sources ``src`` and the destinations ``dst``; all nodes where None."""
    whole = graph_degrees(graph, edge_type)

    def rows(values: np.ndarray, nodes: np.ndarray | None) -> Tensor:
        return torch.from_numpy(values if nodes is None else values[nodes])

    degrees = rows(whole.out, src), rows(whole.into, dst), rows(whole.in_edges, dst)
    if whole.loops is None:
        return Degrees(*degrees)
    return Degrees(*degrees, rows(whole.loops, src), rows(whole.loops, dst))


def degrees_at(
    graph: Graph, edge_type: EdgeType, sources: NodesAtTimes, destinations: NodesAtTimes, inclusive: bool
) -> Degrees:
    """Degrees of nodes each at a time of its own: the edges visible then, by binary search in lists sorted by time.

    An edge is visible from the later of its own time and its source's. So the in-degree is exactly that of the graph
    cut at the time, and so is the out-degree, where no edge is older than its destination: that one's time is not
    looked at, as sampling does not.

    Memory, kept with the graph: for in-degrees 8 bytes an edge where its source has a time, and 8 where it has a
    weight; for out-degrees (graphs of several types) 8 to 16 bytes an edge; for loops 9 bytes a node.

    Args:
        inclusive: what becomes visible at the very time counts too.
    """
    into = _by_destination(graph, edge_type)
    in_edges, in_degree = into.degrees(destinations, inclusive)
    lists = into if graph.schema.is_homogeneous else _by_source(graph, edge_type)
    degrees = _tensor(lists.degrees(sources, inclusive)[1]), _tensor(in_degree), _tensor(in_edges)
    looped = _loops_in_time(graph, edge_type)
    if looped is None:
        return Degrees(*degrees)
    return Degrees(*degrees, *(_tensor(looped.seen(nodes, inclusive)) for nodes in (sources, destinations)))


class _TimedLists(NamedTuple):
    """Edges by one of their ends, each list sorted by visible time.

    Attributes:
        ptr: (n + 1,) int64.
        times: (E,) int64 visible times, or None where edges have always been there.
        before: (E + 1,) float64, the sum of the weights before each edge, or None.
    """

    ptr: np.ndarray
    times: np.ndarray | None
    before: np.ndarray | None

    def degrees(self, nodes: NodesAtTimes, inclusive: bool) -> tuple[np.ndarray, np.ndarray]:
        """How many edges of each node, and the sum of their weights."""
        rows = np.ascontiguousarray(nodes.rows)
        if self.times is None:
            count = self.ptr[rows + 1] - self.ptr[rows]
        else:
            count = count_visible(self.ptr, self.times, rows, np.ascontiguousarray(nodes.times), inclusive)
        if self.before is None:
            return count, count
        first = self.ptr[rows]
        return count, self.before[first + count] - self.before[first]


def _by_destination(graph: Graph, edge_type: EdgeType) -> _TimedLists:
    def make() -> _TimedLists:
        store = graph.edges[edge_type]
        return _TimedLists(np.ascontiguousarray(store.colptr), _visible(graph, edge_type), _summed(store.weight))

    found: _TimedLists = _kept(graph, ("in", edge_type), make)
    return found


def _by_source(graph: Graph, edge_type: EdgeType) -> _TimedLists:
    def make() -> _TimedLists:
        store, into = graph.edges[edge_type], _by_destination(graph, edge_type)
        target = np.repeat(np.arange(len(store.colptr) - 1, dtype=np.int64), np.diff(store.colptr))
        source = np.asarray(store.row, dtype=np.int64)
        ends = graph.num_nodes(edge_type.dst), graph.num_nodes(edge_type.src)
        ptr, row, position = csc_from_coo(target, source, *ends, False, 1)
        if into.times is not None:
            order_lists(ptr, row, position, into.times, [], 1)
        weight = None if store.weight is None else store.weight[position]
        return _TimedLists(ptr, None if into.times is None else into.times[position], _summed(weight))

    found: _TimedLists = _kept(graph, ("out", edge_type), make)
    return found


def _visible(graph: Graph, edge_type: EdgeType) -> np.ndarray | None:
    store, source_time = graph.edges[edge_type], graph.nodes[edge_type.src].time
    if source_time is None:
        return None if store.time is None else np.ascontiguousarray(store.time)
    of_source = source_time[store.row]
    found: np.ndarray = of_source if store.time is None else np.maximum(store.time, of_source)
    return found


class _Loops(NamedTuple):
    """Which nodes have an edge from themselves, and when the first of a node's is visible; None: always."""

    has: np.ndarray
    first: np.ndarray | None

    def seen(self, nodes: NodesAtTimes, inclusive: bool) -> np.ndarray:
        has: np.ndarray = self.has[nodes.rows]
        if self.first is None:
            return has
        first = self.first[nodes.rows]
        seen: np.ndarray = has & (first <= nodes.times if inclusive else first < nodes.times)
        return seen


def _loops_in_time(graph: Graph, edge_type: EdgeType) -> _Loops | None:
    """Of a homogeneous graph; None where no node has a loop."""

    def make() -> _Loops | None:
        positions, nodes = _loops(graph.edges[edge_type])
        visible, count = _by_destination(graph, edge_type).times, graph.num_nodes(edge_type.dst)
        has = np.zeros(count, bool)
        has[nodes] = True
        if not len(nodes) or visible is None:
            return _Loops(has, None) if len(nodes) else None
        first = np.full(count, ALWAYS)
        first[nodes[::-1]] = visible[positions[::-1]]  # the first of several is written last
        return _Loops(has, first)

    if not graph.schema.is_homogeneous:
        return None
    found: _Loops | None = _kept(graph, ("loops", edge_type), make)
    return found


def _loops(store: EdgeStore) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the edges from a node to itself, and the nodes; ascending."""
    positions, nodes = [], []
    for first in range(0, len(store.colptr) - 1, _LOOP_BLOCK):
        colptr = np.asarray(store.colptr[first : first + _LOOP_BLOCK + 1])
        target = np.repeat(np.arange(first, first + len(colptr) - 1), np.diff(colptr))
        found = np.flatnonzero(store.row[colptr[0] : colptr[-1]] == target)
        positions.append(found + colptr[0])
        nodes.append(target[found])
    return (np.concatenate(positions), np.concatenate(nodes)) if nodes else (np.zeros(0, np.int64),) * 2


def _summed(weight: np.ndarray | None) -> np.ndarray | None:
    if weight is None:
        return None
    before = np.zeros(len(weight) + 1)
    np.cumsum(weight, dtype=np.float64, out=before[1:])
    return before


def _counted(graph: Graph, edge_type: EdgeType) -> GraphDegrees:
    store = graph.edges[edge_type]
    count = np.diff(store.colptr)
    into = count
    if store.weight is not None:
        target = np.repeat(np.arange(len(count)), count)
        into = np.bincount(target, weights=store.weight, minlength=len(count))
    out = into
    if not graph.schema.is_homogeneous:
        out = np.bincount(store.row, weights=store.weight, minlength=graph.num_nodes(edge_type.src))
    loops = None
    if graph.schema.is_homogeneous and len(nodes := _loops(store)[1]):
        loops = np.zeros(len(count), np.float32)
        loops[nodes] = 1
    return GraphDegrees(out.astype(np.float32), into.astype(np.float32), count.astype(np.float32), loops)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


# What is counted of a graph never changes; it lives as long as the graph does. Loading threads ask for it at once.
_known: "WeakKeyDictionary[Graph, dict[Any, Any]]" = WeakKeyDictionary()
_lock = threading.RLock()


def _kept(graph: Graph, key: Any, make: Any) -> Any:
    with _lock:
        known = _known.setdefault(graph, {})
        if key not in known:
            known[key] = make()
        return known[key]
