"""Who of several processes owns each node of a graph: few edges cut, nodes and training seeds dealt out evenly."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.stores import destinations
from gnnctl.sampling.partition import PartitionMethod, partition
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.node import NodeSplit

METIS_EDGES = 1 << 28  # of a graph, beyond which METIS takes more memory than the graph is worth
_EDGES = 1 << 22  # looked at at once


@dataclass(frozen=True)
class Assignment:
    """The owners of all nodes, and how good they are.

    Attributes:
        owner: by node type (N,) int64, 0 to parts - 1.
        method: ``metis`` or ``stream``.
        nodes, edges, seeds: of each partition; an edge is its destination's, and so is a link.
        cut: share of the edges whose source is another partition's.
    """

    owner: dict[str, np.ndarray]
    method: PartitionMethod
    nodes: list[int]
    edges: list[int]
    seeds: list[int]
    cut: float

    def to_json(self) -> dict[str, Any]:
        """For a summary."""
        counts = {"nodes": self.nodes, "edges": self.edges, "seeds": self.seeds}
        return {"method": self.method, "cut": round(self.cut, 4), **counts}

    def describe(self) -> str:
        """In words."""
        many = [f"{name} {_balance(counts):.2f}" for name, counts in (("nodes", self.nodes), ("seeds", self.seeds))]
        how = {"metis": "METIS", "stream": "streaming"}[self.method]
        return (
            f"{len(self.nodes)} partitions by {how}: {self.cut:.1%} of the edges cut; "
            f"the largest has, of the mean, {', '.join(many)}"
        )


def method_for(graph: Graph) -> PartitionMethod:
    """METIS where it is installed and the graph is not too large for it, else streaming."""
    fits = graph.num_edges <= METIS_EDGES and importlib.util.find_spec("pymetis") is not None
    return "metis" if fits else "stream"


def assign(split: NodeSplit | LinkSplit, parts: int, *, seed: int = 0, method: PartitionMethod) -> Assignment:
    """Deal the nodes of a split's graph out to ``parts`` owners.

    METIS balances nodes and training seeds alike: all seeds together weigh what all nodes do. Streaming bounds the
    number of nodes, see :func:`gnnctl.sampling.partition.partition`; seeds follow as they come.

    Args:
        split: of nodes or links.
        parts: how many, at least 1.
        seed: of the parts.
        method: see :func:`method_for`.

    Raises:
        As :func:`gnnctl.sampling.partition.partition`.
    """
    graph, seeds = split.graph, seeds_at(split)
    nodes = sum(graph.num_nodes(t) for t in graph.node_types)
    each = max(1, nodes // max(1, sum(int(count.sum()) for count in seeds.values())))
    owner = partition(graph, parts, seed=seed, method=method, load={t: 1 + each * n for t, n in seeds.items()})

    def counted(weights: Mapping[str, np.ndarray]) -> list[int]:
        of = [np.bincount(owner[t], weights=w, minlength=parts) for t, w in weights.items()]
        return [int(n) for n in np.sum(of, axis=0)]

    edges, crossing = np.zeros(parts, np.int64), 0
    for t, store in graph.edges.items():
        for start in range(0, store.num_edges, _EDGES):
            stop = min(start + _EDGES, store.num_edges)
            into = owner[t.dst][destinations(store.colptr, start, stop)]
            edges += np.bincount(into, minlength=parts)
            crossing += int((owner[t.src][store.row[start:stop]] != into).sum())
    return Assignment(
        owner,
        method,
        counted({t: np.ones(graph.num_nodes(t)) for t in graph.node_types}),
        edges.tolist(),
        counted(seeds),
        crossing / max(1, graph.num_edges),
    )


def seeds_at(split: NodeSplit | LinkSplit) -> dict[str, np.ndarray]:
    """By node type (N,) int64, how many training seeds each node is: itself, or links that end there."""
    graph = split.graph
    found = {t: np.zeros(graph.num_nodes(t), np.int64) for t in graph.node_types}
    if isinstance(split, NodeSplit):
        found[split.target.node_type][split.part("train")[0]] = 1
        return found
    links = split.part("train")
    for number, edge_type in enumerate(split.target.edge_types):
        ends = links.dst[links.relation == number]
        found[edge_type.dst] += np.bincount(ends, minlength=graph.num_nodes(edge_type.dst))
    return found


def _balance(counts: list[int]) -> float:
    return max(counts) * len(counts) / max(1, sum(counts))
