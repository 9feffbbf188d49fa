"""The negatives that evaluation is judged by: drawn once, stored with the split, the same for every model."""

from dataclasses import replace
from typing import Literal

import numpy as np

from gnnctl.errors import DataError, UsageError
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.negatives import NegativeSampler
from gnnctl.splits import Links, LinkSplit

End = Literal["dst", "src", "either", "both"]


def with_fixed_negatives(split: LinkSplit, count: int, end: End = "dst", seed: int = 0) -> LinkSplit:
    """A split with negatives for each link of val and test, drawn uniformly; none is a link of the graph.

    Args:
        split: of links to be found.
        count: negatives of each link.
        end: which end is drawn anew: the destination; the source; ``either``, the destination of the first half of the
            negatives (rounded up) and the source of the others; or ``both`` together.
        seed: of the draws.

    Raises:
        UsageError: fewer than none, or a split of another task.
        DataError: a node that is linked to every other, so that nothing is left to draw.
    """
    if count < 0:
        raise UsageError(f"--eval-negatives {count}", fix="pass 0 or more")
    if split.target.task != "link":
        raise UsageError("--eval-negatives are for --task link", fix="leave them out: these links are there")
    if count == 0:
        return replace(split, negatives={})
    return replace(
        split, negatives={name: _negatives(split, split.part(name), count, end, seed) for name in ("val", "test")}
    )


def _negatives(split: LinkSplit, links: Links, count: int, end: End, seed: int) -> Links:
    src, dst = (np.repeat(rows, count) for rows in (links.src, links.dst))
    each = {"dst": [("dst", count)], "src": [("src", count)], "both": [("both", count)]}.get(
        end, [("dst", (count + 1) // 2), ("src", count // 2)]
    )
    for number, edge_type in enumerate(split.target.edge_types):
        rows = np.flatnonzero(links.relation == number)
        pairs = np.stack([links.src[rows], links.dst[rows]])
        start = 0
        for corrupt, wanted in each:
            if not (wanted and len(rows)):
                continue
            places = (rows[:, None] * count + start + np.arange(wanted)).reshape(-1)
            src[places], dst[places] = _drawn(split, edge_type, pairs, wanted, corrupt, seed)
            start += wanted
    return Links(np.repeat(links.relation, count), src, dst, np.full(len(src), -1))


def _drawn(split: LinkSplit, edge_type: EdgeType, pairs: np.ndarray, count: int, corrupt: str, seed: int) -> np.ndarray:
    """(2, n * count) ends of the negatives."""
    known_src, known_dst = split.known()[edge_type]
    # A pair of a node with itself tells nothing where no link is one.
    loops = edge_type.src != edge_type.dst or bool((known_src == known_dst).any())
    ends: Literal["src", "dst", "both"] = "src" if corrupt == "src" else "both" if corrupt == "both" else "dst"
    sampler = NegativeSampler(split.graph, edge_type, corrupt=ends, loops=loops, seed=seed)
    made = sampler.sample(pairs, count)
    if not made.found.all():
        row = int(made.positive[np.flatnonzero(~made.found)[0]])
        kept = 0 if corrupt == "dst" else 1
        name = (edge_type.src, edge_type.dst)[kept]
        node = split.graph.ids_of(name, pairs[kept, row : row + 1])[0].as_py()
        raise DataError(
            f"--eval-negatives: every pair of '{edge_type}' with the {name} {node!r} is a link",
            fix="pass --eval-corrupt both, or --eval-negatives 0 and rank against all",
        )
    return made.edges
