"""Negative edges: pairs of nodes of an edge type's ends that it does not connect, each a pure function of its key.

Negative ``j`` of a positive has the key K = key(run seed, epoch, name("negative"), name(edge type), source,
destination, j) in the notation of schemas/picks.md; where only a count is given, its number stands for both ends and
"pair" for "negative". Attempt a = 0, 1, ... 31 draws the source by random(K, 2a) and the destination by random(K, 2a +
1), each if it is to be drawn, and the first pair that is allowed is taken. Where there is none, a last draw is made
exactly among what is allowed: by random(K, 64), of both ends the destination first, by random(K, 65). Either way a
negative has the distribution of its method, given that it is allowed.

Drawing place bounded(random, W) of running sums of whole weights: uniform has weight 1; degree has the degree of the
node in this edge type, or its power, in units of 2^-16; in-batch the number of positives that end there. Whether a pair
is an edge is found by binary search in the destination's list, which where times order it is first sorted (once, in a
copy that lives as long as the graph).
"""

from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.native import complete_negatives, draw_negatives
from gnnctl.sampling.adjacency import Adjacency
from gnnctl.sampling.keys import absorb, name_hash

Method = Literal["uniform", "degree", "in-batch"]
Corrupt = Literal["dst", "src", "both"]
_Population = tuple[int, np.ndarray | None, np.ndarray | None]
_UNIT = 1 << 16


class Negatives(NamedTuple):
    """Negatives of n positives, ``per_positive`` each: those of positive i are i * per_positive, ....

    Attributes:
        edges: (2, m) int64, sources over destinations; a drawn end is -1 where nothing was allowed.
        found: (m,) bool, whether it is a pair.
        positive: (m,) int64, the positive it belongs to.
    """

    edges: np.ndarray
    found: np.ndarray
    positive: np.ndarray


class NegativeSampler:
    """Draws negatives for one edge type; any number of threads may use it at once.

    Draws are independent, so a pair may come twice. Not allowed, with ``exclude``: the graph's edges of the type, the
    positive itself (unless both ends are drawn) even if the graph does not hold it, and loops unless ``loops``. A graph
    from which supervision edges were removed does not know them: pass the one that has them.

    Args:
        graph: whose edges are excluded and whose degrees weigh.
        edge_type: of the positives; ends are drawn from its own node types.
        method: ``uniform``; ``degree``, in-degree for destinations and out-degree for sources; ``in-batch``, the same
            end of the call's positives, as often as it occurs.
        corrupt: the end that is drawn anew, or both.
        exclude: whether true edges are.
        loops: whether a node may be paired with itself.
        power: exponent of the degrees (0.75 in word2vec).
        seed: run seed.
        degrees: whose degrees weigh; None: those of ``graph``.

    Raises:
        ValueError: an unknown type, method or end, degrees of a graph with other nodes, or options that do not go
            together.
    """

    def __init__(
        self,
        graph: Graph,
        edge_type: EdgeType,
        *,
        method: Method = "uniform",
        corrupt: Corrupt = "dst",
        exclude: bool = True,
        loops: bool = True,
        power: float = 1.0,
        seed: int = 0,
        degrees: Graph | None = None,
    ) -> None:
        if edge_type not in graph.edges:
            raise ValueError(f"edge_type: the graph has no '{edge_type}'")
        if method not in ("uniform", "degree", "in-batch"):
            raise ValueError(f"method: expected uniform, degree or in-batch, got {method!r}")
        if corrupt not in ("src", "dst", "both"):
            raise ValueError(f"corrupt: expected src, dst or both, got {corrupt!r}")
        if method == "in-batch" and corrupt == "both":
            raise ValueError("corrupt: in-batch negatives keep one end")
        if power != 1.0 and method != "degree":
            raise ValueError("power: only degrees have one")
        if not 0 <= power <= 4:
            raise ValueError(f"power: expected 0 to 4, got {power}")
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed: {seed} is out of range")
        weighing = graph if degrees is None else degrees
        if any(weighing.num_nodes(t) != graph.num_nodes(t) for t in (edge_type.src, edge_type.dst)):
            raise ValueError("degrees: the graph has other nodes")
        self.graph = graph
        self._weighing = weighing.edges[edge_type]
        self.edge_type = edge_type
        self.method = method
        self.corrupt = corrupt
        self.exclude = exclude
        self.loops = loops
        self.power = power
        self.seed = seed

    def sample(
        self, positives: np.ndarray | int, per_positive: int = 1, *, epoch: int = 0, num_threads: int = 1
    ) -> Negatives:
        """Negatives of some positives.

        Args:
            positives: (2, n) integers, sources over destinations; or how many pairs to draw freely, of both ends.
            per_positive: negatives of each.
            epoch: 0 for evaluation, 1.. for training.
            num_threads: the result does not depend on it.

        Raises:
            TypeError, ValueError: positives that are none, a count where an end is kept, an epoch out of range.
        """
        if not 0 <= epoch < 2**63:
            raise ValueError(f"epoch: {epoch} is out of range")
        ends = self._ends(positives)
        purpose = "pair" if isinstance(positives, int) else "negative"
        key = absorb(absorb(absorb(0, self.seed), epoch), name_hash(purpose))
        populations = (self._population("src", ends[0]), self._population("dst", ends[1]))
        rules = (self.corrupt, self.exclude, self.loops, absorb(key, name_hash(str(self.edge_type))))
        into = Adjacency.of(self.graph)
        number = into.edge_types[self.edge_type]
        src, dst, missing = draw_negatives(into.native, number, ends, per_positive, populations, rules, num_threads)
        if len(missing):
            lists = self._by_source() if self.corrupt == "dst" else into
            given = (lists.native, number, ends, per_positive, populations, rules)
            complete_negatives(*given, src, dst, missing, num_threads)
        found = np.ones(len(src), bool)
        if self.corrupt != "dst":
            found &= src >= 0
        if self.corrupt != "src":
            found &= dst >= 0
        return Negatives(np.stack([src, dst]), found, np.repeat(np.arange(len(ends[0])), per_positive))

    def _by_source(self) -> Adjacency:
        """The lists of out-edges, which only a last draw needs."""
        return Adjacency.of(self.graph, "out")

    def _ends(self, positives: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(positives, int):
            if self.corrupt != "both" or positives < 0:
                raise ValueError("positives: a count, 0 or more, is for corrupt='both'")
            numbers = np.arange(positives, dtype=np.int64)
            return numbers, numbers
        pairs = np.asarray(positives)
        if pairs.ndim != 2 or pairs.shape[0] != 2:
            raise ValueError(f"positives: expected shape (2, n), got {pairs.shape}")
        if pairs.dtype.kind not in "iu":
            raise TypeError(f"positives: expected integers, got {pairs.dtype}")
        src, dst = (np.array(end, dtype=np.int64) for end in pairs)  # copies: nobody else may write to them
        for end, name in ((src, self.edge_type.src), (dst, self.edge_type.dst)):
            if len(end) and (end.min() < 0 or end.max() >= self.graph.num_nodes(name)):
                raise ValueError(f"positives: a row is outside 0..{self.graph.num_nodes(name) - 1} of '{name}'")
        return src, dst

    def _population(self, end: Literal["src", "dst"], rows: np.ndarray) -> _Population:
        if self.method == "in-batch":
            nodes, counts = np.unique(rows, return_counts=True)
            return len(nodes), nodes, _sums(counts)
        count = self.graph.num_nodes(self.edge_type.src if end == "src" else self.edge_type.dst)
        if self.corrupt not in (end, "both") or self.method == "uniform":
            return count, None, None
        return count, None, self._source_sums if end == "src" else self._destination_sums

    @cached_property
    def _source_sums(self) -> np.ndarray:
        return self._weighed(np.bincount(self._weighing.row, minlength=self.graph.num_nodes(self.edge_type.src)))

    @cached_property
    def _destination_sums(self) -> np.ndarray:
        return self._weighed(np.diff(self._weighing.colptr))

    def _weighed(self, degree: np.ndarray) -> np.ndarray:
        if self.power == 1.0:
            return _sums(degree)
        weights = np.zeros(len(degree))
        np.power(degree, self.power, out=weights, where=degree > 0)
        weights *= _UNIT
        if weights.sum() >= 2**62:
            raise ValueError(f"power: degrees to the power {self.power} are too large")
        return _sums(np.rint(weights).astype(np.int64))


def negatives(
    graph: Graph,
    edge_type: EdgeType,
    positives: np.ndarray | int,
    *,
    per_positive: int = 1,
    method: Method = "uniform",
    corrupt: Corrupt | None = None,
    exclude: bool = True,
    loops: bool = True,
    power: float = 1.0,
    seed: int = 0,
    epoch: int = 0,
    num_threads: int = 1,
) -> Negatives:
    """:meth:`NegativeSampler.sample` in one call; ``corrupt=None`` is ``both`` for a count, else ``dst``."""
    kept = corrupt or ("both" if isinstance(positives, int) else "dst")
    sampler = NegativeSampler(
        graph, edge_type, method=method, corrupt=kept, exclude=exclude, loops=loops, power=power, seed=seed
    )
    return sampler.sample(positives, per_positive, epoch=epoch, num_threads=num_threads)


def _sums(counts: np.ndarray) -> np.ndarray:
    sums = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=sums[1:])
    return sums
