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
SMALLER_IS_BETTER = frozenset({"loss", "mae", "rmse"})  # of one target too, as rmse/NAME
METRICS = {
    "binary": ("accuracy", "macro_f1", "auroc", "average_precision"),
    "multiclass": ("accuracy", "macro_f1"),
    "multilabel": ("micro_f1", "macro_f1", "average_precision"),
    "regression": ("mae", "rmse", "r2"),
    "multibinary": ("auroc", "average_precision", "accuracy"),
    "multiregression": ("mae", "rmse", "r2"),
}
DEFAULT_MONITOR = {
    "binary": "auroc",
    "multiclass": "accuracy",
    "multilabel": "micro_f1",
    "regression": "rmse",
    "multibinary": "auroc",
    "multiregression": "rmse",
}
# What people plot over the epochs.
DEFAULT_CURVE = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "multilabel": "micro_f1",
    "regression": "mae",
    "multibinary": "auroc",
    "multiregression": "mae",
}


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
    choices = ("loss", *METRICS[family], *(f"{name}/{of}" for name in METRICS[family] for of in task.names))
    if monitor not in choices:
        raise UsageError(f"--monitor {monitor} is no metric of a {family} problem", fix=f"pass {', '.join(choices)}")
    return monitor


def better(metric: str, value: float | None, best: float | None) -> bool:
    """Whether ``value`` beats ``best``; None (undefined) never does."""
    if value is None:
        return False
    if best is None:
        return True
    return value < best if metric.partition("/")[0] in SMALLER_IS_BETTER else value > best


def evaluate(task: Task, logits: Tensor, y: Tensor) -> dict[str, float | None]:
    """Metrics of METRICS and the unweighted loss over all rows.

    Args:
        logits: (n, num_outputs). y: (n,) int64 or float32, or (n, num_outputs) float32.

    Returns:
        name -> value; None where it is undefined, as AUROC over one class.
    """
    if task.names:
        return _evaluate_several(task, logits.detach().float().cpu(), y.detach().float().cpu())
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


def _evaluate_several(task: Task, logits: Tensor, y: Tensor) -> dict[str, float | None]:
    """Of several targets each one's metrics over the rows that have its value, as ``METRIC/NAME``, and their means."""
    found: dict[str, float | None] = {"loss": float(task.plain().loss(logits, y)) if len(y) else None}
    names, each = METRICS[task.problem], []
    for i in range(task.num_outputs):
        known = ~y[:, i].isnan()
        truth = y[known, i]
        if task.problem == "multibinary":
            alone = Task("multiclass", 2)
            two = torch.stack([torch.zeros(len(truth)), logits[known, i]], dim=1)  # whose softmax is (1 - s, s)
            each.append(evaluate(alone, two, truth.long()))
        else:
            mean, std = (np.broadcast_to(values, task.num_outputs) for values in (task.mean, task.std))
            each.append(evaluate(Task("regression", 1, float(mean[i]), float(std[i])), logits[known, i, None], truth))
    for name in names:
        values = [value for one in each if (value := one[name]) is not None]
        found[name] = sum(values) / len(values) if values else None
    return found | {f"{name}/{of}": one[name] for name in names for of, one in zip(task.names, each, strict=True)}


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
    if task.problem == "multibinary":
        rates = np.nan_to_num(np.nanmean(np.asarray(train_labels, dtype=np.float64), axis=0), nan=0.5)
        right = np.where(np.isnan(y), np.nan, (y > 0.5) == (rates > 0.5))
        return {"accuracy": float(np.nanmean(np.nanmean(right, axis=0)))}
    if task.problem == "multiregression":
        errors = y.astype(np.float64) - np.asarray(task.mean)
        mae, mse = np.nanmean(np.abs(errors), axis=0), np.nanmean(errors**2, axis=0)
        return {"mae": float(np.nanmean(mae)), "rmse": float(np.nanmean(np.sqrt(mse)))}
    error = y.astype(np.float64) - float(np.mean(train_labels))
    return {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean()))}
