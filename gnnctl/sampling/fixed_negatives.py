"""The negatives that evaluation is judged by: drawn once, stored with the split, the same for every model."""

from dataclasses import replace
from typing import Literal

import numpy as np

from gnnctl.errors import DataError, UsageError
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.negatives import NegativeSampler
from gnnctl.splits import Links, LinkSplit
from gnnctl.splits.audit.hashing import row_hashes
from gnnctl.splits.link_deal import visible_from
from gnnctl.splits.link_groups import ends_of

End = Literal["dst", "src", "either", "both"]
_SPARE = 16  # draws beyond twice as many, for pairs that are links at the time


def with_fixed_negatives(
    split: LinkSplit, count: int, end: End = "dst", seed: int = 0, *, at_the_time: bool = False
) -> LinkSplit:
    """A split with negatives for each link of val and test, drawn uniformly; none is a link of the graph.

    Args:
        split: of links to be found.
        count: negatives of each link.
        end: which end is drawn anew: the destination; the source; ``either``, the destination of the first half of the
            negatives (rounded up) and the source of the others; or ``both`` together.
        seed: of the draws.
        at_the_time: negatives are no links at the time of theirs, but may be at other times. Where links come again,
            pairs that never were a link would be told by that alone.

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
    parts = {name: split.part(name) for name in ("val", "test")}
    made = {name: _negatives(split, links, count, end, seed, at_the_time) for name, links in parts.items()}
    return replace(split, negatives=made)


def _negatives(split: LinkSplit, links: Links, count: int, end: End, seed: int, at_the_time: bool) -> Links:
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
            times = links.time[rows] if at_the_time and links.time is not None else None
            src[places], dst[places] = _drawn(split, edge_type, pairs, wanted, corrupt, seed, times)
            start += wanted
    return Links(np.repeat(links.relation, count), src, dst, np.full(len(src), -1))


def _drawn(
    split: LinkSplit,
    edge_type: EdgeType,
    pairs: np.ndarray,
    count: int,
    corrupt: str,
    seed: int,
    times: np.ndarray | None,
) -> np.ndarray:
    """(2, n * count) ends of the negatives."""
    known_src, known_dst = split.known()[edge_type]
    # A pair of a node with itself tells nothing where no link is one.
    loops = edge_type.src != edge_type.dst or bool((known_src == known_dst).any())
    ends: Literal["src", "dst", "both"] = "src" if corrupt == "src" else "both" if corrupt == "both" else "dst"
    if times is not None:
        return _drawn_at(split, edge_type, pairs, count, ends, seed, times, loops)
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


def _drawn_at(
    split: LinkSplit,
    edge_type: EdgeType,
    pairs: np.ndarray,
    count: int,
    end: Literal["src", "dst", "both"],
    seed: int,
    times: np.ndarray,
    loops: bool,
) -> np.ndarray:
    """(2, n * count) ends of negatives that are no links at the times (n,) of theirs: the first of more draws."""
    each = 2 * count + _SPARE
    sampler = NegativeSampler(split.graph, edge_type, corrupt=end, exclude=False, seed=seed)
    src, dst = sampler.sample(pairs, each).edges.reshape(2, -1, each)
    graph = split.graph
    link_src, link_dst = ends_of(graph, edge_type)
    link_times = visible_from(graph, edge_type)
    assert link_times is not None
    known = row_hashes(np.stack([link_src, link_dst, link_times], 1))
    drawn = row_hashes(np.stack([src.reshape(-1), dst.reshape(-1), np.repeat(times, each)], 1))
    allowed = ~np.isin(drawn, known).reshape(src.shape)
    if not loops:
        allowed &= src != dst
    order = np.argsort(~allowed, axis=1, kind="stable")[:, :count]
    if not np.take_along_axis(allowed, order, 1).all():
        raise DataError(
            f"--eval-negatives {count}: nearly every pair of '{edge_type}' is a link at some time",
            fix="pass fewer, or --eval-corrupt both",
        )
    return np.stack([np.take_along_axis(rows, order, 1).reshape(-1) for rows in (src, dst)])
