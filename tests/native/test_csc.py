import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.native import colptr_of, csc_from_coo


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 3), st.booleans())
def test_edges_are_sorted_by_destination_stably(seed, threads, by_source):
    rng = np.random.default_rng(seed)
    num_src, num_dst, edges = rng.integers(1, 50), rng.integers(1, 2000), rng.integers(0, 3000)
    row, col = rng.integers(0, num_src, edges), rng.integers(0, num_dst, edges)
    colptr, out, perm = csc_from_coo(row, col, num_src, num_dst, by_source, threads)
    order = np.lexsort((row, col)) if by_source else np.argsort(col, kind="stable")
    assert np.array_equal(perm, order)
    assert np.array_equal(out, row[order])
    assert out.dtype == np.int32
    assert colptr.tolist() == [0, *np.cumsum(np.bincount(col, minlength=num_dst)).tolist()]


def test_many_edges_on_several_threads():
    rng = np.random.default_rng(0)
    row, col = rng.integers(0, 1000, 400_000), rng.integers(0, 70_000, 400_000) ** 2 // 70_000
    one, two = (csc_from_coo(row, col, 1000, 70_000, True, n) for n in (1, 3))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert np.array_equal(one[2], np.lexsort((row, col)))


@pytest.mark.parametrize("num_src", [1, 2000, 2048, 2049, 2**22, 2**23, 2**31, 2**40, 2**62])
def test_large_buckets_are_sorted_by_every_digit_of_the_source(num_src):
    rng = np.random.default_rng(0)
    row, col = rng.integers(0, num_src, 20_000), rng.integers(0, 3, 20_000)
    row[::7] = num_src - 1
    colptr, out, perm = csc_from_coo(row, col, num_src, 3, True, 2)
    assert np.array_equal(perm, np.lexsort((row, col)))
    assert np.array_equal(out, row[perm])
    assert colptr.tolist() == [0, *np.cumsum(np.bincount(col)).tolist()]


def test_many_sources_give_wide_rows():
    colptr, row, _ = csc_from_coo(np.array([2**40, 5]), np.array([0, 0]), 2**41, 1)
    assert row.dtype == np.int64
    assert row.tolist() == [5, 2**40]
    assert colptr.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("row", "col", "num_src", "num_dst", "threads", "named"),
    [
        (np.array([3]), np.array([0]), 3, 3, 1, "row"),
        (np.array([-1]), np.array([0]), 3, 3, 1, "row"),
        (np.array([0]), np.array([3]), 3, 3, 1, "col"),
        (np.array([0, 1]), np.array([0]), 3, 3, 1, "col"),
        (np.array([0.0]), np.array([0]), 3, 3, 1, "row"),
        ([0], np.array([0]), 3, 3, 1, "row"),
        (np.array([0]), np.array([[0]]), 3, 3, 1, "col"),
        (np.array([0]), np.array([0]), -1, 3, 1, "num_src"),
        (np.array([0]), np.array([0]), 3, -1, 1, "num_dst"),
        (np.array([0]), np.array([0]), 3, 3, 0, "num_threads"),
    ],
)
def test_bad_arguments_are_refused_by_name(row, col, num_src, num_dst, threads, named):
    with pytest.raises((TypeError, ValueError), match=f"^{named}"):
        csc_from_coo(row, col, num_src, num_dst, True, threads)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 30)), st.integers(31, 40), st.sampled_from([np.int32, np.int64]))
def test_sorted_destinations_say_where_each_begins(col, num_dst, dtype):
    ascending = np.sort(np.array(col, dtype))
    assert colptr_of(ascending, num_dst).tolist() == [0, *np.cumsum(np.bincount(ascending, minlength=num_dst)).tolist()]


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize(("col", "num_dst"), [([1, 0], 2), ([0, 2], 2), ([-1, 0], 2), ([0], 0), ([0, 5, 1], 2)])
def test_destinations_that_do_not_ascend_or_fit_are_refused(dtype, col, num_dst):
    with pytest.raises(ValueError, match=r"^col: expected ascending"):
        colptr_of(np.array(col, dtype), num_dst)


def test_destinations_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"^col"):
        colptr_of(np.array([0.0]), 1)
    with pytest.raises(ValueError, match=r"^col: expected a contiguous"):
        colptr_of(np.arange(4)[::2], 4)
    with pytest.raises(ValueError, match=r"^num_dst"):
        colptr_of(np.arange(1), -1)
