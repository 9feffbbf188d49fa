import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.errors import DataError, UsageError
from gnnctl.splits import By, Fractions, parse_map
from gnnctl.splits.by import NO_PART, TEST, TRAIN, VAL, by_class, by_column, by_group, by_hash
from gnnctl.splits.keyed import keyed_hashes, link_hashes
from gnnctl.splits.times import Moving, find_bounds, parse_gap, times_of


def by_time(times, known, shares, **moving):
    found = times_of(times)
    return np.where(
        found.known & known, find_bounds(found, known, shares, Moving(**moving)).parts(found.values), NO_PART
    )


FEW = settings(max_examples=30, deadline=None)
IDS = st.lists(st.text(max_size=6), unique=True, min_size=1, max_size=60)
SHARES = st.tuples(st.floats(0, 0.45), st.floats(0, 0.45)).map(lambda pair: Fractions(*pair))


def test_the_hash_is_the_published_one():
    expected = hashlib.blake2b(b"apt", digest_size=8, key=b"id 7", person=b"gnnctl split 1").digest()
    (found,) = keyed_hashes(pa.array(["apt"]), 7, "id")
    assert int(found) == int.from_bytes(expected, "little")


def test_the_hash_of_a_link_is_the_published_one():
    def blake(text, key):
        digest = hashlib.blake2b(text.encode(), digest_size=8, key=key.encode(), person=b"gnnctl split 1").digest()
        return int.from_bytes(digest, "little")

    def mix(z):
        z %= 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    first, second = (keyed_hashes(pa.array([name]), 7, "id") for name in ("ada", "ben"))
    expected = mix(mix(blake("n knows n", "link 7") + blake("ada", "id 7")) + blake("ben", "id 7"))
    assert int(link_hashes(first, second, "n knows n", 7)[0]) == expected


def test_the_hash_goes_by_the_text():
    np.testing.assert_array_equal(keyed_hashes(pa.array([7, 8]), 0, "id"), keyed_hashes(pa.array(["7", "8"]), 0, "id"))


def test_lists_have_no_hash():
    with pytest.raises(DataError, match="cannot be hashed"):
        keyed_hashes(pa.array([[1]]), 0, "id")


@FEW
@given(ids=IDS, more=IDS, seed=st.integers(0, 2**70), shares=SHARES)
def test_rows_added_later_move_nobody(ids, more, seed, shares):
    before = by_hash(keyed_hashes(pa.array(ids), seed, "id"), shares)
    everyone = [*(i for i in more if i not in ids), *ids]
    after = by_hash(keyed_hashes(pa.array(everyone), seed, "id"), shares)
    np.testing.assert_array_equal(after[len(everyone) - len(ids) :], before)


@FEW
@given(
    groups=st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh")), min_size=1, max_size=60),
    seed=st.integers(0, 99),
    shares=SHARES,
)
def test_no_group_crosses_and_rows_without_one_go_by_id(groups, seed, shares):
    ids = pa.array(range(len(groups)))
    parts = by_group(pa.array(groups, pa.string()), ids, seed, shares)
    for group in set(groups) - {None}:
        assert len({int(p) for p, g in zip(parts, groups, strict=True) if g == group}) == 1
    alone = np.asarray([g is None for g in groups])
    np.testing.assert_array_equal(parts[alone], by_hash(keyed_hashes(ids, seed, "id"), shares)[alone])


def test_shares_are_met_and_seeds_differ():
    ids = pa.array([f"node-{i}" for i in range(20_000)])
    shares = Fractions(0.1, 0.2)
    first, second = (by_hash(keyed_hashes(ids, seed, "id"), shares) for seed in (0, 1))
    for parts in (first, second):
        np.testing.assert_allclose(np.bincount(parts) / len(parts), [0.7, 0.1, 0.2], atol=0.012)
    assert 0.4 < (first == second).mean() < 0.68  # 0.54 if independent


def test_the_share_of_val_does_not_change_test():
    hashes = keyed_hashes(pa.array(range(1000)), 0, "id")
    np.testing.assert_array_equal(
        by_hash(hashes, Fractions(0.1, 0.2)) == TEST, by_hash(hashes, Fractions(0.4, 0.2)) == TEST
    )


@FEW
@given(classes=st.lists(st.integers(-1, 4), min_size=1, max_size=80), seed=st.integers(0, 9), shares=SHARES)
def test_stratified_shares_are_exact_in_every_class(classes, seed, shares):
    classes = np.asarray(classes)
    parts = by_class(classes, keyed_hashes(pa.array(range(len(classes))), seed, "id"), shares)
    np.testing.assert_array_equal(parts == NO_PART, classes < 0)
    for value in set(classes[classes >= 0].tolist()):
        count = int((classes == value).sum())
        for part, share in ((VAL, shares.val), (TEST, shares.test)):
            assert abs(int((parts[classes == value] == part).sum()) - count * share) <= 0.5 + 1e-9 or count == 1


@FEW
@given(
    times=st.lists(st.one_of(st.none(), st.integers(0, 20)), min_size=1, max_size=80),
    shares=SHARES,
)
def test_time_never_runs_backwards(times, shares):
    parts = by_time(pa.array(times, pa.int64()), np.ones(len(times), bool), shares)
    moments = [[t for t, p in zip(times, parts, strict=True) if p == part] for part in (TRAIN, VAL, TEST)]
    for earlier, later in ((0, 1), (1, 2), (0, 2)):
        if moments[earlier] and moments[later]:
            assert max(moments[earlier]) < min(moments[later])
    np.testing.assert_array_equal(parts == NO_PART, [t is None for t in times])


@pytest.mark.parametrize(
    "times",
    [
        pa.array([f"2024-01-{day:02}" for day in range(1, 11)]),
        pa.array(np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]")),
        pa.array(np.linspace(0, 1, 10)),
    ],
)
def test_time_of_any_type_that_has_an_order(times):
    parts = by_time(times, np.ones(10, bool), Fractions(0.1, 0.2))
    assert parts.tolist() == [TRAIN] * 7 + [VAL] + [TEST] * 2


def test_time_counts_only_rows_with_a_label():
    known = np.asarray([True] * 10 + [False] * 90)
    parts = by_time(pa.array(range(100)), known, Fractions(0.1, 0.2))
    assert parts[:10].tolist() == [TRAIN] * 7 + [VAL] + [TEST] * 2
    assert (parts[10:] == NO_PART).all()


def test_time_needs_an_order():
    with pytest.raises(DataError, match="no order"):
        by_time(pa.array([[1], [2]]), np.ones(2, bool), Fractions())


def test_a_given_split_is_taken_as_it_is():
    column = pa.array(["train", "Test", None, "validation", "none", "", "dev"])
    assert by_column(column, {}, "split").tolist() == [TRAIN, TEST, NO_PART, VAL, NO_PART, NO_PART, VAL]


def test_a_given_split_by_other_words():
    names = parse_map(["train=2017,2018", "test=2020"])
    assert by_column(pa.array([2017, 2020, 2019, 2018]), names, "year").tolist() == [TRAIN, TEST, NO_PART, TRAIN]


@pytest.mark.parametrize("names", [{}, {"2031": "test"}])
def test_a_given_split_with_strange_words(names):
    with pytest.raises(DataError, match=r"'2019', '2020', which is no part|no value '2031'"):
        by_column(pa.array([2019, 2020]), names, "year")


@pytest.mark.parametrize(
    ("text", "way", "column"),
    [("random", "random", None), ("group:a b:c", "group", "a b:c"), ("time:year", "time", "year")],
)
def test_by_is_read_and_spelled(text, way, column):
    assert By.parse(text) == By(way, column)
    assert str(By.parse(text)) == text


@pytest.mark.parametrize("text", ["", "grouped:x", "group", "time:", "column", "random:x", "stratified:"])
def test_by_refuses(text):
    with pytest.raises(UsageError, match="--by"):
        By.parse(text)


@pytest.mark.parametrize(("val", "test"), [(-0.1, 0.2), (0.1, 1.0), (0.5, 0.5), (float("nan"), 0.1)])
def test_shares_that_make_no_sense(val, test):
    with pytest.raises(UsageError):
        Fractions(val, test)


@pytest.mark.parametrize("texts", [["dev=1"], ["train"], ["train=1", "test=1"]])
def test_maps_that_make_no_sense(texts):
    with pytest.raises(UsageError, match="--map"):
        parse_map(texts)


@FEW
@given(
    times=st.lists(st.integers(0, 60), min_size=20, max_size=80),
    gap=st.integers(0, 5),
    windows=st.integers(1, 4),
)
def test_windows_lie_side_by_side_and_gaps_are_empty(times, gap, windows):
    known, values, shares = np.ones(len(times), bool), np.asarray(times), Fractions(0.1, 0.2)
    last = -1
    for window in range(1, windows + 1):
        parts = by_time(pa.array(times), known, shares, gap=gap, windows=windows, window=window)
        train, val, test = (values[parts == part] for part in (TRAIN, VAL, TEST))
        for earlier, later in ((train, val), (train, test), (val, test)):
            if len(earlier) and len(later):
                assert earlier.max() + gap < later.min()
        if len(test):
            assert test.min() > last
            last = test.max()
        if window == windows:
            np.testing.assert_array_equal(parts == TEST, by_time(pa.array(times), known, shares) == TEST)


@pytest.mark.parametrize(("text", "length"), [("0", 0), ("12.5", 12.5), ("90s", 90_000_000), ("7d", 604_800_000_000)])
def test_lengths_of_time(text, length):
    assert parse_gap(text) == length


@pytest.mark.parametrize("text", ["", "-1", "d", "7y", "1e3"])
def test_what_is_no_length_of_time(text):
    with pytest.raises(UsageError, match="no length of time"):
        parse_gap(text)


def test_a_gap_between_words_is_refused():
    with pytest.raises(UsageError, match="have an order only"):
        by_time(pa.array(["2024-01", "2024-02", "2024-03"]), np.ones(3, bool), Fractions(0.3, 0.3), gap=1)


def test_a_gap_in_days_between_dates():
    days = pa.array(np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]"))
    parts = by_time(days, np.ones(10, bool), Fractions(0.2, 0.3), gap=parse_gap("1d"))
    assert parts.tolist() == [TRAIN] * 4 + [NO_PART, VAL, NO_PART] + [TEST] * 3
