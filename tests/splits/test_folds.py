import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.errors import DataError, UsageError
from gnnctl.graph.graph import Graph
from gnnctl.splits import By, Fractions, find_target, split_nodes
from gnnctl.splits.folds import fold_numbers, fold_split


def split(count, column="label", order=1):
    number = np.arange(count)[::order]
    table = pa.table(
        {"label": [None if i % 11 == 5 else f"class {i % 7 % 3}" for i in number], "value": number.astype(np.float64)}
    )
    ids = {"node": pa.array([f"n{i:03}" for i in number])}
    graph = Graph.from_coo(count, np.empty((2, 0), np.int64), columns=table, ids=ids)
    return split_nodes(graph, find_target(graph, column), By(), Fractions(0.0, 0.0))


@settings(max_examples=40, deadline=None)
@given(count=st.integers(20, 120), folds=st.integers(3, 10), seed=st.integers(0, 3))
def test_folds_share_seeds_and_classes_evenly(count, folds, seed):
    made = split(count)
    numbers = fold_numbers(made, folds, seed)
    assert np.ptp(np.bincount(numbers, minlength=folds)) <= 1
    _, labels = made.part("train")
    for label in range(3):
        assert np.ptp(np.bincount(numbers[labels == label], minlength=folds)) <= 1


@settings(max_examples=30, deadline=None)
@given(count=st.integers(20, 80), folds=st.integers(3, 8))
def test_every_seed_is_tested_once_and_chooses_once(count, folds):
    made = split(count)
    numbers = fold_numbers(made, folds)
    rows, labels = made.part("train")
    parts = [fold_split(made, numbers, fold) for fold in range(folds)]
    for name in ("test", "val"):
        assert sorted(np.concatenate([p.part(name)[0] for p in parts])) == rows.tolist()
    for p in parts:
        found = [p.part(name)[0] for name in ("train", "val", "test")]
        assert sorted(np.concatenate(found)) == rows.tolist()
        for name in ("train", "val", "test"):
            kept, kept_labels = p.part(name)
            assert labels[np.searchsorted(rows, kept)].tolist() == kept_labels.tolist()


def test_a_fold_goes_by_the_id_and_the_seed_alone():
    forward, backward = split(60), split(60, order=-1)
    by_id = [
        dict(zip(s.graph.ids_of("node", s.part("train")[0]).to_pylist(), fold_numbers(s, 5), strict=True))
        for s in (forward, backward)
    ]
    assert by_id[0] == by_id[1]
    assert fold_numbers(forward, 5, 0).tolist() != fold_numbers(forward, 5, 1).tolist()


def test_numbers_are_standardised_by_what_a_fold_trains_on():
    made = split(40, "value")
    first = fold_split(made, fold_numbers(made, 4), 0)
    labels = first.part("train")[1]
    assert first.target.mean == pytest.approx(labels.mean())
    assert first.target.std == pytest.approx(labels.std())
    assert made.target.mean != first.target.mean


def test_too_few_folds_or_seeds_are_refused():
    with pytest.raises(UsageError, match="--folds 2: one is tested"):
        fold_numbers(split(40), 2)
    with pytest.raises(DataError, match="the train part has 18 seeds"):
        fold_numbers(split(20), 19)
