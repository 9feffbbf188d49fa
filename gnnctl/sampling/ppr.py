"""Personalised-PageRank neighbours: the nodes where a walk that may stop at every step is likeliest to stop."""

import threading

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.native import personalized_pagerank
from gnnctl.sampling.adjacency import Adjacency
from gnnctl.sampling.columns import ranges
from gnnctl.sampling.importance import ScoredLists, carrier_of, expand
from gnnctl.sampling.ordered import end_if_abandoned
from gnnctl.sampling.seeds import checked_method
from gnnctl.sampling.subgraph import Subgraph


class Ppr:
    """For each node the ``neighbors`` other nodes of the greatest personalised PageRank; ties go to the smaller row.

    A walk from node s stops at each node with probability alpha, and else goes on to the source of one of its in-edges;
    from a node without any it goes on at s. The probability pi(s, v) that it stops at v is approximated by pushing
    (Andersen, Chung and Lang, "Local Graph Partitioning using PageRank Vectors", FOCS 2006): the approximation is never
    above pi, misses in all at most eps times the sum of in-degrees (at least 1 each) of the nodes reached, and on an
    undirected graph at most eps times the in-degree of v. A smaller eps reaches further and costs in proportion to 1 /
    (eps alpha) at most.

    The edge from v has v's share of the approximations kept (the weights into a node sum to 1). Nothing is random: each
    node's list is found once and kept (12 bytes a neighbour), for all epochs. Records of single seeds merge.

    Args:
        graph: walked over.
        hops: H.
        seed: run seed; without influence.
        neighbors: kept a node, at least 1.
        alpha: probability of stopping, 0.001 to 1.
        eps: accuracy, 1e-12 to 1.
        edge_type: walked along and carrier of the edges: between nodes of one type; None: the graph's only such.
        weighted: edges are taken by their weights.
        num_threads: of each call of :meth:`sample`.

    Raises:
        UsageError: an argument out of range, or no such edge type.
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
        neighbors: int = 32,
        alpha: float = 0.15,
        eps: float = 1e-4,
        edge_type: EdgeType | None = None,
        weighted: bool = False,
        num_threads: int = 1,
    ) -> None:
        checked_method(hops, seed)
        if isinstance(neighbors, bool) or not isinstance(neighbors, int) or not 1 <= neighbors < 2**20:
            raise UsageError(f"ppr: neighbors: expected 1 to 2^20, got {neighbors!r}", fix="pass another")
        self.graph = graph
        self.hops = hops
        self.seed = seed
        self.carrier = carrier_of(graph, edge_type, "ppr")
        if weighted and graph.edges[self.carrier].weight is None:
            raise UsageError("ppr: walks by weight, but the edges have no weights", fix="leave out weighted")
        self._accuracy = (alpha, eps)
        self._weighted = weighted
        self._threads = num_threads
        self._lists = Adjacency.of(graph, num_threads=num_threads)
        try:
            self.scores(np.zeros(0, np.int64))
        except (TypeError, ValueError) as error:
            raise UsageError(f"ppr: {str(error).partition(chr(10))[0]}", fix="pass another") from None
        self._kept = _KeptLists(graph.num_nodes(self.carrier.dst), neighbors)

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int) -> Subgraph:
        """See :class:`gnnctl.sampling.method.Method`; the same in every epoch.

        Raises:
            UsageError: seeds of a type that the carrier does not connect.
            TypeError, ValueError: seeds of another dtype, out of range or twice.
        """
        return expand(self.graph, self.carrier, seeds, node_type, self.hops, self.neighbors_of)

    def groups(self, seeds: np.ndarray, node_type: str) -> np.ndarray | None:
        """None: seeds may go anywhere."""
        return None

    def neighbors_of(self, rows: np.ndarray) -> ScoredLists:
        """The nodes kept for (n,) int64 rows, without the node itself, and their approximate PageRank."""
        unknown = self._kept.unknown(rows)
        if len(unknown):
            self._kept.add(unknown, self.scores(unknown, self._kept.width, with_source=False))
        return self._kept.take(rows)

    def scores(self, rows: np.ndarray, top: int = 2**40, *, with_source: bool = True) -> ScoredLists:
        """The ``top`` nodes of greatest PageRank for (n,) int64 rows, and its approximation.

        Raises:
            TypeError, ValueError: rows of another dtype or out of range.
        """
        return ScoredLists(
            *personalized_pagerank(
                self._lists.native,
                rows,
                self._lists.edge_types[self.carrier],
                self._accuracy,
                top,
                with_source,
                self._weighted,
                self._threads,
                end_if_abandoned,
            )
        )


class _KeptLists:
    """Lists of up to ``width`` nodes of those nodes that were asked for; any number of threads may use it."""

    def __init__(self, num_nodes: int, width: int) -> None:
        self.width = width
        self._lock = threading.Lock()
        self._slot = np.full(num_nodes, -1, np.int64)
        self._count = np.zeros(0, np.int64)
        self._rows = np.zeros((0, width), np.int64 if num_nodes > 2**31 else np.int32)
        self._scores = np.zeros((0, width))
        self._used = 0

    def unknown(self, rows: np.ndarray) -> np.ndarray:
        with self._lock:
            missing: np.ndarray = rows[self._slot[rows] < 0]
            return missing

    def add(self, rows: np.ndarray, lists: ScoredLists) -> None:
        counts = np.diff(lists.ptr)
        with self._lock:
            new = np.flatnonzero(self._slot[rows] < 0)  # another thread may have been faster
            first, last = self._used, self._used + len(new)
            if last > len(self._count):
                self._grow(max(last, 2 * len(self._count)))
            self._slot[rows[new]] = np.arange(first, last)
            self._count[first:last] = counts[new]
            column = ranges(np.zeros(len(new), np.int64), counts[new])
            line, taken = np.repeat(np.arange(first, last), counts[new]), ranges(lists.ptr[:-1][new], counts[new])
            self._rows[line, column] = lists.rows[taken]
            self._scores[line, column] = lists.scores[taken]
            self._used = last

    def take(self, rows: np.ndarray) -> ScoredLists:
        with self._lock:
            slot = self._slot[rows]
            count, found, scores = self._count[slot], self._rows[slot], self._scores[slot]
        ptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(count, out=ptr[1:])
        kept = np.arange(self.width) < count[:, None]
        return ScoredLists(ptr, found[kept].astype(np.int64), scores[kept])

    def _grow(self, size: int) -> None:
        more = size - len(self._count)
        self._count = np.concatenate([self._count, np.zeros(more, np.int64)])
        self._rows = np.concatenate([self._rows, np.zeros((more, self.width), self._rows.dtype)])
        self._scores = np.concatenate([self._scores, np.zeros((more, self.width))])
