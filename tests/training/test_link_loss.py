"""Losses of links against their formulas, one positive at a time in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gnnctl.training.link_loss import hardest, pair_loss

NUMBERS = st.floats(-20, 20, width=32)


def written(kind: str, s: float, ts: list[float], margin: float, alpha: float) -> float:
    raised = [math.exp(alpha * (t - max(ts))) for t in ts] if ts else []
    w = [r / sum(raised) for r in raised]
    if kind == "softmax":
        top = max([s, *ts])
        return math.log(sum(math.exp(v - top) for v in [s, *ts])) + top - s
    if kind == "margin":
        return sum(wi * max(0.0, margin - s + t) for wi, t in zip(w, ts, strict=True))
    soft = lambda v: math.log1p(math.exp(-abs(v))) + max(v, 0.0)  # noqa: E731
    return (soft(-s) + sum(wi * soft(t) for wi, t in zip(w, ts, strict=True))) / 2


@given(
    st.sampled_from(["bce", "margin", "softmax"]),
    st.lists(st.tuples(NUMBERS, st.lists(NUMBERS, max_size=4)), min_size=1, max_size=5),
    st.sampled_from([0.0, 0.5, 2.0]),
    st.sampled_from([0.0, 1.0, 3.5]),
)
def test_losses_are_the_written_formulas(kind, groups, alpha, margin):
    positive = torch.tensor([s for s, _ in groups])
    negative = torch.tensor([t for _, ts in groups for t in ts])
    of = torch.tensor([i for i, (_, ts) in enumerate(groups) for _ in ts], dtype=torch.int64)
    found = pair_loss(kind, positive, negative, of, margin=margin, adversarial=alpha)
    expected = np.mean([written(kind, s, ts, margin, alpha) for s, ts in groups])
    assert float(found) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_order_of_negatives_does_not_matter():
    positive, negative, of = torch.randn(4), torch.randn(12), torch.arange(12) % 4
    order = torch.randperm(12)
    for kind in ("bce", "margin", "softmax"):
        torch.testing.assert_close(
            pair_loss(kind, positive, negative, of), pair_loss(kind, positive, negative[order], of[order])
        )


def test_weights_of_negatives_are_constants():
    negative = torch.tensor([1.0, 2.0], requires_grad=True)
    pair_loss("bce", torch.zeros(1), negative, torch.tensor([0, 0]), adversarial=1.0).backward()
    weight = torch.softmax(torch.tensor([1.0, 2.0]), 0)
    torch.testing.assert_close(negative.grad, weight * torch.sigmoid(torch.tensor([1.0, 2.0])) / 2)


@given(st.lists(st.tuples(st.integers(0, 3), NUMBERS), min_size=1, max_size=30), st.sampled_from([0.25, 0.5, 1.0]))
def test_the_hardest_share_of_each_is_kept(rows, share):
    of = torch.tensor([i for i, _ in rows])
    negative = torch.tensor([v for _, v in rows])
    kept = hardest(negative, of, 4, share)
    for i in range(4):
        mine = negative[of == i]
        chosen = negative[(of == i) & kept]
        assert len(chosen) == math.ceil(len(mine) * share)
        assert torch.equal(chosen.sort().values, mine.sort().values[len(mine) - len(chosen) :])
