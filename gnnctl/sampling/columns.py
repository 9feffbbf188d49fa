"""Records of sampled subgraphs, several side by side in flat arrays: how they are stored, sent and merged."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from gnnctl.errors import ArtifactError
from gnnctl.graph.build import ALWAYS
from gnnctl.graph.degrees import SeedTimes
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.native import colptr_of
from gnnctl.sampling.link_batch import LinkBatch
from gnnctl.sampling.link_columns import LinkColumns, LinkLayout
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges


@dataclass(frozen=True)
class Layout:
    """What all records of one artifact or stream have in common.

    Attributes:
        node_types: T names, in the graph's order.
        edge_types: E types, in the graph's order.
        hops: H.
        node_type: type of the seeds.
        disjoint: whether records have a node_group.
        weighted: whether records have an edge_weight.
        time: whether seeds saw what came ``before`` their times, or ``until`` them; None: everything.
        links: of samples around links.
    """

    node_types: tuple[str, ...]
    edge_types: tuple[EdgeType, ...]
    hops: int
    node_type: str
    disjoint: bool
    weighted: bool = False
    time: str | None = None
    links: LinkLayout | None = None

    @classmethod
    def of(cls, graph: Graph, hops: int, node_type: str, disjoint: bool, **more: Any) -> "Layout":
        """The layout of records sampled from ``graph``; ``more`` are further attributes."""
        return cls(tuple(graph.node_types), tuple(graph.edge_types), hops, node_type, disjoint, **more)

    def to_json(self) -> dict[str, Any]:
        """JSON document that :meth:`from_json` reads."""
        return {
            "node_types": list(self.node_types),
            "edge_types": [str(t) for t in self.edge_types],
            "hops": self.hops,
            "node_type": self.node_type,
            "disjoint": self.disjoint,
            **({"weighted": True} if self.weighted else {}),
            **({} if self.time is None else {"time": self.time}),
            **({} if self.links is None else {"links": self.links.to_json()}),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Layout":
        """Rebuild a layout from its JSON document."""
        return cls(
            tuple(document["node_types"]),
            tuple(EdgeType.parse(t) for t in document["edge_types"]),
            document["hops"],
            document["node_type"],
            document["disjoint"],
            document.get("weighted", False),
            document.get("time"),
            LinkLayout.from_json(document["links"]) if "links" in document else None,
        )


@dataclass
class RecordColumns:
    """R records of one part and epoch. T node types, E edge types, H hops; S seeds, N nodes, M edges in all.

    Attributes:
        layout: what they have in common.
        seeds: (S,) int64 global rows; around links their ends, source and destination in turn.
        seed_counts: (R,) int64 seeds of each record.
        nodes: (N,) int64 global rows; record after record, within one by type, hop, discovery.
        node_counts: (R, T, H + 1) int64.
        node_group: (N,) int32, or None.
        edge_row: (M,) int32 local sources; record after record, within one by edge type, destination, pick order.
        edge_col: (M,) int32 local destinations.
        edge_pos: (M,) int64; :func:`no_positions` where nobody asks for them.
        edge_counts: (R, E, H) int64.
        edge_weight: (M,) float32, where the method of sampling gives weights, or None.
        seed_times: (S,) int64, or None: what seeds saw where the layout heeds time, else when they were.
        links: how the seeds make up links, where the layout has them.
    """

    layout: Layout
    seeds: np.ndarray
    seed_counts: np.ndarray
    nodes: np.ndarray
    node_counts: np.ndarray
    node_group: np.ndarray | None
    edge_row: np.ndarray
    edge_col: np.ndarray
    edge_pos: np.ndarray
    edge_counts: np.ndarray
    edge_weight: np.ndarray | None = None
    seed_times: np.ndarray | None = None
    links: LinkColumns | None = None

    def __post_init__(self) -> None:
        self._node_start = _starts(self.node_counts.sum(axis=2))  # (R * T + 1,) where each record's type begins
        self._edge_start = _starts(self.edge_counts.sum(axis=2))  # (R * E + 1,)
        self._seed_start = _starts(self.seed_counts)

    def __len__(self) -> int:
        return len(self.seed_counts)

    @property
    def label_counts(self) -> np.ndarray:
        """(R,) int64 labels of each record: one a seed, or a link."""
        return self.seed_counts if self.links is None else self.links.counts

    def node_start(self, node_type: str) -> np.ndarray:
        """(R,) where each record's nodes of a type begin in ``nodes``."""
        return self._node_start[self.layout.node_types.index(node_type) : -1 : len(self.layout.node_types)]

    def edge_start(self, edge_type: EdgeType) -> np.ndarray:
        """(R,) where each record's edges of a type begin in ``edge_row``."""
        return self._edge_start[self.layout.edge_types.index(edge_type) : -1 : len(self.layout.edge_types)]

    @classmethod
    def of(cls, subgraphs: Sequence[Subgraph], layout: Layout) -> "RecordColumns":
        """Lay subgraphs side by side, in order."""
        names, types = layout.node_types, layout.edge_types
        if not layout.weighted and any(s.edges[t].weight is not None for s in subgraphs for t in types):
            raise ValueError("subgraphs: their edges have weights, which the layout leaves out")
        joined = [s.node_group[t] for s in subgraphs for t in names if s.node_group is not None]
        return cls(
            layout=layout,
            seeds=_joined([s.seeds for s in subgraphs], np.int64),
            seed_counts=np.array([len(s.seeds) for s in subgraphs], np.int64),
            nodes=_joined([s.nodes[t] for s in subgraphs for t in names], np.int64),
            node_counts=np.array([[s.node_counts[t] for t in names] for s in subgraphs], np.int64).reshape(
                len(subgraphs), len(names), layout.hops + 1
            ),
            node_group=_joined(joined, np.int32) if layout.disjoint else None,
            edge_row=_joined([s.edges[t].row for s in subgraphs for t in types], np.int32),
            edge_col=_joined([s.edges[t].col() for s in subgraphs for t in types], np.int32),
            edge_pos=_joined([s.edges[t].pos for s in subgraphs for t in types], np.int64),
            edge_counts=np.array([[s.edge_counts[t] for t in types] for s in subgraphs], np.int64).reshape(
                len(subgraphs), len(types), layout.hops
            ),
            edge_weight=_joined(_weights(subgraphs, types), np.float32) if layout.weighted else None,
            seed_times=_seed_times(subgraphs, layout),
            links=None if layout.links is None else LinkColumns.of([s.links for s in subgraphs if s.links is not None]),
        )

    def records(self, start: int, end: int) -> "RecordColumns":
        """Records ``start`` to ``end - 1``; views, not copies."""
        names, types = len(self.layout.node_types), len(self.layout.edge_types)
        seeds = slice(int(self._seed_start[start]), int(self._seed_start[end]))
        nodes = slice(int(self._node_start[start * names]), int(self._node_start[end * names]))
        edges = slice(int(self._edge_start[start * types]), int(self._edge_start[end * types]))
        return RecordColumns(
            layout=self.layout,
            seeds=self.seeds[seeds],
            seed_counts=self.seed_counts[start:end],
            nodes=self.nodes[nodes],
            node_counts=self.node_counts[start:end],
            node_group=None if self.node_group is None else self.node_group[nodes],
            edge_row=self.edge_row[edges],
            edge_col=self.edge_col[edges],
            edge_pos=self.edge_pos[edges],
            edge_counts=self.edge_counts[start:end],
            edge_weight=None if self.edge_weight is None else self.edge_weight[edges],
            seed_times=None if self.seed_times is None else self.seed_times[seeds],
            links=None
            if self.links is None
            else self.links.records(start, end, slice(seeds.start // 2, seeds.stop // 2)),
        )

    def taken(self, order: np.ndarray) -> "RecordColumns":
        """The records (r,) in another order."""
        names, types = len(self.layout.node_types), len(self.layout.edge_types)
        seeds = ranges(self._seed_start[order], self.seed_counts[order])
        nodes = ranges(self._node_start[order * names], self.node_counts.sum(axis=(1, 2))[order])
        edges = ranges(self._edge_start[order * types], self.edge_counts.sum(axis=(1, 2))[order])
        chosen = {"seed_counts": order, "node_counts": order, "edge_counts": order, "seeds": seeds, "seed_times": seeds}
        chosen |= {"nodes": nodes, "node_group": nodes}
        names_of = [f.name for f in fields(self) if f.name not in ("layout", "links")]
        arrays: dict[str, Any] = {name: getattr(self, name) for name in names_of}
        arrays = {name: v if v is None else v[chosen.get(name, edges)] for name, v in arrays.items()}
        links = None if self.links is None else self.links.taken(order, self.seed_counts)
        return RecordColumns(**arrays, layout=self.layout, links=links)

    @classmethod
    def joined(cls, parts: "Sequence[RecordColumns]") -> "RecordColumns":
        """The records of several blocks, one after the other."""
        arrays: dict[str, Any] = {
            f.name: np.concatenate([getattr(p, f.name) for p in parts])
            for f in fields(cls)
            if f.name not in ("layout", "links") and getattr(parts[0], f.name) is not None
        }
        if parts[0].links is not None:
            arrays["links"] = LinkColumns.joined([p.links for p in parts if p.links is not None])
        return cls(**{"node_group": None, **arrays}, layout=parts[0].layout)

    def subgraph(self, record: int) -> Subgraph:
        """One record as a subgraph, its arrays copied."""
        layout, own = self.layout, self.records(record, record + 1)
        nodes, groups, edges = {}, {}, {}
        for t in layout.node_types:
            part = self._part(self._node_start, record, layout.node_types.index(t), len(layout.node_types))
            nodes[t] = self.nodes[part].copy()
            if self.node_group is not None:
                groups[t] = self.node_group[part].copy()
        for i, e in enumerate(layout.edge_types):
            part = self._part(self._edge_start, record, i, len(layout.edge_types))
            colptr = colptr_of(self.edge_col[part], len(nodes[e.dst]))
            weight = None if self.edge_weight is None else self.edge_weight[part].copy()
            pos = self.edge_pos[part] if self.edge_pos.strides == (0,) else self.edge_pos[part].copy()
            edges[e] = SubgraphEdges(colptr, self.edge_row[part].copy(), pos, weight)
        return Subgraph(
            nodes=nodes,
            node_counts={t: self.node_counts[record, i].tolist() for i, t in enumerate(layout.node_types)},
            edges=edges,
            edge_counts={e: self.edge_counts[record, i].tolist() for i, e in enumerate(layout.edge_types)},
            seeds=own.seeds.copy(),
            node_type=layout.node_type,
            node_group=groups if self.node_group is not None else None,
            seed_times=own.seen(),
            links=own.link_batch(),
        )

    def seen(self) -> SeedTimes | None:
        """What the seeds, or links, of all records saw, where the layout heeds time."""
        if self.layout.time is None or self.seed_times is None:
            return None
        links = self.link_batch()
        times = self.seed_times.copy() if links is None or links.times is None else links.times
        return SeedTimes(times, self.layout.time == "until")

    def link_batch(self) -> LinkBatch | None:
        """The links of all records as those of one batch."""
        if self.links is None or self.layout.links is None:
            return None
        times = self.seed_times
        if times is not None and self.layout.time is None and np.all(times == ALWAYS):
            times = None
        return self.links.merged(self.seeds, times, self.layout.links, self.seed_counts)

    @staticmethod
    def _part(starts: np.ndarray, record: int, kind: int, kinds: int) -> slice:
        at = record * kinds + kind
        return slice(int(starts[at]), int(starts[at + 1]))

    def check(self, graph: Graph, where: str) -> None:
        """Check that every number fits the graph and the record it is in, so that no kernel reads beyond its arrays.

        Raises:
            ArtifactError: the records are damaged or of another graph.
        """
        layout, fix = self.layout, "make the records again"
        if (list(layout.node_types), list(layout.edge_types)) != (graph.node_types, graph.edge_types):
            raise ArtifactError(f"{where}: the node and edge types are not those of the graph", fix=fix)
        sizes = self.node_counts.sum(axis=2)
        fits = (
            len(self.nodes) == self._node_start[-1]
            and len(self.seeds) == self._seed_start[-1]
            and len(self.edge_row) == len(self.edge_col) == len(self.edge_pos) == self._edge_start[-1]
            and bool(np.all(self.node_counts >= 0) and np.all(self.edge_counts >= 0))
            and (self.links is not None) == (layout.links is not None)
            and (self.links is not None or np.array_equal(self._first_nodes(layout.node_type), self.seed_counts))
            and (self.node_group is not None) == layout.disjoint
            and (self.node_group is None or len(self.node_group) == len(self.nodes))
            and (self.seed_times is None) <= (layout.time is None)
            and (self.seed_times is None or len(self.seed_times) == len(self.seeds))
            and (self.edge_weight is not None) == layout.weighted
            and (self.edge_weight is None or len(self.edge_weight) == len(self.edge_row))
        )
        if not fits:
            raise ArtifactError(f"{where}: counts do not fit the arrays", fix=fix)
        if fault := self._fault_of_links():
            raise ArtifactError(f"{where}: {fault}", fix=fix)
        ends = np.array([graph.num_nodes(t) for t in layout.node_types])
        if not _within(self.nodes, self._node_start, np.tile(ends, len(self))):
            raise ArtifactError(f"{where}: a node is outside the graph", fix=fix)
        index = {t: i for i, t in enumerate(layout.node_types)}
        for values, kind in ((self.edge_row, "src"), (self.edge_col, "dst")):
            most = sizes[:, [index[getattr(t, kind)] for t in layout.edge_types]].ravel()
            if not _within(values, self._edge_start, most):
                raise ArtifactError(f"{where}: an edge is outside its record", fix=fix)
        falls = np.flatnonzero(self.edge_col[1:] < self.edge_col[:-1]) + 1
        if not np.all(np.isin(falls, self._edge_start)):
            raise ArtifactError(f"{where}: edges are not sorted by destination", fix=fix)
        ends = np.array([graph.edges[t].num_edges for t in layout.edge_types])
        if not _within(self.edge_pos, self._edge_start, np.tile(ends, len(self)), least=-1):
            raise ArtifactError(f"{where}: an edge position is outside the graph", fix=fix)
        if self.edge_weight is not None and not np.all(np.isfinite(self.edge_weight)):
            raise ArtifactError(f"{where}: an edge weight is not finite", fix=fix)

    def _first_nodes(self, node_type: str) -> np.ndarray:
        """(R,) int64 nodes of hop 0 of a type."""
        first: np.ndarray = self.node_counts[:, self.layout.node_types.index(node_type), 0]
        return first

    def _fault_of_links(self) -> str | None:
        """What does not fit of the links, if anything: their ends must be the first nodes of each record."""
        if self.links is None or self.layout.links is None:
            return None
        if fault := self.links.fault(self.seed_counts, len(self.layout.links.edge_types)):
            return fault
        links = self.link_batch()
        assert links is not None
        record = np.repeat(np.arange(len(self)), self.seed_counts // 2)
        ends = links.ends(links.group if links.disjoint else record)
        for number, t in enumerate(self.layout.node_types):
            counts = self.node_counts[:, number, 0]
            rows, apart = ends.rows.get(t, np.zeros(0, np.int64)), ends.group.get(t, np.zeros(0, np.int64))
            owner = np.repeat(np.arange(len(self)), self.links.counts)[apart] if links.disjoint else apart
            if not np.array_equal(np.bincount(owner, minlength=len(self)), counts) or not np.array_equal(
                rows, self.nodes[ranges(self.node_start(t), counts)]
            ):
                return "the ends of links are not the first nodes"
        return None


def no_positions(count: int) -> np.ndarray:
    """(count,) int64 of -1, in the memory of one."""
    return np.broadcast_to(np.int64(-1), count)


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The integers of several runs one after the other: ``starts[i]``, ..., ``starts[i] + counts[i] - 1``."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    found: np.ndarray = np.arange(total, dtype=np.int64) + np.repeat(starts - ends + counts, counts)
    return found


def _within(values: np.ndarray, starts: np.ndarray, most: np.ndarray, least: int = 0) -> bool:
    """Whether the values of each run, from one start to the next, are in ``least`` to its ``most`` - 1."""
    some = np.flatnonzero(starts[1:] > starts[:-1])  # reduceat knows no empty runs
    if len(some) == 0:
        return True
    largest = np.maximum.reduceat(values, starts[some])
    return int(values.min()) >= least and bool(np.all(largest < most[some]))


def _starts(counts: np.ndarray) -> np.ndarray:
    starts = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts.ravel(), out=starts[1:])
    return starts


def _weights(subgraphs: Sequence[Subgraph], types: Sequence[EdgeType]) -> list[np.ndarray]:
    weights = [s.edges[t].weight for s in subgraphs for t in types]
    found = [w for w in weights if w is not None]
    if len(found) < len(weights):
        raise ValueError("subgraphs: a weighted layout wants weights of every edge type")
    return found


def _seed_times(subgraphs: Sequence[Subgraph], layout: Layout) -> np.ndarray | None:
    """What seeds saw, or, of links that do not heed them, their own times."""
    if layout.links is not None:
        times = [s.links.times[np.repeat(s.links.group, 2)] for s in subgraphs if s.links and s.links.times is not None]
        return _joined(times, np.int64) if len(times) == len(subgraphs) else None
    if layout.time is None:
        return None
    found = [s.seed_times.times for s in subgraphs if s.seed_times is not None]
    if len(found) < len(subgraphs):
        raise ValueError("subgraphs: a layout that heeds time wants the times of their seeds")
    return _joined(found, np.int64)


def _joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(parts, dtype=dtype) if parts else np.zeros(0, dtype)
