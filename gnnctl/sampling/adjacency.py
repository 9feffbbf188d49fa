"""Neighbour lists of a graph in native code, made once and kept as long as the graph lives."""

import threading
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np

from gnnctl.graph.graph import DEFAULT_EDGE, DEFAULT_NODE, EdgeStore, Graph, NodeStore
from gnnctl.graph.types import EdgeType
from gnnctl.native import TypedCsc, csc_from_coo

Direction = Literal["in", "out"]
_lock = threading.Lock()
_known: "WeakKeyDictionary[Graph, dict[str, Adjacency]]" = WeakKeyDictionary()


class Adjacency:
    """The lists that walks step along, checked once.

    Args:
        graph: its arrays are kept, not copied.
        direction: ``"in"``: a node's list holds the sources of its in-edges, so steps go against the edges;
            ``"out"``: the destinations of its out-edges, in a transposed copy made here.
        num_threads: threads for making it.

    Attributes:
        node_types: by name the number in native code.
        edge_types: by type the number in native code.
        native: the lists.

    Raises:
        ValueError, TypeError: the graph's arrays are not what a CSC must be.
    """

    def __init__(self, graph: Graph, direction: Direction = "in", *, num_threads: int = 1) -> None:
        if direction not in ("in", "out"):
            raise ValueError(f"direction: expected 'in' or 'out', got {direction!r}")
        self.node_types = {name: i for i, name in enumerate(graph.node_types)}
        self.edge_types = {t: i for i, t in enumerate(graph.edge_types)}
        self.direction = direction
        types = [
            self._edges(graph, t, store, num_threads)
            if direction == "out"
            else (self.node_types[t.src], self.node_types[t.dst], store.colptr, store.row, _drawable(store))
            for t, store in graph.edges.items()
        ]
        self.native = TypedCsc([graph.num_nodes(name) for name in graph.node_types], types, num_threads)

    @classmethod
    def of(cls, graph: Graph, direction: Direction = "in", *, num_threads: int = 1) -> "Adjacency":
        """The graph's lists; made at the first call, shared by all later ones."""
        with _lock:
            known = _known.setdefault(graph, {})
            if direction not in known:
                known[direction] = cls(graph, direction, num_threads=num_threads)
            return known[direction]

    def start_type(self, edge_type: EdgeType) -> str:
        """Type of the nodes that have lists of this edge type."""
        return edge_type.dst if self.direction == "in" else edge_type.src

    def end_type(self, edge_type: EdgeType) -> str:
        """Type of the nodes in these lists."""
        return edge_type.src if self.direction == "in" else edge_type.dst

    def _edges(
        self, graph: Graph, t: EdgeType, store: EdgeStore, num_threads: int
    ) -> tuple[int, int, np.ndarray, np.ndarray, np.ndarray | None]:
        counts = np.diff(store.colptr)
        if len(counts) != graph.num_nodes(t.dst) or counts.sum() != len(store.row) or np.any(counts < 0):
            raise ValueError(f"graph: colptr of '{t}' does not fit {graph.num_nodes(t.dst)} nodes and its edges")
        ends = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        rowptr, col, position = csc_from_coo(
            ends, store.row.astype(np.int64), graph.num_nodes(t.dst), graph.num_nodes(t.src), True, num_threads
        )
        weight = _drawable(store)
        weight = None if weight is None else weight[position]
        return self.node_types[t.dst], self.node_types[t.src], rowptr, col, weight


def _drawable(store: EdgeStore) -> np.ndarray | None:
    """Weights that can be drawn by; negative ones only matter to a walk that asks for them."""
    weight = store.weight
    if weight is None or not len(weight):
        return weight
    return weight if weight.min() >= 0 and weight.max() < np.inf else None


def homogeneous(colptr: np.ndarray, row: np.ndarray, weight: np.ndarray | None = None) -> Graph:
    """A graph of one type over arrays that are in CSC already; nothing is copied.

    Args:
        colptr: (N + 1,) int64.
        row: (E,) int32 or int64.
        weight: (E,) float32.
    """
    return Graph({DEFAULT_NODE: NodeStore(len(colptr) - 1)}, {DEFAULT_EDGE: EdgeStore(colptr, row, weight)})
