"""Filtered ranks against a plain reference, with ties, whatever the batch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.training.ranking import batch_rows, filtered_ranks, known_candidates, ranking_metrics


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 15), st.booleans())
def test_ranks_are_those_of_the_plain_reference(seed: int, n: int, m: int, filtered: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (n, m)).astype(np.float32)  # few values: many ties
    queries, targets = rng.integers(0, 5, n), rng.integers(0, m, n)
    links = 20
    keys, values = rng.integers(0, 5, links), rng.integers(0, m, links)
    known = known_candidates(queries, keys, values) if filtered else None
    expected = []
    for i in range(n):
        answers = {int(v) for k, v in zip(keys, values, strict=True) if k == queries[i]} if filtered else set()
        others = [scores[i, j] for j in range(m) if j != targets[i] and j not in answers]
        own = scores[i, targets[i]]
        expected.append(1 + sum(o > own for o in others) + sum(o == own for o in others) / 2)
    table = torch.from_numpy(scores)
    for batch_size in (1, 3, n):
        found = filtered_ranks(lambda rows: table[rows], torch.from_numpy(targets), known, batch_size=batch_size)
        assert found.tolist() == expected


def test_metrics_of_ranks() -> None:
    found = ranking_metrics(torch.tensor([1.0, 2.0, 4.0, 10.5]), ks=(1, 10))
    assert found == {"mrr": pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 10.5) / 4), "hits@1": 0.25, "hits@10": 0.75}
    assert ranking_metrics(torch.empty(0), ks=(1,)) == {"mrr": None, "hits@1": None}


def test_a_batch_fits_the_memory() -> None:
    assert batch_rows(1000, 60_000) == 10
    assert batch_rows(1000, 1) == 1


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        filtered_ranks(lambda rows: torch.ones(1, 1), torch.zeros(1, dtype=torch.long), None, batch_size=0)
    with pytest.raises(ValueError, match="not a number"):
        filtered_ranks(lambda r: torch.full((1, 2), torch.nan), torch.zeros(1, dtype=torch.long), None, batch_size=1)
