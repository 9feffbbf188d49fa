"""Losses, class weights and scores."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gnnctl.errors import DataError, UsageError
from gnnctl.training.metrics import resolve_monitor
from gnnctl.training.tasks import Task, balanced_weights, check_seeds


def target(problem: str, outputs: int, mean: float | None = None, std: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(problem=problem, num_outputs=outputs, mean=mean, std=std)


def test_balanced_weights_give_every_class_the_same_total() -> None:
    labels = np.array([0] * 8 + [1] * 2 + [3] * 4)
    weights = balanced_weights("multiclass", 4, labels)
    totals = np.bincount(labels, minlength=4) * weights
    assert weights[2] == 0
    np.testing.assert_allclose(totals[[0, 1, 3]], len(labels) / 3, rtol=1e-6)


def test_class_weights_change_the_loss_as_the_formula_says() -> None:
    labels = np.array([0, 0, 0, 1])
    task = Task.of(target("multiclass", 2), labels, class_weights="balanced")
    logits, y = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    each = -torch.log_softmax(logits, -1)[torch.arange(2), y]
    w = torch.tensor([4 / (2 * 3), 4 / (2 * 1)])
    torch.testing.assert_close(task.loss(logits, y), (each * w).sum() / w.sum())
    plain = Task.of(target("multiclass", 2), labels)
    torch.testing.assert_close(plain.loss(logits, y), each.mean())


def test_multilabel_weights_are_the_ratio_of_negatives() -> None:
    labels = np.array([[1, 0], [0, 0], [0, 1], [0, 0]], dtype=np.float32)
    np.testing.assert_allclose(balanced_weights("multilabel", 2, labels), [3, 3])
    task = Task.of(target("multilabel", 2), labels, class_weights="balanced")
    zero = torch.zeros(4, 2)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        zero, torch.from_numpy(labels), pos_weight=torch.tensor([3.0, 3.0])
    )
    torch.testing.assert_close(task.loss(zero, torch.from_numpy(labels)), expected)


def test_regression_is_standardised_in_the_loss_and_restored_in_the_scores() -> None:
    task = Task.of(target("regression", 1, mean=10.0, std=4.0), np.array([6.0, 14.0], np.float32))
    torch.testing.assert_close(task.loss(torch.tensor([[-1.0], [1.0]]), torch.tensor([6.0, 14.0])), torch.tensor(0.0))
    torch.testing.assert_close(task.scores(torch.tensor([[0.5]])), torch.tensor([[12.0]]))


def test_scores_are_probabilities() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    classes = Task("multiclass", 3).scores(logits)
    torch.testing.assert_close(classes.sum(-1), torch.ones(5))
    torch.testing.assert_close(Task("multilabel", 3).scores(logits), torch.sigmoid(logits))


def test_options_that_do_not_fit_the_target_are_refused() -> None:
    with pytest.raises(UsageError, match="label-smoothing"):
        Task.of(target("regression", 1), np.zeros(1), label_smoothing=0.1)
    with pytest.raises(UsageError, match="needs classes"):
        Task.of(target("regression", 1), np.zeros(1), class_weights="balanced")
    with pytest.raises(DataError, match="train part has no seeds"):
        check_seeds("train", np.zeros(0, np.int64))


@pytest.mark.parametrize("problem", ["multiclass", "multilabel"])
def test_focal_loss_is_its_formula(problem: str) -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(6, 3)) * 3)
    weight = torch.tensor([0.5, 1.0, 2.0])
    if problem == "multiclass":
        y = torch.tensor([0, 1, 2, 2, 1, 0])
        p = logits.softmax(-1)[torch.arange(6), y]
        wanted = (-((1 - p) ** 1.5) * p.log() * weight[y]).sum() / weight[y].sum()
    else:
        y = torch.from_numpy(rng.integers(0, 2, (6, 3))).float()
        p = torch.where(y > 0, logits.sigmoid(), 1 - logits.sigmoid())
        wanted = (-((1 - p) ** 1.5) * p.log() * torch.where(y > 0, weight, 1.0)).mean()
    found = Task(problem, 3, class_weights=weight, focal=1.5).loss(logits, y)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-6)
    near = Task(problem, 3, class_weights=weight, focal=1e-9).loss(logits, y)
    torch.testing.assert_close(near, Task(problem, 3, class_weights=weight).loss(logits, y))


def test_focal_loss_of_numbers_is_refused() -> None:
    with pytest.raises(UsageError, match="--focal"):
        Task.of(target("regression", 1), np.zeros(1), focal=2.0)


def test_skewed_classes_are_judged_by_the_macro_average() -> None:
    even, skewed = np.array([0, 1, 2] * 4), np.array([0] * 30 + [1] * 3 + [2] * 10)
    assert resolve_monitor(Task.of(target("multiclass", 3), even), None) == "accuracy"
    assert resolve_monitor(Task.of(target("multiclass", 3), skewed), None) == "macro_f1"
    assert resolve_monitor(Task.of(target("multiclass", 3), skewed), "accuracy") == "accuracy"
    assert resolve_monitor(Task.of(target("multiclass", 2), skewed[skewed < 2]), None) == "auroc"
