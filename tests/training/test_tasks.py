"""Losses, class weights and scores."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gnnctl.errors import DataError, UsageError
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
