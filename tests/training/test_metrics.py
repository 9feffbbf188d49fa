"""Metrics against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from gnnctl.errors import UsageError
from gnnctl.training.metrics import baseline, better, evaluate, resolve_monitor
from gnnctl.training.tasks import Task


def logits_and_labels(classes: int, n: int = 300, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, classes, generator=generator)
    noisy = logits + torch.randn(n, classes, generator=generator)
    return logits, noisy.argmax(-1)


def test_multiclass_metrics_agree_with_sklearn() -> None:
    logits, y = logits_and_labels(6)
    y[y == 5] = 4  # a class that is predicted but never true
    found = evaluate(Task("multiclass", 6), logits, y)
    predicted = logits.argmax(-1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(y, predicted), abs=1e-6)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(y, predicted, average="macro"), abs=1e-6)
    assert found["loss"] == pytest.approx(sk.log_loss(y, logits.double().softmax(-1), labels=range(6)), abs=1e-5)


def test_binary_metrics_agree_with_sklearn() -> None:
    logits, y = logits_and_labels(2)
    found = evaluate(Task("multiclass", 2), logits, y)
    score = logits.softmax(-1)[:, 1]
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(y, score), abs=1e-6)
    assert found["average_precision"] == pytest.approx(sk.average_precision_score(y, score), abs=1e-5)


def test_multilabel_metrics_agree_with_sklearn() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(200, 5, generator=generator)
    y = ((logits + torch.randn(200, 5, generator=generator)) > 0).float()
    found = evaluate(Task("multilabel", 5), logits, y)
    predicted = (logits > 0).int()
    assert found["micro_f1"] == pytest.approx(sk.f1_score(y, predicted, average="micro"), abs=1e-6)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(y, predicted, average="macro"), abs=1e-6)
    expected = sk.average_precision_score(y, logits.sigmoid(), average="micro")
    assert found["average_precision"] == pytest.approx(expected, abs=1e-5)


def test_regression_metrics_agree_with_sklearn_in_the_targets_unit() -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(100, 1, generator=generator)
    y = logits.squeeze(-1) * 3 + 7 + torch.randn(100, generator=generator)
    task = Task("regression", 1, mean=7.0, std=3.0)
    found = evaluate(task, logits, y)
    value = task.scores(logits).squeeze(-1)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(y, value), rel=1e-5)
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(y, value), rel=1e-5)
    assert found["r2"] == pytest.approx(sk.r2_score(y, value), rel=1e-4)


def test_metrics_without_a_value_are_none() -> None:
    logits = torch.zeros(3, 2)
    found = evaluate(Task("multiclass", 2), logits, torch.ones(3, dtype=torch.int64))
    assert found["auroc"] is None
    assert found["average_precision"] is None
    empty = evaluate(Task("multiclass", 2), logits[:0], torch.ones(0, dtype=torch.int64))
    assert set(empty.values()) == {None}


def test_baseline_predicts_the_training_parts_majority() -> None:
    task = Task("multiclass", 3)
    assert baseline(task, np.array([2, 2, 1]), np.array([2, 1, 1, 2, 2])) == {"accuracy": pytest.approx(0.6)}
    found = baseline(Task("regression", 1), np.array([1.0, 3.0]), np.array([0.0, 4.0]))
    assert found == {"mae": pytest.approx(2), "rmse": pytest.approx(2)}


def test_monitor_defaults_to_the_problem_and_knows_its_direction() -> None:
    assert resolve_monitor(Task("multiclass", 2), None) == "auroc"
    assert resolve_monitor(Task("multiclass", 3), None) == "accuracy"
    assert better("loss", 0.1, 0.2)
    assert better("accuracy", 0.2, 0.1)
    assert not better("accuracy", None, None)
    assert better("auroc", 0.1, None)
    with pytest.raises(UsageError, match="auroc is no metric"):
        resolve_monitor(Task("multiclass", 3), "auroc")
