"""Seeds in batches: shuffled, grouped, balanced over classes; a function of the set of the seeds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_reference import absorb, fnv

from gnnctl.sampling.seeds import batches

few = settings(deadline=None, max_examples=100)


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(0, 80))
    rows = rng.permutation(300)[:count].astype(np.int64)
    kinds = draw(st.integers(1, 6))
    labels = rng.choice(kinds, count, p=rng.dirichlet(np.full(kinds, 0.5))) - 2
    options = {"seed": draw(st.integers(0, 2**64 - 1)), "epoch": draw(st.integers(0, 9))}
    return rows, labels, draw(st.integers(1, 40)), options, rng.permutation(count)


def same(one, two):
    return len(one) == len(two) and all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@few
@given(cases())
def test_groups_stay_together_in_keyed_order(case):
    rows, groups, size, options, order = case
    cut = batches(rows, size, shuffle=True, groups=groups, **options)
    key = [absorb(0, options["seed"], options["epoch"], fnv(name)) for name in ("group", "shuffle")]
    expected = sorted(
        (absorb(key[0], int(g) % 2**64), int(g), absorb(key[1], int(r)), int(r))
        for g, r in zip(groups, rows, strict=True)
    )
    assert [r for batch in cut for r in batch.tolist()] == [e[3] for e in expected]
    assert [len(batch) for batch in cut] == [min(size, len(rows) - i) for i in range(0, len(rows), size)]
    assert same(cut, batches(rows[order], size, shuffle=True, groups=groups[order], **options))
    kept = batches(rows, size, shuffle=False, groups=groups, **options)
    assert np.array_equal(np.concatenate([*kept, rows[:0]]), rows[np.argsort(groups, kind="stable")])


@few
@given(cases())
def test_classes_have_equal_parts_of_each_batch(case):
    rows, labels, size, options, order = case
    cut = batches(rows, size, shuffle=True, classes=labels, **options)
    assert same(cut, batches(rows[order], size, shuffle=True, classes=labels[order], **options))
    label = dict(zip(rows.tolist(), labels.tolist(), strict=True))
    kinds, sizes = np.unique(labels, return_counts=True)
    assert [len(batch) for batch in cut] == [min(size, len(rows) - i) for i in range(0, len(rows), size)]
    taken = {int(k): [] for k in kinds}
    for batch in cut:
        assert len(set(batch.tolist())) == len(batch)
        counts = np.array([sum(label[r] == k for r in batch.tolist()) for k in kinds])
        short = counts < sizes  # these could have given more, so none of the others has two more than they
        assert not short.any() or counts.max() <= counts[short].min() + 1
        for r in batch.tolist():
            taken[label[r]].append(r)
    for k, n in zip(kinds, sizes, strict=True):
        times = np.bincount(taken[int(k)], minlength=300)[rows[labels == k]]
        assert times.max() - times.min() <= 1  # all of a class before any of it again
        assert len(taken[int(k)]) < n or times.min() >= 1
    again = batches(rows, size, shuffle=True, classes=labels, **options)
    assert same(cut, again)


def test_what_is_left_of_equal_parts_moves_between_classes():
    rows, labels = np.arange(300), np.repeat(np.arange(3), 100)
    cut = batches(rows, 10, shuffle=True, seed=1, epoch=1, classes=labels)
    more = [int(np.bincount(labels[batch]).argmax()) for batch in cut]
    assert set(more) == {0, 1, 2}
    other = batches(rows, 10, shuffle=True, seed=1, epoch=2, classes=labels)
    assert not same(cut, other)


def test_equal_classes_are_covered_once():
    rows, labels = np.arange(60), np.tile(np.arange(3), 20)
    cut = batches(rows, 12, shuffle=True, seed=0, epoch=1, classes=labels)
    assert sorted(np.concatenate(cut).tolist()) == list(range(60))
    assert all(np.bincount(labels[batch]).tolist() == [4, 4, 4] for batch in cut)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"classes": np.zeros(3, int), "groups": np.zeros(3, int)}, "classes"),
        ({"classes": np.zeros(3, int), "shuffle": False}, "classes"),
        ({"classes": np.zeros(3)}, "classes"),
        ({"classes": np.zeros(2, int)}, "classes"),
        ({"groups": np.zeros((3, 1), int)}, "groups"),
        ({"groups": np.array(["a", "b", "c"])}, "groups"),
    ],
)
def test_wrong_arguments_are_named(change, name):
    arguments = {"batch_size": 2, "shuffle": True, "seed": 0, "epoch": 0} | change
    with pytest.raises((ValueError, TypeError), match=rf"^{name}"):
        batches(np.arange(3), **arguments)
