"""Negatives for batches of links of several edge types, of either end."""

from typing import Literal, get_args

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.negatives import Corrupt, Method, NegativeSampler
from gnnctl.splits.link import Links

End = Literal["dst", "src", "either", "both"]


class LinkNegatives:
    """Draws the negatives of links, each a pure function of its link and the epoch (in-batch ones of the batch too).

    Args:
        known: graph whose edges are never negatives: everything that training knows.
        edge_types: of the links, in the order of their numbers.
        per_positive: negatives of each link.
        method: see :class:`NegativeSampler`.
        corrupt: the end that is drawn anew, ``both``, or ``either``: half of them the one and half the other, of an odd
            number the last by the link's position.
        exclude: whether known edges are left out.
        seed: run seed.

    Raises:
        UsageError: options that do not go together.
    """

    def __init__(
        self,
        known: Graph,
        edge_types: list[EdgeType],
        per_positive: int,
        *,
        method: Method = "uniform",
        corrupt: End = "either",
        exclude: bool = True,
        seed: int = 0,
    ) -> None:
        if corrupt not in get_args(End):
            raise UsageError(f"corrupt cannot be {corrupt!r}", fix=f"choose one of {', '.join(get_args(End))}")
        self.edge_types, self.per_positive, self.corrupt = edge_types, per_positive, corrupt
        ends: tuple[Corrupt, ...] = ("dst", "src") if corrupt == "either" else (corrupt,)
        try:
            self._samplers = {
                (t, end): NegativeSampler(known, t, method=method, corrupt=end, exclude=exclude, seed=seed)
                for t in edge_types
                for end in ends
            }
        except ValueError as problem:
            raise UsageError(f"negatives: {problem}", fix="change --negative-method or --corrupt") from None

    def draw(self, links: Links, epoch: int, num_threads: int = 1) -> tuple[Links, np.ndarray]:
        """Negatives, those of a link together and in the links' order, and (m,) int64 whose each is.

        A link that allows too few pairs has fewer.
        """
        count, k = len(links.relation), self.per_positive
        src, dst = np.full((count, k), -1), np.full((count, k), -1)
        for number, edge_type in enumerate(self.edge_types):
            rows = np.flatnonzero(links.relation == number)
            if len(rows) and k:
                pairs = np.stack([links.src[rows], links.dst[rows]])
                src[rows], dst[rows] = self._of_type(edge_type, pairs, links.pos[rows], epoch, num_threads)
        found = ((src >= 0) & (dst >= 0)).reshape(-1)
        of = np.repeat(np.arange(count), k)[found]
        ends = src.reshape(-1)[found], dst.reshape(-1)[found]
        return Links(links.relation[of], *ends, np.full(len(of), -1), None, None), of

    def _of_type(
        self, edge_type: EdgeType, pairs: np.ndarray, pos: np.ndarray, epoch: int, threads: int
    ) -> tuple[np.ndarray, np.ndarray]:
        k, n = self.per_positive, pairs.shape[1]
        if self.corrupt != "either":
            drawn = self._samplers[edge_type, self.corrupt].sample(pairs, k, epoch=epoch, num_threads=threads)
            return drawn.edges[0].reshape(n, k), drawn.edges[1].reshape(n, k)
        half = (k + 1) // 2
        parts = []
        for end in ("dst", "src"):
            drawn = self._samplers[edge_type, end].sample(pairs, half, epoch=epoch, num_threads=threads)
            parts.append(drawn.edges.reshape(2, n, half))
        src, dst = np.concatenate(parts, axis=2)
        if k % 2:  # one too many: the last of the one end or of the other
            last = np.where(pos % 2 == 0, half - 1, 2 * half - 1)
            kept = np.arange(2 * half)[None] != last[:, None]
            src, dst = src[kept].reshape(n, k), dst[kept].reshape(n, k)
        return src, dst
