"""Parts of batches that processes share: disjoint, together whole, and even."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gnnctl.sampling.seeds import batches
from gnnctl.sampling.share import WHOLE, Share

COUNTS = st.integers(1, 9)


@given(n=st.integers(0, 60), size=st.integers(1, 20), among=COUNTS, seed=st.integers(0, 5))
def test_the_parts_of_every_batch_are_the_batch_and_differ_by_one_seed_at_most(n, size, among, seed):
    joint = batches(np.arange(n) * 3, size, shuffle=True, seed=seed, epoch=1)
    parts = [list(Share(rank, among).of(joint, filled=True)) for rank in range(among)]
    assert all(len(own) == len(joint) for own in parts)  # every process takes part in every step
    for number, batch in enumerate(joint):
        found = [own[number] for own in parts]
        counted = [part if counts else part[:0] for part, counts in found]
        assert np.array_equal(np.concatenate(counted), batch)
        assert max(map(len, counted)) - min(map(len, counted)) <= 1
        assert all(len(part) >= 1 for part, _ in found)


@given(n=st.integers(0, 30), among=COUNTS)
def test_without_filling_empty_parts_are_left_out(n, among):
    found = [part for rank in range(among) for part, _ in Share(rank, among).of([np.arange(n)], filled=False)]
    assert all(len(part) for part in found)
    assert np.array_equal(np.concatenate([np.zeros(0, np.int64), *found]), np.arange(n))


def test_one_process_has_all_of_it():
    assert WHOLE.stretch(7, filled=True) == (0, 7, True)
