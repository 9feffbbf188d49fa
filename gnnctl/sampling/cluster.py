"""Cluster-GCN: a batch is the subgraph of some clusters of the graph.

Chiang et al., "Cluster-GCN: An Efficient Algorithm for Training Deep and Large Graph Convolutional Networks", KDD 2019.
"""

from collections.abc import Mapping

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.sampling.induced import induced
from gnnctl.sampling.partition import PartitionMethod, partition
from gnnctl.sampling.seeds import checked_method, checked_seeds
from gnnctl.sampling.subgraph import Subgraph

NODES_PER_CLUSTER = 1000


class Cluster:
    """All nodes of the clusters that a batch's seeds are in, of all types, with all edges of the graph among them.

    Seeds of one cluster go into neighbouring batches (:meth:`groups`), so that a batch has few clusters; which ones
    meet changes with the epoch. The clusters are found once, when this is made, and do not.

    Args:
        graph: sampled from.
        hops: layers of the model, H.
        seed: run seed, also of the clusters.
        clusters: how many; 0: one for each 1,000 nodes.
        partitioner: ``metis`` or ``stream``, see :func:`gnnctl.sampling.partition.partition`.
        num_threads: of each call of :meth:`sample`.

    Raises:
        UsageError: an argument out of range; METIS is not installed.
    """

    def __init__(
        self,
        graph: Graph,
        hops: int,
        seed: int,
        *,
        clusters: int = 0,
        partitioner: PartitionMethod = "metis",
        num_threads: int = 1,
    ) -> None:
        checked_method(hops, seed)
        total = sum(graph.num_nodes(t) for t in graph.node_types)
        if isinstance(clusters, bool) or not isinstance(clusters, int) or not 0 <= clusters < 2**31:
            raise UsageError(f"cluster: clusters: expected 0 to 2^31 - 1, got {clusters!r}", fix="pass another")
        if partitioner not in ("metis", "stream"):
            raise UsageError(f"cluster: partitioner: '{partitioner}' is none", fix="use metis or stream")
        parts = clusters or -(-total // NODES_PER_CLUSTER) or 1
        self._set(graph, hops, seed, partition(graph, parts, seed=seed, method=partitioner), num_threads)

    @classmethod
    def of(
        cls, graph: Graph, hops: int, seed: int, parts: Mapping[str, np.ndarray], *, num_threads: int = 1
    ) -> "Cluster":
        """With clusters that are known: by node type (N,) int64, 0 or more.

        Raises:
            UsageError: hops or seed out of range.
            ValueError: the clusters are not one for each node.
        """
        checked_method(hops, seed)
        for t in graph.node_types:
            part = parts.get(t)
            if not isinstance(part, np.ndarray) or part.dtype != np.int64 or part.shape != (graph.num_nodes(t),):
                raise ValueError(f"parts: expected ({graph.num_nodes(t)},) int64 for '{t}'")
            if len(part) and part.min() < 0:
                raise ValueError(f"parts: '{t}' has a negative one")
        made = cls.__new__(cls)
        made._set(graph, hops, seed, {t: parts[t] for t in graph.node_types}, num_threads)
        return made

    def _set(self, graph: Graph, hops: int, seed: int, parts: dict[str, np.ndarray], num_threads: int) -> None:
        self.graph = graph
        self.hops = hops
        self.seed = seed
        self.parts = parts
        self._threads = num_threads
        self._members = {t: np.argsort(part, kind="stable") for t, part in parts.items()}
        self._sorted = {t: part[self._members[t]] for t, part in parts.items()}

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int) -> Subgraph:
        """See :class:`gnnctl.sampling.method.Method`; the same in every epoch.

        Raises:
            TypeError, ValueError: seeds that are no distinct rows of the type, an unknown type.
        """
        if node_type not in self.parts:
            raise ValueError(f"node_type: the graph has no '{node_type}'")
        checked_seeds(seeds, self.graph.num_nodes(node_type))
        wanted = np.unique(self.parts[node_type][seeds])
        nodes = {t: np.sort(self._members[t][self._places(t, wanted)]) for t in self.parts}
        return induced(self.graph, nodes, seeds, node_type, self.hops, num_threads=self._threads)

    def groups(self, seeds: np.ndarray, node_type: str) -> np.ndarray:
        """(s,) int64 cluster of each seed."""
        found: np.ndarray = self.parts[node_type][seeds]
        return found

    def _places(self, node_type: str, wanted: np.ndarray) -> np.ndarray:
        first, last = (np.searchsorted(self._sorted[node_type], wanted, side) for side in ("left", "right"))
        size = last - first
        places: np.ndarray = np.arange(size.sum()) + np.repeat(first - (np.cumsum(size) - size), size)
        return places
