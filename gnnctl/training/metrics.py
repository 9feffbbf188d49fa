"""Metrics of predictions by torchmetrics, and the baseline that a model has to beat."""

import math
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnnctl.errors import UsageError
from gnnctl.training.tasks import Task

# Metrics where less is better; every other one grows with quality.
SMALLER_IS_BETTER = frozenset({"loss", "mae", "rmse"})
METRICS = {
    "binary": ("accuracy", "macro_f1", "auroc", "average_precision"),
    "multiclass": ("accuracy", "macro_f1"),
    "multilabel": ("micro_f1", "macro_f1", "average_precision"),
    "regression": ("mae", "rmse", "r2"),
}
DEFAULT_MONITOR = {"binary": "auroc", "multiclass": "accuracy", "multilabel": "micro_f1", "regression": "rmse"}
# What people plot over the epochs.
DEFAULT_CURVE = {"binary": "accuracy", "multiclass": "accuracy", "multilabel": "micro_f1", "regression": "mae"}


def metric_family(task: Task) -> str:
    """The key of METRICS: two classes are a binary problem."""
    return "binary" if task.problem == "multiclass" and task.num_outputs == 2 else task.problem


def resolve_monitor(task: Task, monitor: str | None) -> str:
    """The metric that decides which epoch is best; UsageError where the problem has no such metric.

    By default that of DEFAULT_MONITOR, but for skewed classes the macro F1, in which every class weighs the same.
    """
    family = metric_family(task)
    if monitor is None:
        return "macro_f1" if task.skewed and family == "multiclass" else DEFAULT_MONITOR[family]
    choices = ("loss", *METRICS[family])
    if monitor not in choices:
        raise UsageError(f"--monitor {monitor} is no metric of a {family} problem", fix=f"pass {', '.join(choices)}")
    return monitor


def better(metric: str, value: float | None, best: float | None) -> bool:
    """Whether ``value`` beats ``best``; None (undefined) never does."""
    if value is None:
        return False
    if best is None:
        return True
    return value < best if metric in SMALLER_IS_BETTER else value > best


def evaluate(task: Task, logits: Tensor, y: Tensor) -> dict[str, float | None]:
    """Metrics of METRICS and the unweighted loss over all rows.

    Args:
        logits: (n, num_outputs). y: (n,) int64 or float32, or (n, num_outputs) float32.

    Returns:
        name -> value; None where it is undefined, as AUROC over one class.
    """
    if len(y) == 0:
        return {"loss": None, **dict.fromkeys(METRICS[metric_family(task)])}
    logits = logits.detach().float().cpu()
    y = y.detach().cpu()
    values = {"loss": task.plain().loss(logits, y)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics warns where a class is absent; the value becomes None below
        values |= _torchmetrics(task, task.scores(logits), y)
    absent = _undefined(task, y)
    return {
        name: None if name in absent or not math.isfinite(value) else float(value) for name, value in values.items()
    }


def _torchmetrics(task: Task, scores: Tensor, y: Tensor) -> dict[str, Tensor]:
    from torchmetrics import functional as f

    family = metric_family(task)
    if family in ("binary", "multiclass"):
        classes = task.num_outputs
        predicted = scores.argmax(dim=-1)
        values = {
            "accuracy": f.classification.multiclass_accuracy(predicted, y, classes, average="micro"),
            "macro_f1": f.classification.multiclass_f1_score(predicted, y, classes, average="macro"),
        }
        if family == "binary":
            values["auroc"] = f.classification.binary_auroc(scores[:, 1], y)
            values["average_precision"] = f.classification.binary_average_precision(scores[:, 1], y)
        return values
    if family == "multilabel":
        labels = task.num_outputs
        truth = y.long()
        return {
            "micro_f1": f.classification.multilabel_f1_score(scores, truth, labels, average="micro"),
            "macro_f1": f.classification.multilabel_f1_score(scores, truth, labels, average="macro"),
            "average_precision": f.classification.multilabel_average_precision(scores, truth, labels, average="micro"),
        }
    value, truth = scores.squeeze(-1), y.float()
    return {
        "mae": f.mean_absolute_error(value, truth),
        "rmse": f.mean_squared_error(value, truth, squared=False),
        "r2": f.r2_score(value, truth) if len(truth) > 1 else torch.tensor(math.nan),
    }


def _undefined(task: Task, y: Tensor) -> set[str]:
    """Metrics that torchmetrics answers with 0 although they have no value."""
    if metric_family(task) == "binary" and len(torch.unique(y)) < 2:
        return {"auroc", "average_precision"}
    if task.problem == "regression" and len(y) > 1 and bool((y == y[0]).all()):
        return {"r2"}
    return set()


def baseline(task: Task, train_labels: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> dict[str, float | None]:
    """The headline metric of the constant prediction: the training part's majority class, mean or label rates."""
    if len(y) == 0 or len(train_labels) == 0:
        return {}
    if task.problem == "multiclass":
        majority = int(np.bincount(train_labels, minlength=task.num_outputs).argmax())
        return {"accuracy": float((y == majority).mean())}
    if task.problem == "multilabel":
        rates = np.clip(np.asarray(train_labels, dtype=np.float64).mean(axis=0), 1e-6, 1 - 1e-6)
        logits = torch.from_numpy(np.log(rates / (1 - rates))).float().expand(len(y), -1)
        found = evaluate(task, logits, torch.from_numpy(np.ascontiguousarray(y)))
        return {"micro_f1": found["micro_f1"], "average_precision": found["average_precision"]}
    error = y.astype(np.float64) - float(np.mean(train_labels))
    return {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean()))}
