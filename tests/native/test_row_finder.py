import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.native import RowFinder

NEAR = st.lists(st.integers(0, 400), max_size=200)
FAR = st.lists(st.integers(0, 2**62), max_size=60)


@settings(deadline=None)
@given(st.one_of(NEAR, FAR, st.builds(list.__add__, NEAR, FAR)), st.integers(0, 2**62))
def test_rows_are_found_wherever_they_lie(known, other):
    known = np.unique(np.array(known, np.int64))
    rows = np.array([*known, *(known + 1), other, -1, -(2**63), 0, 1, 63, 64, 2**63 - 1, *range(0, 400, 7)], np.int64)
    at = RowFinder(known).places(rows)
    assert np.array_equal(at >= 0, np.isin(rows, known))
    assert np.array_equal(known[at[at >= 0]], rows[at >= 0])
    assert at.min() >= -1


@pytest.mark.parametrize("known", [[1, 1], [2, 1], [-1, 3], [0, 2**40, 2**40]])
def test_rows_that_do_not_ascend_are_refused(known):
    with pytest.raises(ValueError, match=r"^known: expected ascending"):
        RowFinder(np.array(known))


def test_rows_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"^known"):
        RowFinder(np.array([1.0]))
    with pytest.raises(TypeError, match=r"^rows"):
        RowFinder(np.array([1])).places(np.array([1], np.int32))
