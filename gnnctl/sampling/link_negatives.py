"""Negatives of training links, drawn anew each epoch: one way for links of several types."""

from typing import Literal, NamedTuple

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.partitioned import PartitionedGraph
from gnnctl.graph.types import EdgeType
from gnnctl.remote import ServedView
from gnnctl.sampling.negatives import Corrupt, Method, NegativeSampler
from gnnctl.sampling.served_negatives import ServedNegatives
from gnnctl.splits.link import LinkSplit

LinkCorrupt = Literal["dst", "src", "both", "either"]


class Corrupted(NamedTuple):
    """M negatives, by the positive they are of.

    Attributes:
        src, dst: (M,) int64 rows.
        positive: (M,) int64, ascending.
    """

    src: np.ndarray
    dst: np.ndarray
    positive: np.ndarray


class LinkNegatives:
    """Draws ``per_positive`` negatives of each link, as :class:`NegativeSampler` does for its type.

    Drawing for a link is a function of the link and the epoch, but for ``in-batch``, which also looks at the links of
    its type that are drawn for with it. Where nothing is allowed a link has fewer.

    Args:
        graph: whose edges are excluded. The whole graph, and no true link of another part is taught as false; what
            training may know, and which pairs are never drawn tells nothing of the other parts (see :meth:`of`).
        edge_types: of the links.
        view: whose degrees weigh (``degree``); None: those of ``graph``.
        per_positive: negatives of each link.
        method: ``uniform``, ``degree`` or ``in-batch``.
        corrupt: the end that is drawn anew, or ``both``; ``either``: the destination in the first half of a link's
            negatives (the larger one), the source in the rest.
        exclude: whether true edges are.
        loops: whether a node may be linked with itself.
        power: exponent of the degrees.
        seed: run seed.

    Raises:
        ValueError: as :class:`NegativeSampler`; a negative count.
    """

    def __init__(
        self,
        graph: Graph,
        edge_types: list[EdgeType],
        *,
        view: Graph | None = None,
        per_positive: int = 1,
        method: Method = "uniform",
        corrupt: LinkCorrupt = "dst",
        exclude: bool = True,
        loops: bool = True,
        power: float = 1.0,
        seed: int = 0,
    ) -> None:
        if isinstance(per_positive, bool) or not isinstance(per_positive, int) or per_positive < 0:
            raise ValueError(f"per_positive: expected 0 or more, got {per_positive!r}")
        if corrupt not in ("dst", "src", "both", "either"):
            raise ValueError(f"corrupt: expected dst, src, both or either, got {corrupt!r}")
        self.edge_types = list(edge_types)
        self.per_positive = per_positive
        self.method = method
        self.corrupt = corrupt
        shares: list[tuple[Corrupt, int]] = (
            [("dst", per_positive - per_positive // 2), ("src", per_positive // 2)]
            if corrupt == "either"
            else [(corrupt, per_positive)]
        )
        of_graph = ServedNegatives if isinstance(graph, ServedView) else NegativeSampler
        self._samplers = [
            [
                (
                    of_graph(
                        graph, t, method=method, corrupt=end, exclude=exclude, loops=loops, power=power, seed=seed,
                        degrees=view,
                    ),
                    share,
                )
                for end, share in shares
                if share
            ]
            for t in edge_types
        ]  # fmt: skip

    @classmethod
    def of(
        cls,
        split: LinkSplit,
        per_positive: int,
        *,
        method: Method = "uniform",
        corrupt: LinkCorrupt = "either",
        keep_known: bool = False,
        seed: int = 0,
    ) -> "LinkNegatives":
        """Those that a split's training part is taught with: none is a link of that part, unless ``keep_known``."""
        view = split.view("val")
        if isinstance(view, PartitionedGraph):
            view = view.structure_of(split.target.edge_types)
        return cls(
            view,
            split.target.edge_types,
            per_positive=per_positive,
            method=method,
            corrupt=corrupt,
            exclude=not keep_known,
            seed=seed,
        )

    def draw(self, relation: np.ndarray, src: np.ndarray, dst: np.ndarray, epoch: int) -> Corrupted:
        """Negatives of the links (n,) from ``src`` to ``dst`` of types ``edge_types[relation]``."""
        found = []
        for number, samplers in enumerate(self._samplers):
            at = np.flatnonzero(relation == number)
            if len(at) == 0:
                continue
            for sampler, share in samplers:
                drawn = sampler.sample(np.stack([src[at], dst[at]]), share, epoch=epoch)
                kept = np.flatnonzero(drawn.found)
                found.append(np.concatenate([drawn.edges[:, kept], at[drawn.positive[kept]][None]]))
        src, dst, positive = np.concatenate(found, axis=1) if found else np.zeros((3, 0), np.int64)
        order = np.argsort(positive, kind="stable")
        return Corrupted(src[order], dst[order], positive[order])
