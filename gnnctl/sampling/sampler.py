"""Neighbour sampling: a pure function of (graph, spec, epoch, set of seeds)."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from gnnctl.errors import DataError
from gnnctl.graph.degrees import SeedTimes
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.native import SampledEdgeType, SamplerRules
from gnnctl.native import Sampler as NativeSampler
from gnnctl.sampling.bidirectional import bidirectional
from gnnctl.sampling.future import without_future
from gnnctl.sampling.induced import induced_of
from gnnctl.sampling.keys import name_hash
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges
from gnnctl.sampling.trees import Trees

Drawn = tuple[
    list[tuple[np.ndarray, np.ndarray | None, list[int]]],
    list[tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]],
]


class Native(Protocol):
    """What draws: see ``gnnctl/native/_native.pyi``."""

    def sample(self, seeds: np.ndarray, node_type: int, epoch: int, times: np.ndarray | None = None) -> Drawn:
        """Around seeds of one type."""

    def sample_many(
        self,
        seeds: list[np.ndarray],
        epoch: int,
        groups: list[np.ndarray] = ...,
        kind: int = 0,
        words: np.ndarray | None = None,
        times: np.ndarray | None = None,
        hidden: list[tuple[int, np.ndarray, np.ndarray]] = ...,
    ) -> Drawn:
        """Around seeds of several types."""


class Sampler:
    """Samples around seeds; any number of threads may call :meth:`sample` at once.

    Args:
        graph: its arrays are checked once and kept, not copied; drawing by weight keeps 8 bytes an edge beside them.
        spec: fan-outs; an edge type that it leaves out is not followed.
        num_threads: threads for the check of the graph.

    Raises:
        DataError: drawing by weight or time from a graph that has neither.
        ValueError, TypeError: the graph's arrays are not what a CSC must be.
    """

    def __init__(self, graph: Graph, spec: SampleSpec, *, num_threads: int = 1) -> None:
        self.graph = graph
        self.spec = spec
        self._types = {name: i for i, name in enumerate(graph.node_types)}
        if spec.draw == "weighted" and all(e.weight is None for e in graph.edges.values()):
            raise DataError("no edge type has weights to draw by", fix="name a weight at ingest, or draw uniformly")
        times = [n.time for n in graph.nodes.values()] + [e.time for e in graph.edges.values()]
        if spec.time is not None and all(time is None for time in times):
            raise DataError("neither nodes nor edges have times", fix="name a time at ingest, or leave --time out")
        self._native = self._open(num_threads)

    def _open(self, num_threads: int) -> Native:
        graph, spec = self.graph, self.spec
        return NativeSampler(
            [graph.num_nodes(name) for name in graph.node_types],
            [name_hash(name) for name in graph.node_types],
            [self._edge_type(t) for t in graph.edges],
            spec.hops,
            spec.seed,
            SamplerRules(spec.replace, spec.disjoint, spec.draw, spec.time or "always", list(spec.budget or ())),
            num_threads,
        )

    def _edge_type(self, t: EdgeType) -> SampledEdgeType:
        store = self.graph.edges[t]
        timed = self.spec.time is not None
        return SampledEdgeType(
            self._types[t.src],
            self._types[t.dst],
            store.colptr,
            store.row,
            name_hash(str(t)),
            list(self.spec.num_neighbors.get(t, (0,) * self.spec.hops)),
            weight=store.weight if self.spec.draw == "weighted" else None,
            time=store.time if timed else None,
            source_time=self.graph.nodes[t.src].time if timed else None,
        )

    def groups(self, seeds: np.ndarray, node_type: str) -> np.ndarray | None:
        """None: seeds may be batched in any way."""
        return None

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int, times: np.ndarray | None = None) -> Subgraph:
        """The subgraph around ``seeds``.

        Args:
            seeds: (s,) int64 rows of ``node_type``; distinct unless sampling is disjoint.
            node_type: type of the seeds.
            epoch: 0 for evaluation, 1.. for training; a node keeps its picks within an epoch.
            times: (s,) int64, where the spec heeds time; None takes the seeds' own node times.

        Raises:
            TypeError: seeds or times of another dtype.
            ValueError: a seed out of range or twice, an unknown node type, a negative epoch.
            DataError: nodes of this type have no time.
        """
        if node_type not in self._types:
            raise ValueError(f"node_type: the graph has no '{node_type}'")
        if not 0 <= epoch < 2**63:
            raise ValueError(f"epoch: {epoch} is out of range")
        if self.spec.time is not None and times is None:
            times = self._times(seeds, node_type)
        drawn = self._native.sample(seeds, self._types[node_type], epoch, times)
        return self._subgraph(drawn, seeds, node_type, times)

    def sample_many(self, seeds: Mapping[str, np.ndarray], epoch: int, trees: Trees | None = None) -> Subgraph:
        """The subgraph around seeds of several types, which are the first local nodes of their types.

        Args:
            seeds: by node type (n,) int64 rows, distinct (within a tree, where sampling is disjoint); a type that is
                absent has none. The first type named counts as that of the subgraph's ``seeds``.
            epoch: 0 for evaluation, 1.. for training.
            trees: for disjoint sampling, which nobody else has: whose tree each seed is in.

        Raises:
            TypeError, ValueError: as :meth:`sample`; trees that do not fit, edges hidden from draws with replacement.
        """
        if not seeds or (unknown := [t for t in seeds if t not in self._types]):
            raise ValueError(f"seeds: the graph has no '{unknown[0]}'" if seeds else "seeds: none of any type")
        if not 0 <= epoch < 2**63:
            raise ValueError(f"epoch: {epoch} is out of range")
        if self.spec.disjoint != (trees is not None):
            raise ValueError(f"trees: {'missing' if trees is None else 'joint sampling has none'}")
        none = np.zeros(0, np.int64)
        rows = [seeds.get(t, none) for t in self._types]
        node_type, times = next(iter(seeds)), None
        if trees is None:
            drawn = self._native.sample_many(rows, epoch)
        else:
            groups = [trees.group.get(t, none.astype(np.int32)) for t in self._types]
            kinds = list(self.graph.edge_types)
            hidden = [(kinds.index(t), *found) for t, found in trees.hidden.items() if len(found.offset)]
            times = trees.times
            drawn = self._native.sample_many(rows, epoch, groups, name_hash(trees.kind), trees.words, times, hidden)
        return self._subgraph(drawn, seeds[node_type], node_type, times)

    def _subgraph(self, drawn: Drawn, seeds: np.ndarray, node_type: str, times: np.ndarray | None) -> Subgraph:
        nodes, edges = drawn
        names, edge_types = self.graph.node_types, self.graph.edge_types
        groups = {name: n[1] for name, n in zip(names, nodes, strict=True) if n[1] is not None}
        subgraph = Subgraph(
            nodes={name: n[0] for name, n in zip(names, nodes, strict=True)},
            node_counts={name: n[2] for name, n in zip(names, nodes, strict=True)},
            edges={t: SubgraphEdges(e[0], e[1], e[2]) for t, e in zip(edge_types, edges, strict=True)},
            edge_counts={t: e[3] for t, e in zip(edge_types, edges, strict=True)},
            seeds=seeds.copy(),
            node_type=node_type,
            node_group=groups if self.spec.disjoint else None,
            seed_times=None if times is None else SeedTimes(times.copy(), self.spec.time == "until"),
        )
        if self.spec.subgraph == "directional":
            return subgraph
        widened = bidirectional if self.spec.subgraph == "bidirectional" else induced_of
        return without_future(widened(subgraph, self.graph), self.graph)

    def _times(self, seeds: np.ndarray, node_type: str) -> np.ndarray:
        known = self.graph.nodes[node_type].time
        if known is None:
            raise DataError(f"a {node_type} has no time to sample at", fix="name its time at ingest")
        if len(seeds) and (int(seeds.min()) < 0 or int(seeds.max()) >= len(known)):
            raise ValueError(f"seeds: a row is outside 0..{len(known) - 1}")
        return np.ascontiguousarray(known[seeds])
