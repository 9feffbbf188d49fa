"""What a model's forward sees: features and edges of a whole graph, or of a sampled part of it."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from gnnctl.graph.degrees import Degrees, NodesAtTimes, SeedTimes, degrees_at, gathered_degrees, graph_degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.graph import EdgeStore, Graph, NodeStore
from gnnctl.graph.link_features import link_features
from gnnctl.graph.relations import RelationPairs
from gnnctl.graph.types import EdgeType

__all__ = [
    "Batch",
    "Degrees",
    "LinkSeeds",
    "Sampled",
    "SampledEdges",
    "gathered_degrees",
    "graph_degrees",
    "link_features",
]


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
    node_group: dict[str, np.ndarray] | None
    seed_times: SeedTimes | None
    features: "FeatureSource | None"

    @property
    def edges(self) -> Mapping[EdgeType, SampledEdges]: ...


class FeatureSource(Protocol):
    """Where a batch's features are gathered when not in its graph."""

    def node_features(self, node_type: str, rows: np.ndarray, num_threads: int) -> np.ndarray | None:
        """(n, F) float32 of rows (n,), or None for a type without."""

    def edge_values(self, edge_type: EdgeType, positions: np.ndarray, name: str, virtual: float) -> np.ndarray | None:
        """``weight`` (e,) or ``edge_attr`` (e, F) float32, ``virtual`` where the position is -1; None without any."""


@dataclass
class LinkSeeds:
    """The links of a batch, their ends in local numbers.

    Attributes:
        relation: (b,) int64 places in the target's edge types.
        src: (b,) int64 local nodes of the relation's source type (rows in the graph, where the batch is all of it).
        dst: (b,) int64 those of its destination type.
        num_positives: how many there are; they come first.
        negative_of: (b - num_positives,) int64, whose negative each of the others is; None where there are none.
        attr: (b, F) float32 the links' own features, see :func:`link_features`; None where they have none.
    """

    relation: Tensor
    src: Tensor
    dst: Tensor
    num_positives: int
    negative_of: Tensor | None = None
    attr: Tensor | None = None

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "LinkSeeds":
        """The same links, every tensor changed."""
        negative_of = None if self.negative_of is None else change(self.negative_of)
        attr = None if self.attr is None else change(self.attr)
        return LinkSeeds(
            change(self.relation), change(self.src), change(self.dst), self.num_positives, negative_of, attr
        )


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
        degree: by edge type degrees in the whole graph, or as seeds see them at their times; None where no layer asked.
        node_counts: by node type nodes per hop, 0..H; None: a whole graph, which cannot be trimmed.
        edge_counts: by edge type edges per hop, 1..H, or None.
        layers: by layer its edges, where :meth:`prepare` has been called.
        ptr: of a batch of B whole graphs, by node type (B + 1,) int64: whose each node is.
        largest: by node type the nodes of the largest of those graphs, so that a compiled model need not look it up.
        graph_x: (num_seeds, F) float32 features of those graphs, where they are the seeds, or None.
        pairs: by layer its edges of all types together, where a model arranged them ahead.
        columns: by node type and name (n,) numbers of kept columns, int64 or float32, where the model takes any.
        made: edges that a model made of the nodes ahead of its forward, by names of its own.
        counted: False where the seeds are another process's, which counts them; only to have something to compute with.
        links: of a batch of links; ``num_seeds`` and ``y`` are then of its positive ones, and ``node_type`` is that of
            the first relation's sources.
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
    ptr: dict[str, Tensor] | None = None
    largest: dict[str, int] | None = None
    graph_x: Tensor | None = None
    pairs: dict[int, RelationPairs] = field(default_factory=dict)
    links: LinkSeeds | None = None
    columns: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    made: dict[str, EdgeIndex] = field(default_factory=dict)
    counted: bool = True

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
            ptr=None
            if graph.graphs is None
            else {t: torch.from_numpy(np.array(p)) for t, p in graph.graphs.ptr.items()},
            largest=None
            if graph.graphs is None
            else {t: int(np.diff(p).max(initial=0)) for t, p in graph.graphs.ptr.items()},
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
        features: FeatureSource | None = None,
    ) -> "Batch":
        """Gather what a model needs of a sampled subgraph.

        Edges that are not in the graph (position -1) have the weight that the subgraph gives them, else 1, and
        features of zero.

        Args:
            subgraph: local structure, checked by whoever made it.
            graph: where its features are.
            labels: of the seeds, in their order; integers become int64, floats float32.
            degrees: also gather degrees (models with ``needs_degree``): in the whole graph, or, where seeds see no
                later than their times, as the seed of each node's tree sees them.
            num_threads: for the gathering.
            pin: into page-locked memory, for asynchronous copies to a GPU.
            features: of nodes and edges, if neither the graph's nor the subgraph's own.
        """
        nodes, features = subgraph.nodes, features or subgraph.features
        if features is None:
            x = {t: _features(graph.nodes[t], rows, num_threads, pin) for t, rows in nodes.items()}
        else:
            x = {t: _shared_or_none(features.node_features(t, rows, num_threads)) for t, rows in nodes.items()}
        edge_index, weight, attribute = {}, {}, {}
        for t, edges in subgraph.edges.items():
            store: EdgeStore = graph.edges[t]
            edge_index[t] = EdgeIndex(
                _shared(edges.colptr), _shared(edges.row), len(nodes[t.src]), len(nodes[t.dst]),
                validate=False,
            )  # fmt: skip
            if features is not None:
                weight[t] = _shared_or_none(features.edge_values(t, edges.pos, "weight", 1.0))
                attribute[t] = _shared_or_none(features.edge_values(t, edges.pos, "edge_attr", 0.0))
            else:
                weight[t] = _edge_rows(store.weight, edges.pos, 1.0)
                attribute[t] = _edge_rows(store.edge_attr, edges.pos, 0.0)
            if edges.weight is not None:
                weight[t] = _shared(edges.weight)
        batch = cls(
            x=x,
            node_id={t: _shared(rows) for t, rows in nodes.items()},
            edge_index=edge_index,
            edge_weight=weight,
            edge_attr=attribute,
            node_type=subgraph.node_type,
            num_seeds=len(subgraph.seeds),
            y=_labels(labels),
            degree={t: _degrees_of(subgraph, graph, t) for t in graph.edges} if degrees else None,
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

    def prepare(
        self, num_layers: int, *, first: bool = True, self_loops: bool = False, grouped: Container[int] = ()
    ) -> "Batch":
        """Compute ahead (in a loading thread) each layer's edges and their views by source; returns this batch.

        Args:
            num_layers: of the model.
            first: whether the first layer's inputs need a gradient (an encoder or embeddings come before it).
            self_loops: whether the layers add loops (attention over one type of nodes).
            grouped: layers that use ``pairs`` in place of the edges of each type.
        """
        if self.layers:
            return self
        layers = {layer: self.trimmed(layer, num_layers) for layer in range(num_layers)}
        for layer, by_type in layers.items():
            if layer in grouped:
                continue
            for edges in by_type.values():
                used = edges.with_self_loops()[0] if self_loops else edges
                if self_loops:
                    edges.is_loop()
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
            pairs={i: pairs.mapped(change, change_edges) for i, pairs in self.pairs.items()},
            edge_weight=_changed(self.edge_weight, change),
            edge_attr=_changed(self.edge_attr, change),
            seed_rows=None if self.seed_rows is None else change(self.seed_rows),
            y=None if self.y is None else change(self.y),
            degree=None if degree is None else {t: d.mapped(change) for t, d in degree.items()},
            ptr=None if self.ptr is None else {t: change(v) for t, v in self.ptr.items()},
            graph_x=None if self.graph_x is None else change(self.graph_x),
            links=None if self.links is None else self.links.mapped(change),
            columns={t: {name: change(v) for name, v in named.items()} for t, named in self.columns.items()},
            made={name: change_edges(e) for name, e in self.made.items()},
        )


_Key = TypeVar("_Key")


def _changed(parts: dict[_Key, Tensor | None], change: Callable[[Tensor], Tensor]) -> dict[_Key, Tensor | None]:
    return {t: None if v is None else change(v) for t, v in parts.items()}


def _degrees_of(subgraph: Sampled, graph: Graph, edge_type: EdgeType) -> Degrees:
    nodes, seen, group = subgraph.nodes, subgraph.seed_times, subgraph.node_group
    if seen is None or group is None:
        return gathered_degrees(graph, edge_type, nodes[edge_type.src], nodes[edge_type.dst])
    at = {t: NodesAtTimes(nodes[t], seen.times[group[t]]) for t in (edge_type.src, edge_type.dst)}
    return degrees_at(graph, edge_type, at[edge_type.src], at[edge_type.dst], seen.inclusive)


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
