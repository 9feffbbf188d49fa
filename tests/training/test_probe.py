"""Probes of embeddings: a linear model, and the nearest class mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnnctl.errors import DataError, UsageError
from gnnctl.training.probe import draw_shots, linear_probe, prototype_scores
from gnnctl.training.tasks import Task


def blobs(n: int = 90):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    return (np.eye(3)[y] * 4 + rng.normal(size=(n, 3))).astype(np.float32), y


@pytest.mark.parametrize("problem", ["multiclass", "multilabel", "regression"])
def test_a_linear_probe_reads_what_is_linear(problem):
    x, y = blobs()
    labels = {"multiclass": y, "multilabel": np.eye(3, dtype=np.float32)[y], "regression": x[:, 0] * 2 + 1}[problem]
    mean, std = (float(labels.mean()), float(labels.std())) if problem == "regression" else (0.0, 1.0)
    task = Task(problem, 1 if problem == "regression" else 3, mean, std)
    parts = {"train": slice(0, 60), "test": slice(60, 90), "val": slice(0, 0)}
    found = linear_probe(task, {k: x[s] for k, s in parts.items()}, {k: labels[s] for k, s in parts.items()})
    name, least = {"multiclass": ("accuracy", 0.9), "multilabel": ("micro_f1", 0.85), "regression": ("r2", 0.99)}[
        problem
    ]
    assert found["test"][name] > least
    assert found["val"][name] is None


def test_one_class_cannot_be_probed():
    with pytest.raises(DataError, match="one class"):
        linear_probe(Task("multiclass", 2), {"train": np.ones((3, 2))}, {"train": np.zeros(3, np.int64)})


def test_prototypes_are_class_means():
    x, y = blobs()
    scores = prototype_scores(x, x[:30], y[:30], 4)
    assert (scores.argmax(1) == y).mean() > 0.9
    assert np.isneginf(scores[:, 3]).all()


@given(st.lists(st.integers(0, 4), min_size=6, max_size=60), st.integers(1, 4), st.integers(0, 99))
def test_shots_are_so_many_of_each_class_that_has_them(labels, shots, episode):
    labels = np.array(labels)
    counts = np.bincount(labels)
    if (counts >= shots).sum() < 2:
        with pytest.raises(UsageError, match="--shots"):
            draw_shots(labels, shots, 0, episode)
        return
    chosen = draw_shots(labels, shots, 0, episode)
    assert len(np.unique(chosen)) == len(chosen)
    assert np.array_equal(np.bincount(labels[chosen], minlength=len(counts)), np.where(counts >= shots, shots, 0))
    assert np.array_equal(chosen, draw_shots(labels, shots, 0, episode))
