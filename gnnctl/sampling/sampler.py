"""Neighbour sampling: a pure function of (graph, spec, epoch, set of seeds)."""

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.native import Sampler as NativeSampler
from gnnctl.sampling.keys import name_hash
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges


class Sampler:
    """Samples around seeds; any number of threads may call :meth:`sample` at once.

    Args:
        graph: its arrays are checked once and kept, not copied.
        spec: fan-outs; an edge type that it leaves out is not followed.
        num_threads: threads for the check of the graph.

    Raises:
        ValueError, TypeError: the graph's arrays are not what a CSC must be.
    """

    def __init__(self, graph: Graph, spec: SampleSpec, *, num_threads: int = 1) -> None:
        self.graph = graph
        self.spec = spec
        self._types = {name: i for i, name in enumerate(graph.node_types)}
        none = (0,) * spec.hops
        self._native = NativeSampler(
            [graph.num_nodes(name) for name in graph.node_types],
            [name_hash(name) for name in graph.node_types],
            [
                (
                    self._types[t.src],
                    self._types[t.dst],
                    store.colptr,
                    store.row,
                    name_hash(str(t)),
                    list(spec.num_neighbors.get(t, none)),
                )
                for t, store in graph.edges.items()
            ],
            spec.hops,
            spec.seed,
            spec.replace,
            spec.disjoint,
            list(spec.budget or ()),
            num_threads,
        )

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int) -> Subgraph:
        """The subgraph around ``seeds``.

        Args:
            seeds: (s,) int64 rows of ``node_type``; distinct unless sampling is disjoint.
            node_type: type of the seeds.
            epoch: 0 for evaluation, 1.. for training; a node keeps its picks within an epoch.

        Raises:
            TypeError: seeds of another dtype.
            ValueError: a seed out of range or twice, an unknown node type, a negative epoch.
        """
        if node_type not in self._types:
            raise ValueError(f"node_type: the graph has no '{node_type}'")
        if not 0 <= epoch < 2**63:
            raise ValueError(f"epoch: {epoch} is out of range")
        nodes, edges = self._native.sample(seeds, self._types[node_type], epoch)
        names, edge_types = self.graph.node_types, self.graph.edge_types
        groups = {name: n[1] for name, n in zip(names, nodes, strict=True) if n[1] is not None}
        return Subgraph(
            nodes={name: n[0] for name, n in zip(names, nodes, strict=True)},
            node_counts={name: n[2] for name, n in zip(names, nodes, strict=True)},
            edges={t: SubgraphEdges(e[0], e[1], e[2]) for t, e in zip(edge_types, edges, strict=True)},
            edge_counts={t: e[3] for t, e in zip(edge_types, edges, strict=True)},
            seeds=seeds.copy(),
            node_type=node_type,
            node_group=groups if self.spec.disjoint else None,
        )
