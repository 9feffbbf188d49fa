"""Random walks, first and second order, and along metapaths; each walk a pure function of its key and start.

The key of walk w from node v is key(run seed, epoch, name("walk"), name(type of v), v, w) in the notation of
schemas/picks.md. Step i (from 0) of a first-order walk takes entry bounded(random(key, i), d) of its node's list of d;
by weight, the first entry whose running sum exceeds (random(key, i) >> 11) * 2^-53 of the list's sum. So a shorter walk
is the beginning of a longer one, and threads, other starts and their order change nothing.

Walks step from a node to the sources of its in-edges, that is against the edges, the way a sampler expands; or, with
``direction="out"``, along the edges. A walk that has nowhere to go ends: all that follows is -1.
"""

from collections.abc import Sequence

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.native import node2vec, random_walk
from gnnctl.sampling.adjacency import Adjacency, Direction
from gnnctl.sampling.keys import absorb, name_hash

DEAD_END = -1


def walk_key(seed: int, epoch: int, purpose: str, node_type: str) -> int:
    """What the key of each walk begins with.

    Raises:
        TypeError, ValueError: seed or epoch is no integer, or out of range.
    """
    for name, value in (("seed", seed), ("epoch", epoch)):
        if not isinstance(value, int | np.integer):
            raise TypeError(f"{name}: expected an integer, got {value!r}")
    seed, epoch = int(seed), int(epoch)
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed: {seed} is out of range")
    if not 0 <= epoch < 2**63:
        raise ValueError(f"epoch: {epoch} is out of range")
    return absorb(absorb(absorb(absorb(0, seed), epoch), name_hash(purpose)), name_hash(node_type))


class Walker:
    """Walks over one graph; any number of threads may use it at once.

    Args:
        graph: walked over.
        direction: ``"in"`` against the edges, ``"out"`` along them (over a transposed copy made once a graph).
        num_threads: of each call.

    Raises:
        ValueError, TypeError: the graph's arrays are not what a CSC must be.
    """

    def __init__(self, graph: Graph, direction: Direction = "in", *, num_threads: int = 1) -> None:
        self.graph = graph
        self.direction = direction
        self._lists = Adjacency.of(graph, direction, num_threads=num_threads)
        self._threads = num_threads

    def walk(
        self,
        starts: np.ndarray,
        length: int,
        *,
        seed: int,
        epoch: int = 0,
        walks: int = 1,
        metapath: Sequence[EdgeType] | None = None,
        weighted: bool = False,
    ) -> np.ndarray:
        """First-order walks, uniform or with probabilities proportional to edge weights.

        Args:
            starts: (s,) int64 rows, of the type that the metapath starts at; those given twice walk the same walks.
            length: steps of a walk.
            seed: run seed.
            epoch: 0 for evaluation, 1.. for training.
            walks: how many from each start.
            metapath: edge types taken in turn, from the first again after the last; None: the graph's only one.
            weighted: by edge weight; a node all of whose weights are zero is a dead end.

        Returns:
            (s * walks, length + 1) int64 rows; walk w of start i is row i * walks + w; -1 after a dead end.

        Raises:
            TypeError: starts of another dtype.
            ValueError: an argument out of range, an unknown edge type, types that do not follow each other, no weights.
        """
        types = self._metapath(metapath)
        key = walk_key(seed, epoch, "walk", self._lists.start_type(types[0]))
        numbers = [self._lists.edge_types[t] for t in types]
        return random_walk(self._lists.native, starts, numbers, (walks, length), key, weighted, self._threads)

    def node2vec(
        self,
        starts: np.ndarray,
        length: int,
        *,
        p: float,
        q: float,
        seed: int,
        epoch: int = 0,
        walks: int = 1,
        edge_type: EdgeType | None = None,
        weighted: bool = False,
    ) -> np.ndarray:
        """Second-order walks (Grover and Leskovec, "node2vec", KDD 2016), drawn exactly.

        Having come from t, neighbour x of v has the weight w(v, x) times 1/p where x is t, 1 where x is in the list of
        t (at distance 1 from it), 1/q else. A step proposes neighbours of v and accepts each with its factor over the
        largest; after min(200, 8 + d) refusals, d the length of v's list, it draws from all factors, so that no p and q
        make it slow. Whether x is in the list of t is found by binary search; a graph with times has its lists in
        another order, so the first call makes a sorted copy of them.

        Args:
            starts, length, seed, epoch, walks, weighted: as for :meth:`walk`.
            p: return parameter; large: seldom back to where the walk came from.
            q: in-out parameter; large: the walk stays near.
            edge_type: connects nodes of one type; None: the graph's only one.

        Returns:
            (s * walks, length + 1) int64 as :meth:`walk`.

        Raises:
            TypeError: starts of another dtype.
            ValueError: an argument out of range, an edge type that is unknown or connects two types, no weights.
        """
        (chosen,) = self._metapath(None if edge_type is None else [edge_type])
        key = walk_key(seed, epoch, "walk", chosen.dst)
        number = self._lists.edge_types[chosen]
        return node2vec(self._lists.native, starts, number, (walks, length), (p, q), key, weighted, self._threads)

    def _metapath(self, metapath: Sequence[EdgeType] | None) -> list[EdgeType]:
        known = self.graph.edge_types
        if metapath is None:
            if len(known) != 1:
                raise ValueError(f"metapath: the graph has {len(known)} edge types, name those to walk along")
            return known
        types = list(metapath)
        for t in types:
            if t not in self._lists.edge_types:
                raise ValueError(f"metapath: the graph has no edge type '{' '.join(map(str, t))}'")
        if not types:
            raise ValueError("metapath: expected at least one edge type")
        return [known[self._lists.edge_types[t]] for t in types]
