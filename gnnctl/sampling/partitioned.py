"""Sampling from a graph in partitions: the subgraphs of the whole graph, hop by hop, each node's picks by its owner."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.own_part import OwnPart
from gnnctl.graph.owners import Frontier, Picks
from gnnctl.graph.partition_files import PartitionIndex
from gnnctl.graph.partitioned import PartitionedGraph
from gnnctl.native import number_nodes
from gnnctl.sampling.columns import ranges
from gnnctl.sampling.hop import LocalOwner
from gnnctl.sampling.keys import name_hash
from gnnctl.sampling.sampler import Drawn, Sampler
from gnnctl.sampling.spec import SampleSpec

_FRONTIER = 1 << 16  # nodes that an owner is asked about at once


def open_partition(index: PartitionIndex, number: int) -> PartitionedGraph:
    """The graph as the process with one of the partitions has it; the owners of the others are still to be found."""
    part = OwnPart(index, number)
    return PartitionedGraph(part, {number: LocalOwner(part)})


class PartitionedSampler(Sampler):
    """A :class:`Sampler` over partitions: what it draws is what the whole graph's would, to the byte.

    Args:
        graph: whose owners are asked.
        spec: fan-outs.

    Raises:
        DataError: as :class:`Sampler`. UsageError: edges beyond those that are drawn.
    """

    def __init__(self, graph: PartitionedGraph, spec: SampleSpec) -> None:
        if spec.subgraph != "directional":
            raise UsageError(
                f"--subgraph {spec.subgraph}: partitions are sampled along the drawn edges alone", fix="leave it out"
            )
        self._partitions = graph
        super().__init__(graph, spec)

    def _open(self, num_threads: int) -> "OwnersSampler":
        return OwnersSampler(self._partitions, self.spec)


class OwnersSampler:
    """The native sampler's interface, over the owners of a graph; see ``gnnctl/native/_native.pyi``."""

    def __init__(self, graph: PartitionedGraph, spec: SampleSpec) -> None:
        self._graph, self._spec, self._document = graph, spec, spec.to_json()
        self._types = graph.node_types

    def sample(self, seeds: np.ndarray, node_type: int, epoch: int, times: np.ndarray | None = None) -> Drawn:
        """Around seeds of one type; each has a tree of its own where sampling is disjoint."""
        none = np.zeros(0, np.int64)
        rows = [seeds if number == node_type else none for number in range(len(self._types))]
        if not self._spec.disjoint:
            return self.sample_many(rows, epoch)
        groups = [np.arange(len(own), dtype=np.int32) for own in rows]
        return self.sample_many(rows, epoch, groups, name_hash(self._types[node_type]), seeds.view(np.uint64), times)

    def sample_many(
        self,
        seeds: Sequence[np.ndarray],
        epoch: int,
        groups: Sequence[np.ndarray] = (),
        kind: int = 0,
        words: np.ndarray | None = None,
        times: np.ndarray | None = None,
        hidden: Sequence[tuple[int, np.ndarray, np.ndarray]] = (),
    ) -> Drawn:
        """Around seeds of several types, whose trees ``groups`` names."""
        graph, sizes = self._graph, [self._graph.num_nodes(t) for t in self._types]
        nodes = [
            _Nodes(own, groups[number] if len(groups) else None, sizes[number], self._types[number])
            for number, own in enumerate(seeds)
        ]
        edges = [_Edges() for _ in graph.edge_types]
        trees = _Trees(kind, words, times)
        for hop in range(self._spec.hops):
            drawn = self._hop(hop, epoch, nodes, trees, hidden if hop == 0 else ())
            for t, one, picks in zip(graph.edge_types, edges, drawn, strict=True):
                src, dst = (nodes[self._types.index(end)] for end in (t.src, t.dst))
                one.add(picks, src.add(picks.source, np.repeat(dst.frontier_groups(), picks.degree)))
            for own in nodes:
                own.close_hop()
        return [own.result() for own in nodes], [
            one.result(len(nodes[self._types.index(t.dst)])) for t, one in zip(graph.edge_types, edges, strict=True)
        ]

    def _hop(
        self,
        hop: int,
        epoch: int,
        nodes: "list[_Nodes]",
        trees: "_Trees",
        hidden: Sequence[tuple[int, np.ndarray, np.ndarray]],
    ) -> list[Picks]:
        """What the nodes of the last hop draw, by edge type, in their order."""
        graph, frontier = self._graph, [own.frontier() for own in nodes]
        whose = [graph.index.owner[t][rows] for t, rows in zip(self._types, frontier, strict=True)]
        places: list[list[np.ndarray]] = []  # by question and type, which of the frontier are asked about
        questions = []
        for number in np.unique(np.concatenate(whose)).tolist():
            own = [np.flatnonzero(owner == number) for owner in whose]
            for at in _cut(own):
                groups = [n.frontier_groups()[i] for n, i in zip(nodes, at, strict=True)]
                asked = Frontier(
                    self._document,
                    hop,
                    epoch,
                    [len(i) for i in at],
                    np.concatenate([rows[i] for rows, i in zip(frontier, at, strict=True)]),
                    graph.number,
                    *trees.of(np.concatenate(groups)),
                    {e: _hidden(ptr, offset, at[self._dst(e)]) for e, ptr, offset in hidden},
                )
                places.append(at)
                questions.append((number, asked))
        answers = graph.at_once([partial(graph.owners[number].pick, asked) for number, asked in questions])
        joined = []
        for e in range(len(graph.edge_types)):
            dst = self._dst(e)
            parts = [(at[dst], found[e]) for at, found in zip(places, answers, strict=True)]
            joined.append(_joined(len(frontier[dst]), parts))
        return joined

    def _dst(self, edge_type: int) -> int:
        return self._types.index(self._graph.edge_types[edge_type].dst)


class _Trees:
    """What the trees of disjoint sampling give to the keys."""

    def __init__(self, kind: int, words: np.ndarray | None, times: np.ndarray | None) -> None:
        self._kind, self._times = kind, times
        self._words = None if words is None else words.view(np.int64)

    def of(self, groups: np.ndarray) -> tuple[int, np.ndarray | None, np.ndarray | None]:
        """Kind, words and times of nodes by their trees."""
        words, times = (None if values is None else values[groups] for values in (self._words, self._times))
        return self._kind, words, times


class _Nodes:
    """The local nodes of one type, in order of discovery.

    Args:
        seeds: (s,) int64. groups: (s,) their trees, or None. size: nodes of the type in the graph. name: of the type.
    """

    def __init__(self, seeds: np.ndarray, groups: np.ndarray | None, size: int, name: str) -> None:
        if len(seeds) and not (seeds.min() >= 0 and seeds.max() < size):
            raise ValueError(f"seeds: a row is outside 0..{size - 1}")
        self._size, self._disjoint = max(1, size), groups is not None
        self._keys = self._key(seeds, groups)
        if len(number_nodes(self._keys, self._keys)[0]) < len(self._keys):
            raise ValueError(f"seeds: a '{name}' is there twice")
        self._ends = [0, len(seeds)]  # of each hop

    def __len__(self) -> int:
        return len(self._keys)

    def _key(self, rows: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
        return rows.astype(np.int64) if groups is None else groups.astype(np.int64) * self._size + rows

    def frontier(self) -> np.ndarray:
        """(f,) int64 rows of the last hop."""
        rows: np.ndarray = self._keys[slice(*self._ends[-2:])] % self._size
        return rows

    def frontier_groups(self) -> np.ndarray:
        """(f,) int64 their trees; 0 in joint sampling."""
        groups: np.ndarray = self._keys[slice(*self._ends[-2:])] // self._size
        return groups

    def close_hop(self) -> None:
        """What was added since the last hop is the next frontier."""
        self._ends.append(len(self._keys))

    def add(self, rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Local numbers (n,) int32 of nodes; those that are not there yet are added."""
        both = np.concatenate([self._keys, self._key(rows, groups if self._disjoint else None)])
        self._keys, number, _ = number_nodes(both, np.zeros_like(both))
        return number[len(both) - len(rows) :]

    def result(self) -> tuple[np.ndarray, np.ndarray | None, list[int]]:
        """Rows, trees, and how many each hop added."""
        groups = (self._keys // self._size).astype(np.int32) if self._disjoint else None
        return self._keys % self._size, groups, np.diff(self._ends).tolist()


class _Edges:
    """The drawn edges of one type, hop after hop, which is also by destination."""

    def __init__(self) -> None:
        self._count, self._row, self._pos = ([np.zeros(0, np.int64)] for _ in range(3))
        self._drawn: list[int] = []

    def add(self, picks: Picks, row: np.ndarray) -> None:
        """Those of a hop, and the local numbers of their sources."""
        self._count.append(picks.degree)
        self._row.append(row)
        self._pos.append(picks.pos)
        self._drawn.append(len(row))

    def result(self, destinations: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
        """colptr, row, pos, and how many each hop drew; nodes of the last hop have none."""
        count = np.concatenate(self._count)
        colptr = np.zeros(destinations + 1, np.int64)
        np.cumsum(count, out=colptr[1 : len(count) + 1])
        colptr[len(count) + 1 :] = colptr[len(count)]
        return colptr, np.concatenate(self._row).astype(np.int32), np.concatenate(self._pos), self._drawn


def _cut(own: list[np.ndarray]) -> list[list[np.ndarray]]:
    """The places of an owner's nodes by type, in questions of a bounded size."""
    most = max(len(at) for at in own)
    return [[at[start : start + _FRONTIER] for at in own] for start in range(0, most, _FRONTIER)]


def _hidden(ptr: np.ndarray, offset: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What some of the seeds do not see."""
    size = ptr[at + 1] - ptr[at]
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(size)]), offset[ranges(ptr[at], size)]


def _joined(count: int, answers: list[tuple[np.ndarray, Picks]]) -> Picks:
    """Answers about parts of a frontier of ``count`` nodes, in its order."""
    degree = np.zeros(count, np.int64)
    for at, picks in answers:
        degree[at] = picks.degree
    first = np.cumsum(degree) - degree
    source, pos = np.empty((2, int(degree.sum())), np.int64)
    for at, picks in answers:
        places = ranges(first[at], degree[at])
        source[places], pos[places] = picks.source, picks.pos
    return Picks(degree, source, pos)
