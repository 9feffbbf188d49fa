"""Filtered ranking of links against all candidates, in batches that fit a given memory."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Ints = np.ndarray[Any, np.dtype[np.int64]]


def known_candidates(queries: Ints, keys: Ints, values: Ints) -> tuple[Ints, Ints]:
    """The known answers of each query, as (ptr, answers): those of query i are ``answers[ptr[i]:ptr[i + 1]]``.

    Args:
        queries: (n,) the key of each query, a number for its (end, edge type).
        keys, values: (e,) key and candidate row of every known link.
    """
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    first = np.searchsorted(keys, queries, side="left")
    count = np.searchsorted(keys, queries, side="right") - first
    ptr = np.zeros(len(queries) + 1, dtype=np.int64)
    np.cumsum(count, out=ptr[1:])
    return ptr, values[np.repeat(first - ptr[:-1], count) + np.arange(ptr[-1])].astype(np.int64)


def batch_rows(candidates: int, memory: int) -> int:
    """Queries that fit in ``memory`` bytes, at least 1: float32 scores and two comparisons for each candidate."""
    return max(1, memory // (6 * max(1, candidates)))


def filtered_ranks(
    score: Callable[[Tensor], Tensor], targets: Tensor, known: tuple[Ints, Ints] | None, *, batch_size: int
) -> Tensor:
    """Rank (n,) float64 of each query's target among all candidates, from 1.

    The rank is 1 + the candidates that score higher + half of the others that score the same: the expectation over the
    orders of equal scores. Known answers other than the target take no part.

    Args:
        score: from query numbers (b,) int64 to scores (b, candidates).
        targets: (n,) int64 rows of the true candidates.
        known: of :func:`known_candidates`; None ranks without a filter.
        batch_size: queries scored together.

    Raises:
        ValueError: ``batch_size`` is less than 1, or a score is not a number.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    ranks = torch.empty(len(targets), dtype=torch.float64)
    for start in range(0, len(targets), batch_size):
        rows = torch.arange(start, min(start + batch_size, len(targets)))
        scores = score(rows).detach().cpu()
        if bool(torch.isnan(scores).any()):
            raise ValueError("score gave a value that is not a number: such candidates have no rank")
        target = targets[rows].cpu()[:, None]
        own = scores.gather(1, target)
        higher, equal = scores > own, scores == own
        equal.scatter_(1, target, False)
        if known is not None:
            ptr, answers = known
            count = torch.from_numpy(np.diff(ptr[start : start + len(rows) + 1]))
            where = torch.repeat_interleave(torch.arange(len(rows)), count)
            columns = torch.from_numpy(answers[ptr[start] : ptr[start + len(rows)]])
            higher[where, columns] = False
            equal[where, columns] = False
        ranks[rows] = 1 + higher.sum(1).double() + equal.sum(1).double() / 2
    return ranks


def ranking_metrics(ranks: Tensor, ks: Sequence[int] = (1, 3, 10)) -> dict[str, float | None]:
    """``mrr``, the mean of 1 / rank, and ``hits@k``, the share of ranks up to k; None where there are no ranks."""
    if len(ranks) == 0:
        return {"mrr": None, **{f"hits@{k}": None for k in ks}}
    return {"mrr": float((1 / ranks).mean()), **{f"hits@{k}": float((ranks <= k).double().mean()) for k in ks}}
