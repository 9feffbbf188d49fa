"""What sampling returns: the sampled part of a graph, as NumPy arrays in local numbers."""

from dataclasses import dataclass

import numpy as np

from gnnctl.graph.batch import FeatureSource
from gnnctl.graph.degrees import SeedTimes
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.link_batch import LinkBatch


@dataclass
class SubgraphEdges:
    """Sampled edges of one type, destination-sorted, then in pick order.

    Attributes:
        colptr: (d + 1,) int64 over the local nodes of the destination type.
        row: (e,) int32 local nodes of the source type.
        pos: (e,) int64 positions of the edges in the graph's CSC; -1 for an edge that is not in the graph.
        weight: (e,) float32, where the method gives edges weights (then in every edge type): they replace the graph's.
    """

    colptr: np.ndarray
    row: np.ndarray
    pos: np.ndarray
    weight: np.ndarray | None = None

    def col(self) -> np.ndarray:
        """(e,) int32 local nodes of the destination type."""
        degree = np.diff(self.colptr)
        return np.repeat(np.arange(len(degree), dtype=np.int32), degree)


@dataclass
class Subgraph:
    """The nodes and edges that a set of seeds reaches; every type of the graph is there, in the graph's order.

    Attributes:
        nodes: by node type (n,) int64 global rows, in order of hop, then discovery.
        node_counts: by node type how many of them each hop added, hops 0..H.
        edges: by edge type the sampled edges.
        edge_counts: by edge type how many of them each hop drew, hops 1..H.
        seeds: (s,) int64 global rows; seed i is local node i of ``node_type``. With ``links`` their ends, source and
            destination in turn: the distinct ones are the first local nodes of their types.
        node_type: type of the seeds; with ``links`` of the first relation's sources.
        node_group: by node type (n,) int32, whose tree a node is in, a seed's or a group's of links; None: joint.
        seed_times: what each seed, or group of links, has seen; None: everything.
        links: of a sample around links.
        features: what came along with it; None: they are the graph's.
    """

    nodes: dict[str, np.ndarray]
    node_counts: dict[str, list[int]]
    edges: dict[EdgeType, SubgraphEdges]
    edge_counts: dict[EdgeType, list[int]]
    seeds: np.ndarray
    node_type: str
    node_group: dict[str, np.ndarray] | None = None
    seed_times: SeedTimes | None = None
    links: LinkBatch | None = None
    features: FeatureSource | None = None

    @property
    def hops(self) -> int:
        """H."""
        return len(self.node_counts[self.node_type]) - 1

    @property
    def num_nodes(self) -> int:
        """Nodes of all types."""
        return sum(len(rows) for rows in self.nodes.values())

    @property
    def num_edges(self) -> int:
        """Edges of all types."""
        return sum(len(edges.row) for edges in self.edges.values())

    def node_hops(self, node_type: str) -> np.ndarray:
        """(n,) int64 hop of each local node."""
        counts = self.node_counts[node_type]
        return np.repeat(np.arange(len(counts)), counts)

    def _times(self) -> np.ndarray | None:
        return None if self.seed_times is None else self.seed_times.times

    def same_as(self, other: "Subgraph") -> bool:
        """Whether both hold the same values in the same order."""
        if (self.node_type, list(self.nodes), list(self.edges)) != (
            other.node_type,
            list(other.nodes),
            list(other.edges),
        ):
            return False
        groups = (self.node_group is None) == (other.node_group is None)
        if groups and self.node_group is not None and other.node_group is not None:
            groups = all(np.array_equal(self.node_group[t], other.node_group[t]) for t in self.nodes)
        return (
            groups
            and (other.links is None if self.links is None else self.links.same_as(other.links))
            and np.array_equal(self.seeds, other.seeds)
            and _equal(self._times(), other._times())
            and all(np.array_equal(self.nodes[t], other.nodes[t]) for t in self.nodes)
            and all(list(self.node_counts[t]) == list(other.node_counts[t]) for t in self.nodes)
            and all(list(self.edge_counts[t]) == list(other.edge_counts[t]) for t in self.edges)
            and all(
                _equal(getattr(self.edges[t], part), getattr(other.edges[t], part))
                for t in self.edges
                for part in ("colptr", "row", "pos", "weight")
            )
        )


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
