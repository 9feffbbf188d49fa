"""HGSampling: about as many nodes of each type, densely connected.

Hu et al., "Heterogeneous Graph Transformer", WWW 2020, algorithm 1.
"""

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.native import hgt_nodes
from gnnctl.sampling.adjacency import Adjacency
from gnnctl.sampling.induced import induced
from gnnctl.sampling.keys import absorb, name_hash
from gnnctl.sampling.seeds import checked_method, checked_seeds
from gnnctl.sampling.subgraph import Subgraph

_PURPOSE = name_hash("hgt")


class Hgt:
    """In each hop, of each node type ``neighbors`` nodes by their squared budgets; then all edges among those kept.

    A node that is kept, v, adds 1 / d to the budget of the source of each of its d in-edges of a type. In a hop, of
    each type the nodes with a budget that are not kept yet are drawn without replacement with probabilities
    proportional to the square of the budget; budgets of those left grow on. Draws of all types of a hop precede what
    they add (in the paper, types come one after the other; here their order has no influence). Budgets count every
    in-edge.

    Node u is drawn by E(u) / budget(u)^2 being among the least, E(u) = -ln(((random >> 11) + 1/2) * 2^-53) with the
    random key(run seed, epoch, name("hgt"), hop, name(node type), u) in the notation of schemas/picks.md; which is
    drawing without replacement. So the nodes are a function of the batch's set of seeds. Edges and counts by hop are
    those of :func:`gnnctl.sampling.induced.induced`.

    Args:
        graph: sampled from.
        hops: layers of the model, H.
        seed: run seed.
        neighbors: nodes a hop and type.
        depth: hops of the sample; 0: H.
        num_threads: for the edges, of each call of :meth:`sample`.

    Raises:
        UsageError: an argument out of range.
    """

    def __init__(
        self, graph: Graph, hops: int, seed: int, *, neighbors: int = 128, depth: int = 0, num_threads: int = 1
    ) -> None:
        checked_method(hops, seed)
        for name, value, least, most in (("neighbors", neighbors, 0, 2**31 - 1), ("depth", depth, 0, 100)):
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise UsageError(f"hgt: {name}: expected {least} to {most}, got {value!r}", fix="pass another")
        self.graph = graph
        self.hops = hops
        self.seed = seed
        self._takes = [neighbors] * (depth or hops)
        self._threads = num_threads
        self._lists = Adjacency.of(graph, num_threads=num_threads)
        self._names = [name_hash(t) for t in graph.node_types]

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int) -> Subgraph:
        """See :class:`gnnctl.sampling.method.Method`.

        Raises:
            TypeError, ValueError: seeds that are no distinct rows of the type, an unknown type, an epoch out of range.
        """
        if node_type not in self._lists.node_types:
            raise ValueError(f"node_type: the graph has no '{node_type}'")
        if not 0 <= epoch < 2**63:
            raise ValueError(f"epoch: {epoch} is out of range")
        checked_seeds(seeds, self.graph.num_nodes(node_type))
        key = absorb(absorb(absorb(0, self.seed), epoch), _PURPOSE)
        keys = [[absorb(absorb(key, hop), name) for name in self._names] for hop in range(1, len(self._takes) + 1)]
        found = hgt_nodes(self._lists.native, seeds, self._lists.node_types[node_type], self._takes, keys)
        nodes = dict(zip(self.graph.node_types, found, strict=True))
        return induced(self.graph, nodes, seeds, node_type, self.hops, num_threads=self._threads)

    def groups(self, seeds: np.ndarray, node_type: str) -> None:
        """None: seeds may go into any batch."""
