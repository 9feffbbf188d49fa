"""ShaDow: a small graph of its own around each seed, on which a model may be deeper than the sample reaches.

Zeng et al., "Decoupling the Depth and Scope of Graph Neural Networks", NeurIPS 2021.
"""

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.induced import edges_among
from gnnctl.sampling.ppr import Ppr
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.seeds import checked_method, checked_seeds
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.subgraph import Subgraph


class Shadow:
    """All edges of the graph among the nodes around a seed, for each seed apart (``node_group`` is the seed's number).

    Nodes stand in order of the seed, but for the seeds, which come first: a batch is its seeds' records side by side.
    The nodes are what disjoint neighbour sampling of ``depth`` hops reaches, keyed as schemas/picks.md has it, or, with
    ``ppr``, the ``neighbors`` nodes of greatest personalised PageRank. Counts by hop are as for
    :func:`gnnctl.sampling.induced.induced`: however many hops, every layer but the last sees all edges. What a seed
    gets does not depend on the others of its batch.

    Args:
        graph: sampled from.
        hops: layers of the model, H.
        seed: run seed.
        depth: hops of the sample.
        neighbors: fan-out of each hop and edge type, -1 for all; with ``ppr`` nodes a seed.
        ppr: choose nodes by PageRank.
        alpha, eps, edge_type, weighted: with ``ppr``, see :class:`gnnctl.sampling.ppr.Ppr`.
        num_threads: of each call of :meth:`sample`.

    Raises:
        UsageError: an argument out of range; with ``ppr``, no edge type to walk along.
    """

    disjoint = True

    def __init__(
        self,
        graph: Graph,
        hops: int,
        seed: int,
        *,
        depth: int = 2,
        neighbors: int = 10,
        ppr: bool = False,
        alpha: float = 0.15,
        eps: float = 1e-4,
        edge_type: EdgeType | None = None,
        weighted: bool = False,
        num_threads: int = 1,
    ) -> None:
        checked_method(hops, seed)
        self.graph = graph
        self.hops = hops
        self.seed = seed
        self._threads = num_threads
        self._ppr: Ppr | None = None
        self._sampler: Sampler | None = None
        if ppr:
            self._ppr = Ppr(
                graph, 1, seed, neighbors=neighbors, alpha=alpha, eps=eps, edge_type=edge_type, weighted=weighted,
                num_threads=num_threads,
            )  # fmt: skip
            return
        for name, value in (("depth", depth), ("neighbors", neighbors)):
            if isinstance(value, bool) or not isinstance(value, int) or not -1 <= value < 2**31:
                raise UsageError(f"shadow: {name}: {value!r} is no such number", fix="pass another")
        if not 1 <= depth <= 100:
            raise UsageError(f"shadow: depth: expected 1 to 100, got {depth}", fix="pass another")
        spec = SampleSpec.uniform(graph.edge_types, (neighbors,) * depth, disjoint=True, seed=seed)
        self._sampler = Sampler(graph, spec, num_threads=num_threads)

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int) -> Subgraph:
        """See :class:`gnnctl.sampling.method.Method`.

        Raises:
            UsageError: with ``ppr``, seeds of a type that its edge type does not connect.
            TypeError, ValueError: seeds of another dtype, out of range or twice; an unknown type, a negative epoch.
        """
        if node_type not in self.graph.nodes:
            raise ValueError(f"node_type: the graph has no '{node_type}'")
        checked_seeds(seeds, self.graph.num_nodes(node_type))
        if self._sampler is not None:
            reached = self._sampler.sample(seeds, node_type, epoch)
            assert reached.node_group is not None
            nodes, groups = _by_seed(reached.nodes, reached.node_group, node_type, len(seeds))
        else:
            nodes, groups = self._by_pagerank(seeds, node_type)
        return edges_among(self.graph, nodes, seeds.copy(), node_type, self.hops, groups, self._threads)

    def groups(self, seeds: np.ndarray, node_type: str) -> np.ndarray | None:
        """None: seeds may go anywhere."""
        return None

    def _by_pagerank(self, seeds: np.ndarray, node_type: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        assert self._ppr is not None
        carrier = self._ppr.carrier
        if node_type != carrier.dst:
            raise UsageError(
                f"the seeds are of type '{node_type}', but '{carrier}' does not connect such nodes",
                fix=f"name an edge type between nodes of type '{node_type}'",
            )
        found = self._ppr.neighbors_of(seeds)
        own = np.arange(len(seeds), dtype=np.int32)
        nodes = {t: np.zeros(0, np.int64) for t in self.graph.node_types}
        groups = {t: np.zeros(0, np.int32) for t in self.graph.node_types}
        nodes[node_type] = np.concatenate([seeds, found.rows])
        groups[node_type] = np.concatenate([own, np.repeat(own, np.diff(found.ptr))])
        return nodes, groups


def _by_seed(
    nodes: dict[str, np.ndarray], groups: dict[str, np.ndarray], node_type: str, seeds: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    order = {}
    for t, group in groups.items():
        first = seeds if t == node_type else 0
        order[t] = np.concatenate([np.arange(first), first + np.argsort(group[first:], kind="stable")])
    return {t: rows[order[t]] for t, rows in nodes.items()}, {t: group[order[t]] for t, group in groups.items()}
