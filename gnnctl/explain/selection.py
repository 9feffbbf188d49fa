"""The part of a neighbourhood that an explanation shows: the strongest edges that hang together at the seed."""

import heapq
from dataclasses import dataclass

import numpy as np

from gnnctl.graph.types import EdgeType
from gnnctl.sampling.subgraph import Subgraph


@dataclass(frozen=True)
class Selected:
    """The chosen edges and the nodes at their ends.

    Attributes:
        edges: by edge type ascending int64 positions in the subgraph's edges of that type.
        nodes: by node type int64 local rows, in the order in which they were reached; the seed is the first.
    """

    edges: dict[EdgeType, np.ndarray]
    nodes: dict[str, np.ndarray]

    @property
    def num_edges(self) -> int:
        """Edges of all types."""
        return sum(len(e) for e in self.edges.values())


def select(subgraph: Subgraph, scores: dict[EdgeType, np.ndarray], count: int) -> Selected:
    """Up to ``count`` edges: begin at the seed (local node 0), and again and again take the strongest edge, by
    magnitude, that ends in a node already reached.

    So every chosen edge has a path of chosen edges to the seed, which the plain top edges need not have. Edges of
    score 0 are never taken. Ties go to the type's order in the graph, then to the position.
    """
    types = [t for t in subgraph.edges if len(subgraph.edges[t].row)]
    heap: list[tuple[float, int, int]] = []
    reached: dict[str, dict[int, None]] = {name: {} for name in subgraph.nodes}

    def reach(name: str, node: int) -> None:
        if node in reached[name]:
            return
        reached[name][node] = None
        for i, t in enumerate(types):
            if t.dst != name:
                continue
            colptr = subgraph.edges[t].colptr
            start, end = int(colptr[node]), int(colptr[node + 1])
            strength = np.abs(scores[t][start:end])
            # More than ``count`` edges of one node can never be chosen, so a hub costs one partition.
            order = np.argsort(-strength, kind="stable")[:count]
            for j in order:
                if strength[j] > 0:
                    heapq.heappush(heap, (-float(strength[j]), i, start + int(j)))

    reach(subgraph.node_type, 0)
    chosen: dict[EdgeType, list[int]] = {t: [] for t in types}
    left = count
    while heap and left:
        _, i, position = heapq.heappop(heap)
        chosen[types[i]].append(position)
        reach(types[i].src, int(subgraph.edges[types[i]].row[position]))
        left -= 1
    return Selected(
        {t: np.sort(np.array(found, np.int64)) for t, found in chosen.items() if found},
        {name: np.fromiter(found, np.int64, len(found)) for name, found in reached.items() if found},
    )
