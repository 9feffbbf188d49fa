"""What a model's forward sees: features and edges of a whole graph, or of a sampled part of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.graph import EdgeStore, Graph, NodeStore
from gnnctl.graph.types import EdgeType


class SampledEdges(Protocol):
    """Edges of one type of a sampled subgraph: CSC in local numbers, ``pos`` their positions in the graph's CSC.

    ``weight`` (e,) float32 replaces the graph's weights where it is given.
    """

    colptr: np.ndarray
    row: np.ndarray
    pos: np.ndarray
    weight: np.ndarray | None


class Sampled(Protocol):
    """The part of :class:`gnnctl.sampling.Subgraph` that a batch is made from."""

    nodes: dict[str, np.ndarray]
    node_counts: dict[str, list[int]]
    edge_counts: dict[EdgeType, list[int]]
    seeds: np.ndarray
    node_type: str

    @property
    def edges(self) -> Mapping[EdgeType, SampledEdges]: ...


class Degrees(NamedTuple):
    """Degrees in the whole graph, float32, of a batch's local nodes, for one edge type.

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
        return Degrees(*(None if part is None else change(part) for part in self))  # type: ignore[arg-type]

    def first(self, num_src: int, num_dst: int) -> "Degrees":
        """Those of the first sources and destinations."""
        loops = (part if part is None else part[:n] for part, n in ((self.src_loop, num_src), (self.dst_loop, num_dst)))
        return Degrees(self.src[:num_src], self.dst[:num_dst], self.in_edges[:num_dst], *loops)


@dataclass
class Batch:
    """Nodes and edges of every type, in local numbers.

    Attributes:
        x: by node type (n, F) float32 features, or None for a type without.
        node_id: by node type (n,) int64 rows in the graph.
        edge_index: by edge type.
        edge_weight: by edge type (E,) float32, or None.
        edge_attr: by edge type (E, F) float32, or None.
        node_type: type of the seeds.
        num_seeds: how many; they are local rows 0.. of their type unless ``seed_rows`` names them.
        seed_rows: (num_seeds,) int64 local rows, or None.
        y: labels of the seeds, or None.
        degree: by edge type degrees in the whole graph, or None where no layer asked for them.
        node_counts: by node type nodes per hop, 0..H; None: a whole graph, which cannot be trimmed.
        edge_counts: by edge type edges per hop, 1..H, or None.
        layers: by layer its edges, where :meth:`prepare` has been called.
    """

    x: dict[str, Tensor | None]
    node_id: dict[str, Tensor]
    edge_index: dict[EdgeType, EdgeIndex]
    edge_weight: dict[EdgeType, Tensor | None]
    edge_attr: dict[EdgeType, Tensor | None]
    node_type: str
    num_seeds: int
    seed_rows: Tensor | None = None
    y: Tensor | None = None
    degree: dict[EdgeType, Degrees] | None = None
    node_counts: dict[str, list[int]] | None = None
    edge_counts: dict[EdgeType, list[int]] | None = None
    layers: dict[int, dict[EdgeType, EdgeIndex]] = field(default_factory=dict)

    @classmethod
    def full(
        cls,
        graph: Graph,
        node_type: str,
        rows: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        *,
        degrees: bool = True,
    ) -> "Batch":
        """The whole graph, copied into memory, with the seeds ``rows`` (int64; all nodes where None)."""
        x = {t: _shared_or_none(store.features()) for t, store in graph.nodes.items()}
        node_id = {t: torch.arange(store.num_nodes) for t, store in graph.nodes.items()}
        edge_index, weight, attribute = {}, {}, {}
        for t, store in graph.edges.items():
            colptr, row = torch.from_numpy(np.array(store.colptr)), torch.from_numpy(np.array(store.row))
            edge_index[t] = EdgeIndex(colptr, row, graph.num_nodes(t.src), graph.num_nodes(t.dst), validate=False)
            weight[t], attribute[t] = _copied(store.weight), _copied(store.edge_attr)
        return cls(
            x=x,
            node_id=node_id,
            edge_index=edge_index,
            edge_weight=weight,
            edge_attr=attribute,
            node_type=node_type,
            num_seeds=graph.num_nodes(node_type) if rows is None else len(rows),
            seed_rows=None if rows is None else torch.from_numpy(np.array(rows, dtype=np.int64)),
            y=_labels(labels),
            degree={t: gathered_degrees(graph, t, None, None) for t in graph.edges} if degrees else None,
        )

    @classmethod
    def from_subgraph(
        cls,
        subgraph: Sampled,
        graph: Graph,
        labels: np.ndarray | None = None,
        *,
        degrees: bool = False,
        num_threads: int = 1,
        pin: bool = False,
    ) -> "Batch":
        """Gather what a model needs of a sampled subgraph.

        Edges that are not in the graph (position -1) have the weight that the subgraph gives them, else 1, and
        features of zero.

        Args:
            subgraph: local structure, checked by whoever made it.
            graph: where its features are.
            labels: of the seeds, in their order; integers become int64, floats float32.
            degrees: also gather degrees in the whole graph (models with ``needs_degree``).
            num_threads: for the gathering.
            pin: into page-locked memory, for asynchronous copies to a GPU.
        """
        nodes = subgraph.nodes
        x = {t: _features(graph.nodes[t], rows, num_threads, pin) for t, rows in nodes.items()}
        edge_index, weight, attribute = {}, {}, {}
        for t, edges in subgraph.edges.items():
            store: EdgeStore = graph.edges[t]
            edge_index[t] = EdgeIndex(
                _shared(edges.colptr), _shared(edges.row), len(nodes[t.src]), len(nodes[t.dst]),
                validate=False,
            )  # fmt: skip
            weight[t] = _edge_rows(store.weight, edges.pos, 1.0) if edges.weight is None else _shared(edges.weight)
            attribute[t] = _edge_rows(store.edge_attr, edges.pos, 0.0)
        batch = cls(
            x=x,
            node_id={t: _shared(rows) for t, rows in nodes.items()},
            edge_index=edge_index,
            edge_weight=weight,
            edge_attr=attribute,
            node_type=subgraph.node_type,
            num_seeds=len(subgraph.seeds),
            y=_labels(labels),
            degree={t: gathered_degrees(graph, t, nodes[t.src], nodes[t.dst]) for t in graph.edges}
            if degrees
            else None,
            node_counts={t: [int(c) for c in counts] for t, counts in subgraph.node_counts.items()},
            edge_counts={t: [int(c) for c in counts] for t, counts in subgraph.edge_counts.items()},
        )
        return batch.pin_memory() if pin else batch

    def num_nodes(self, node_type: str) -> int:
        """Local nodes of a type."""
        return self.node_id[node_type].shape[0]

    @property
    def hops(self) -> int | None:
        """H, or None for a whole graph."""
        return None if self.node_counts is None else len(self.node_counts[self.node_type]) - 1

    def within(self, hop: int) -> dict[str, int]:
        """By node type, the number of nodes at hops <= ``hop``; they are the first ones."""
        if self.node_counts is None:
            return {t: self.num_nodes(t) for t in self.node_id}
        return {t: sum(counts[: hop + 1]) for t, counts in self.node_counts.items()}

    def trimmed(self, layer: int, num_layers: int) -> dict[EdgeType, EdgeIndex]:
        """The edges that layer ``layer`` of ``num_layers`` needs: those into nodes whose outputs later layers use."""
        if layer in self.layers:
            return self.layers[layer]
        if self.node_counts is None or self.edge_counts is None:
            return self.edge_index
        keep = num_layers - 1 - layer
        source, target = self.within(keep + 1), self.within(keep)
        return {
            t: edges.trim(target[t.dst], source[t.src], sum(self.edge_counts[t][: keep + 1]))
            for t, edges in self.edge_index.items()
        }

    def prepare(self, num_layers: int, *, first: bool = True, self_loops: bool = False) -> "Batch":
        """Compute ahead (in a loading thread) each layer's edges and their views by source; returns this batch.

        Args:
            num_layers: of the model.
            first: whether the first layer's inputs need a gradient (an encoder or embeddings come before it).
            self_loops: whether the layers add loops (attention over one type of nodes).
        """
        if self.layers:
            return self
        layers = {layer: self.trimmed(layer, num_layers) for layer in range(num_layers)}
        for layer, by_type in layers.items():
            for edges in by_type.values():
                used = edges.with_self_loops()[0] if self_loops else edges
                if used.num_edges and (layer or first or self_loops):
                    used.transposed()
        self.layers = layers
        return self

    def seeds_of(self, values: Tensor) -> Tensor:
        """(num_seeds, ...): the seeds' rows of values over the local nodes of ``node_type``."""
        if self.seed_rows is not None:
            return values.index_select(0, self.seed_rows)
        return values[: self.num_seeds]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The batch on another device."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=non_blocking)

        return self._mapped(move, lambda edges: edges.to(device, non_blocking))

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory."""

        def pin(tensor: Tensor) -> Tensor:
            return tensor if tensor.is_pinned() else tensor.pin_memory()

        return self._mapped(pin, EdgeIndex.pin_memory)

    def _mapped(self, change: Callable[[Tensor], Tensor], change_edges: Callable[[EdgeIndex], EdgeIndex]) -> "Batch":
        degree = self.degree
        return replace(
            self,
            x=_changed(self.x, change),
            node_id={t: change(v) for t, v in self.node_id.items()},
            edge_index={t: change_edges(e) for t, e in self.edge_index.items()},
            layers={i: {t: change_edges(e) for t, e in edges.items()} for i, edges in self.layers.items()},
            edge_weight=_changed(self.edge_weight, change),
            edge_attr=_changed(self.edge_attr, change),
            seed_rows=None if self.seed_rows is None else change(self.seed_rows),
            y=None if self.y is None else change(self.y),
            degree=None if degree is None else {t: d.mapped(change) for t, d in degree.items()},
        )


_Key = TypeVar("_Key")


def _changed(parts: dict[_Key, Tensor | None], change: Callable[[Tensor], Tensor]) -> dict[_Key, Tensor | None]:
    return {t: None if v is None else change(v) for t, v in parts.items()}


class _GraphDegrees(NamedTuple):
    out: np.ndarray
    into: np.ndarray
    in_edges: np.ndarray
    loops: np.ndarray | None


_LOOP_BLOCK = 2**16  # nodes that are searched for loops at a time

# Degrees of a graph never change; they live as long as the graph does.
_degrees: "WeakKeyDictionary[Graph, dict[EdgeType, _GraphDegrees]]" = WeakKeyDictionary()


def graph_degrees(graph: Graph, edge_type: EdgeType) -> _GraphDegrees:
    """Float32 arrays over all nodes: out-degree of sources, in-degree of destinations (both weighted), in-edges.

    ``loops``: of a homogeneous graph, 1 where a node has an edge from itself; None where no node has.
    """
    known = _degrees.setdefault(graph, {})
    if edge_type not in known:
        store = graph.edges[edge_type]
        count = np.diff(store.colptr)
        into = count
        if store.weight is not None:
            target = np.repeat(np.arange(len(count)), count)
            into = np.bincount(target, weights=store.weight, minlength=len(count))
        out = into
        if not graph.schema.is_homogeneous:
            out = np.bincount(store.row, weights=store.weight, minlength=graph.num_nodes(edge_type.src))
        loops = _loops(store) if graph.schema.is_homogeneous else None
        known[edge_type] = _GraphDegrees(
            out.astype(np.float32), into.astype(np.float32), count.astype(np.float32), loops
        )
    return known[edge_type]


def _loops(store: EdgeStore) -> np.ndarray | None:
    found = np.zeros(len(store.colptr) - 1, np.float32)
    for first in range(0, len(found), _LOOP_BLOCK):
        colptr = np.asarray(store.colptr[first : first + _LOOP_BLOCK + 1])
        target = np.repeat(np.arange(first, first + len(colptr) - 1), np.diff(colptr))
        found[target[store.row[colptr[0] : colptr[-1]] == target]] = 1
    return found if found.any() else None


def gathered_degrees(graph: Graph, edge_type: EdgeType, src: np.ndarray | None, dst: np.ndarray | None) -> Degrees:
    """Degrees in the whole graph of the sources ``src`` and the destinations ``dst``; all nodes where None."""
    whole = graph_degrees(graph, edge_type)

    def rows(values: np.ndarray, nodes: np.ndarray | None) -> Tensor:
        return torch.from_numpy(values if nodes is None else values[nodes])

    degrees = rows(whole.out, src), rows(whole.into, dst), rows(whole.in_edges, dst)
    if whole.loops is None:
        return Degrees(*degrees)
    return Degrees(*degrees, rows(whole.loops, src), rows(whole.loops, dst))


def _shared(array: np.ndarray) -> Tensor:
    # Records read from Arrow are read-only, which torch does not know: it would write through.
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _copied(array: np.ndarray | None) -> Tensor | None:
    return None if array is None else torch.from_numpy(np.array(array))


def _shared_or_none(array: np.ndarray | None) -> Tensor | None:
    return None if array is None else torch.from_numpy(array)


def _features(store: NodeStore, rows: np.ndarray, num_threads: int, pin: bool) -> Tensor | None:
    if store.x is None or not pin:
        return _shared_or_none(store.features(rows, num_threads=num_threads))
    out = torch.empty((len(rows), store.x.shape[1]), dtype=torch.float32, pin_memory=True)
    store.features(rows, out=out.numpy(), num_threads=num_threads)
    return out


def _edge_rows(source: np.ndarray | None, positions: np.ndarray, virtual: float) -> Tensor | None:
    if source is None:
        return None
    out = source[np.maximum(positions, 0)] if len(source) else np.zeros((len(positions), *source.shape[1:]), np.float32)
    out[positions < 0] = virtual
    return torch.from_numpy(out)


def _labels(labels: np.ndarray | Sequence[Any] | None) -> Tensor | None:
    if labels is None:
        return None
    array = np.asarray(labels)
    return torch.from_numpy(array.astype(np.float32 if array.dtype.kind == "f" else np.int64))
