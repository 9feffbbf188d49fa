"""GraphSAINT: a batch is the subgraph of its seeds and of nodes drawn at random, its edges weighted against the bias.

Zeng et al., "GraphSAINT: Graph Sampling Based Inductive Learning Method", ICLR 2020. Of one node and one edge type.

Where this leaves the paper: there the loss is over all nodes of a random subgraph, each divided by how often it is
sampled. Here the seeds of a batch are always in it and the loss is over them alone, each once an epoch, so it needs no
such division; the nodes drawn beside them only carry messages. The paper's aggregator normalisation is kept: the weight
of the edge from u into v is the graph's (1 where it has none) over alpha = C(u, v) / C(v), where C counts the
subgraphs, of those sampled beforehand, that have v, and that have the edge too. So a sum of messages into v has the
expectation of the sum over all of v's in-edges, given that v is there; and what divides by degrees of the graph (GCN)
likewise. A mean over the sampled in-edges is not that.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.native import csc_from_coo
from gnnctl.sampling.induced import induced
from gnnctl.sampling.keys import absorb, bounded_all, name_hash, random_words, set_digest
from gnnctl.sampling.seeds import batches, checked_method, checked_seeds
from gnnctl.sampling.subgraph import Subgraph
from gnnctl.sampling.walks import Walker

_BEFOREHAND = 2**62  # epochs from here on are those sampled beforehand


class _Saint(ABC):
    """Seeds, nodes drawn beside them, all edges among them and their weights.

    A pure function of (graph, parameters, run seed, epoch, set of seeds).
    """

    name = "saint"
    weighted = True

    def __init__(self, graph: Graph, hops: int, seed: int, num_threads: int) -> None:
        checked_method(hops, seed)
        if not graph.schema.is_homogeneous:
            raise UsageError(
                f"{self.name}: the graph has {len(graph.nodes)} node types and {len(graph.edges)} edge types",
                fix="it takes one of each; use hgt or cluster",
            )
        self.graph = graph
        self.hops = hops
        self.seed = seed
        self._threads = num_threads
        [self._node_type] = graph.node_types
        [(self._edge_type, self._store)] = graph.edges.items()
        self._weight = np.ones(self._store.num_edges, np.float32)

    @abstractmethod
    def drawn(self, seeds: np.ndarray, epoch: int) -> np.ndarray:
        """(n,) int64 ascending distinct rows that come into the subgraph of ``seeds``, which may be among them."""

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int) -> Subgraph:
        """See :class:`gnnctl.sampling.method.Method`; counts by hop are as for ``induced``.

        Raises:
            TypeError, ValueError: seeds that are no distinct rows of the type, an unknown type, an epoch out of range.
        """
        if node_type != self._node_type:
            raise ValueError(f"node_type: the graph has no '{node_type}'")
        if not 0 <= epoch < 2**63:
            raise ValueError(f"epoch: {epoch} is out of range")
        found = self._subgraph(checked_seeds(seeds, self.graph.num_nodes(node_type)), self.hops, epoch)
        edges = found.edges[self._edge_type]
        edges.weight = self._weight[edges.pos]
        return found

    def groups(self, seeds: np.ndarray, node_type: str) -> np.ndarray | None:
        """None: seeds may go into any batch."""
        return None

    def _subgraph(self, seeds: np.ndarray, hops: int, epoch: int) -> Subgraph:
        nodes = {self._node_type: self.drawn(seeds, epoch)} if len(seeds) else {}
        return induced(self.graph, nodes, seeds, self._node_type, hops, num_threads=self._threads)

    def _key(self, seeds: np.ndarray, epoch: int) -> int:
        """key(run seed, epoch, name(name of the method), digest of the set of seeds)"""
        return absorb(absorb(absorb(absorb(0, self.seed), epoch), name_hash(self.name)), set_digest(seeds))

    def _normalise(self, coverage: float, roots: int) -> None:
        """Set the weights, from subgraphs of batches of all nodes until they have ``coverage`` times as many nodes.

        An edge that was in none of them counts as if it had been in one.
        """
        own = self._store.weight
        if own is not None:
            self._weight = np.array(own, dtype=np.float32)
        nodes, edges = self._counts(coverage, roots)
        into = np.maximum(np.repeat(nodes, np.diff(self._store.colptr)), 1)
        self._weight *= (into / np.maximum(edges, 1)).astype(np.float32) if coverage else np.float32(1)

    def _counts(self, coverage: float, roots: int) -> tuple[np.ndarray, np.ndarray]:
        """(N,) and (E,) int64: how many of the subgraphs sampled beforehand have each node, each edge."""
        total = self.graph.num_nodes(self._node_type)
        nodes, edges = np.zeros(total, np.int64), np.zeros(self._store.num_edges, np.int64)
        seen = 0
        for found in self._beforehand(roots):
            if seen >= coverage * total:
                break
            nodes[found.nodes[self._node_type]] += 1
            edges[found.edges[self._edge_type].pos] += 1
            seen += found.num_nodes
        return nodes, edges

    def _beforehand(self, roots: int) -> Iterator[Subgraph]:
        everything = np.arange(self.graph.num_nodes(self._node_type), dtype=np.int64)
        for epoch in range(_BEFOREHAND, 2 * _BEFOREHAND if len(everything) else _BEFOREHAND):
            for seeds in batches(everything, roots, shuffle=True, seed=self.seed, epoch=epoch):
                yield self._subgraph(seeds, 2, epoch)  # with two hops every edge among the nodes is kept

    def _checked(self, coverage: float, **numbers: int) -> None:
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
                raise UsageError(f"{self.name}: {name}: expected 1 to 2^31 - 1, got {value!r}", fix="pass another")
        if isinstance(coverage, bool) or not isinstance(coverage, int | float) or not 0 <= coverage <= 1e6:
            raise UsageError(f"{self.name}: coverage: expected 0 to 1e6, got {coverage!r}", fix="pass another")


class SaintNode(_Saint):
    """Beside the seeds ``size`` nodes, drawn with replacement with probabilities proportional to in-degree.

    Draw i is the destination of edge bounded(random(K, i), E), with K = key(run seed, epoch, name("saint-node"),
    digest) in the notation of schemas/picks.md, the digest being the sum of key(row) over the batch's seeds.

    Args:
        graph: of one node type and one edge type.
        hops: layers of the model, H.
        seed: run seed.
        size: draws a batch.
        coverage: subgraphs are sampled beforehand until each node was in this many on average; 0: none, alpha is 1.
        roots: seeds of each of those, from all nodes; give the batch size.
        num_threads: for the edges, of each call of :meth:`sample`.

    Raises:
        UsageError: an argument out of range, a graph of several types.
    """

    name = "saint-node"

    def __init__(
        self,
        graph: Graph,
        hops: int,
        seed: int,
        *,
        size: int = 4096,
        coverage: float = 10.0,
        roots: int = 1024,
        num_threads: int = 1,
    ) -> None:
        super().__init__(graph, hops, seed, num_threads)
        self._checked(coverage, size=size, roots=roots)
        self._size = size
        self._normalise(coverage, roots)

    def drawn(self, seeds: np.ndarray, epoch: int) -> np.ndarray:
        """(n,) int64 ascending distinct rows that come into the subgraph of ``seeds``, which may be among them."""
        if self._store.num_edges == 0:
            return np.zeros(0, np.int64)
        edges = bounded_all(random_words(self._key(seeds, epoch), self._size), self._store.num_edges)
        return np.unique(np.searchsorted(self._store.colptr, edges, side="right") - 1)


class SaintEdge(_Saint):
    """Beside the seeds both ends of ``size`` edges, drawn with replacement with p ~ 1 / out(u) + 1 / in(v).

    These are the out-degree of the source and the in-degree of the destination: on an undirected graph, with each edge
    in both directions, the degrees of the paper. Draw i takes place bounded(random(K, 2i), D + S) among the D nodes
    with in-edges and then the S with out-edges, in order of their rows, and of that node's in-edges, or out-edges by
    destination, number bounded(random(K, 2i + 1), degree): exactly that distribution. K is as for :class:`SaintNode`,
    with name("saint-edge").

    Args:
        graph: of one node type and one edge type.
        hops: layers of the model, H.
        seed: run seed.
        size: draws a batch.
        coverage, roots, num_threads: as for :class:`SaintNode`.

    Raises:
        UsageError: an argument out of range, a graph of several types.
    """

    name = "saint-edge"

    def __init__(
        self,
        graph: Graph,
        hops: int,
        seed: int,
        *,
        size: int = 2048,
        coverage: float = 10.0,
        roots: int = 1024,
        num_threads: int = 1,
    ) -> None:
        super().__init__(graph, hops, seed, num_threads)
        self._checked(coverage, size=size, roots=roots)
        self._size = size
        colptr, total = self._store.colptr, graph.num_nodes(self._node_type)
        dst = np.repeat(np.arange(total, dtype=np.int64), np.diff(colptr))
        rowptr, self._col, _ = csc_from_coo(dst, self._store.row.astype(np.int64), total, total, True, num_threads)
        self._ends = np.concatenate([np.flatnonzero(np.diff(colptr)), np.flatnonzero(np.diff(rowptr))])
        self._num_into = int(np.count_nonzero(np.diff(colptr)))
        self._rowptr = rowptr
        self._normalise(coverage, roots)

    def drawn(self, seeds: np.ndarray, epoch: int) -> np.ndarray:
        """(n,) int64 ascending distinct rows that come into the subgraph of ``seeds``, which may be among them."""
        if self._store.num_edges == 0:
            return np.zeros(0, np.int64)
        words = random_words(self._key(seeds, epoch), 2 * self._size)
        place = bounded_all(words[::2], len(self._ends))
        node, into = self._ends[place], place < self._num_into
        ends = [node]
        for chosen, start, other in (
            (into, self._store.colptr, self._store.row),
            (~into, self._rowptr, self._col),
        ):
            first = start[node[chosen]]
            degree = start[node[chosen] + 1] - first
            ends.append(other[first + bounded_all(words[1::2][chosen], degree)].astype(np.int64))
        return np.unique(np.concatenate(ends))


class SaintWalk(_Saint):
    """Beside the seeds the nodes of ``walks`` random walks from each of them, against the edges.

    The walks are those of :class:`gnnctl.sampling.walks.Walker`, which do not depend on the other seeds. In the paper
    the roots are random; here they are the batch's seeds.

    Args:
        graph: of one node type and one edge type.
        hops: layers of the model, H.
        seed: run seed.
        walks: from each seed.
        length: steps of a walk.
        coverage, roots, num_threads: as for :class:`SaintNode`.

    Raises:
        UsageError: an argument out of range, a graph of several types.
    """

    name = "saint-walk"

    def __init__(
        self,
        graph: Graph,
        hops: int,
        seed: int,
        *,
        walks: int = 1,
        length: int = 4,
        coverage: float = 10.0,
        roots: int = 1024,
        num_threads: int = 1,
    ) -> None:
        super().__init__(graph, hops, seed, num_threads)
        self._checked(coverage, walks=walks, length=length, roots=roots)
        self._walks, self._length = walks, length
        self._walker = Walker(graph, num_threads=num_threads)
        self._normalise(coverage, roots)

    def drawn(self, seeds: np.ndarray, epoch: int) -> np.ndarray:
        """(n,) int64 ascending distinct rows that come into the subgraph of ``seeds``, which may be among them."""
        walked = self._walker.walk(seeds, self._length, seed=self.seed, epoch=epoch, walks=self._walks)
        return np.unique(walked[walked >= 0])
