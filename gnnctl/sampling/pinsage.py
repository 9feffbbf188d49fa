"""PinSAGE neighbours: the nodes that short random walks with restart visit most.

Ying et al., "Graph Convolutional Neural Networks for Web-Scale Recommender Systems", KDD 2018, section 3.1.
"""

from collections.abc import Sequence

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.native import most_visited
from gnnctl.sampling.adjacency import Adjacency
from gnnctl.sampling.importance import ScoredLists, carrier_of, expand
from gnnctl.sampling.seeds import checked_method
from gnnctl.sampling.subgraph import Subgraph
from gnnctl.sampling.walks import walk_key


class PinSage:
    """For each node the ``neighbors`` other nodes its walks visit most; ties go to the smaller row.

    The edge from a visited node has its share of the visits to the nodes kept (the weights into a node sum to 1). A
    node keeps its neighbours within an epoch, so records of single seeds merge into any batch.

    A walk makes ``length`` traversals of the metapath, against the edges; before each but the first it returns to its
    start with probability ``restart``, and likewise where it meets a dead end, which counts as a traversal. The node
    after each traversal is visited. Keys, in the notation of schemas/picks.md: traversal i of walk w from node v has
    K = key(run seed, epoch, name("pinsage"), name(type of v), v, w, i); random(K, 0) decides on returning, random(K, j)
    on its j-th edge.

    Args:
        graph: walked over.
        hops: H.
        seed: run seed.
        neighbors: kept a node.
        walks: from each node.
        length: traversals a walk; at most 2^20 in all walks of a node.
        restart: probability, 0 to 1.
        metapath: edge types walked in turn, leading from a node type back to it (item <- user <- item); None: the
            carrier alone.
        edge_type: the carrier, an edge type between nodes of that type; None: the graph's only such.
        weighted: edges are taken by their weights.
        num_threads: of each call of :meth:`sample`.

    Raises:
        UsageError: an argument out of range, no carrier, or a metapath that does not return to the carrier's type.
    """

    weighted = True  # the method's edges have weights
    own_neighbors = True  # other than the graph's
    merges = True  # a node's neighbours are the same in every batch

    def __init__(
        self,
        graph: Graph,
        hops: int,
        seed: int,
        *,
        neighbors: int = 10,
        walks: int = 50,
        length: int = 3,
        restart: float = 0.5,
        metapath: Sequence[EdgeType] | None = None,
        edge_type: EdgeType | None = None,
        weighted: bool = False,
        num_threads: int = 1,
    ) -> None:
        checked_method(hops, seed)
        self.graph = graph
        self.hops = hops
        self.seed = seed
        self.carrier = carrier_of(graph, edge_type, "pinsage")
        self.metapath = _checked_metapath(graph, self.carrier, metapath)
        if weighted and any(graph.edges[t].weight is None for t in self.metapath):
            raise UsageError("pinsage: walks by weight, but the edges have no weights", fix="leave out weighted")
        self._shape = (walks, length)
        self._restart = restart
        self._neighbors = neighbors
        self._weighted = weighted
        self._threads = num_threads
        self._lists = Adjacency.of(graph, num_threads=num_threads)
        try:
            self.neighbors_of(np.zeros(0, np.int64), 0)
        except (TypeError, ValueError) as error:
            text = str(error).partition("\n")[0].replace("top:", "neighbors:")
            raise UsageError(f"pinsage: {text}", fix="pass another") from None

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int) -> Subgraph:
        """See :class:`gnnctl.sampling.method.Method`.

        Raises:
            UsageError: seeds of a type that the carrier does not connect.
            TypeError, ValueError: seeds of another dtype, out of range or twice; a negative epoch.
        """
        return expand(
            self.graph, self.carrier, seeds, node_type, self.hops, lambda rows: self.neighbors_of(rows, epoch)
        )

    def groups(self, seeds: np.ndarray, node_type: str) -> np.ndarray | None:
        """None: seeds may go anywhere."""
        return None

    def neighbors_of(self, rows: np.ndarray, epoch: int) -> ScoredLists:
        """The most visited nodes of (n,) int64 rows, and how often each was visited."""
        numbers = [self._lists.edge_types[t] for t in self.metapath]
        return ScoredLists(
            *most_visited(
                self._lists.native,
                rows,
                numbers,
                self._shape,
                self._restart,
                self._neighbors,
                walk_key(self.seed, epoch, "pinsage", self.carrier.dst),
                self._weighted,
                self._threads,
            )
        )


def _checked_metapath(graph: Graph, carrier: EdgeType, metapath: Sequence[EdgeType] | None) -> list[EdgeType]:
    if metapath is None:
        return [carrier]
    path = list(metapath)
    if missing := [t for t in path if t not in graph.edges]:
        raise UsageError(
            f"pinsage: the graph has no edge type '{' '.join(missing[0])}'",
            fix=f"it has {', '.join(repr(str(t)) for t in graph.edges)}",
        )
    ends = [carrier.dst, *(t.src for t in path)]
    if not path or [t.dst for t in path] != ends[:-1] or ends[-1] != carrier.dst:
        words = " then ".join(f"'{t}'" for t in path) or "nothing"
        raise UsageError(
            f"pinsage: going against {words} does not lead from '{carrier.dst}' back to it",
            fix="name edge types each of which ends at the type where the one before began",
        )
    return path
