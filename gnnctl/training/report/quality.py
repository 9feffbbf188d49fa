"""How good predictions are, class by class and by how sure the model was."""

import numpy as np
import torch

from gnnctl.page import Card, html_table
from gnnctl.page.charts import line_chart, matrix_chart
from gnnctl.training.metrics import METRICS, evaluate
from gnnctl.training.tasks import Task

MOST_CLASSES = 20  # in the matrix, the largest ones
BINS = 10


def quality_cards(task: Task, logits: np.ndarray, y: np.ndarray, names: list[str], part: str) -> list[Card]:
    """Cards on predictions of one part.

    Args:
        logits: (n, num_outputs) float32. y: (n,) or (n, num_outputs).
        names: of the classes; empty for numbers.
        part: its name.
    """
    scores = task.scores(torch.from_numpy(logits)).numpy()
    if task.problem == "regression":
        return [_predicted_values(scores[:, 0], y, part)]
    if task.names:
        cards = [_targets(task, logits, y, part)]
        known = ~np.isnan(y)
        return [*cards, _of_labels(scores[known], y[known] >= 0.5, part)] if task.problem == "multibinary" else cards
    if task.problem == "multilabel":
        said, truth = scores >= 0.5, y >= 0.5
        table = _table("label", names, truth.sum(0), said.sum(0), (truth & said).sum(0), part)
        return [table, _of_labels(scores.reshape(-1), truth.reshape(-1), part)]
    predicted = scores.argmax(1)
    counts = confusion(y, predicted, len(names))
    classes = _table("class", names, counts.sum(1), counts.sum(0), np.diag(counts), part)
    cards = [classes, _confusion(counts, names, part)]
    return [*cards, _calibration(scores, y, part)]


def _targets(task: Task, logits: np.ndarray, y: np.ndarray, part: str) -> Card:
    """Each of several targets, the rows that have its value, and its metrics."""
    found = evaluate(task, torch.from_numpy(logits), torch.from_numpy(y))
    names = METRICS[task.problem]
    known = (~np.isnan(y)).sum(0)
    rows = [
        [of, int(known[i]), *("-" if (value := found[f"{name}/{of}"]) is None else f"{value:.4f}" for name in names)]
        for i, of in enumerate(task.names)
    ]
    return Card(f"Targets, {part}", html_table(["target", "known", *names], rows))


def confusion(y: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) int64: seeds of each true class by the class that was predicted."""
    flat = np.bincount(y.astype(np.int64) * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes)


def calibration(scores: np.ndarray, y: np.ndarray, bins: int = BINS) -> tuple[list[tuple[float, float, int]], float]:
    """Mean confidence, accuracy and seeds of each bin that has any, and the expected calibration error.

    The error is the mean over the seeds of the distance between both ("On Calibration of Modern Neural Networks", Guo
    et al., 2017), with bins of equal width over the probability of the predicted class.
    """
    return reliability(scores.max(1), scores.argmax(1) == y, np.ones(len(y)), bins)


def reliability(
    probability: np.ndarray, truth: np.ndarray, weight: np.ndarray, bins: int = BINS
) -> tuple[list[tuple[float, float, int]], float]:
    """Of each bin that has any the mean probability, the share that is true and the count; and the calibration error.

    Args:
        probability: (n,) of being true, 0 to 1. truth: (n,) bool. weight: (n,) of each in means and shares.
    """
    which = np.minimum((probability * bins).astype(np.int64), bins - 1)
    found, error = [], 0.0
    for i in np.unique(which):
        own = which == i
        mass = weight[own]
        mean, share = float(np.average(probability[own], weights=mass)), float(np.average(truth[own], weights=mass))
        found.append((mean, share, int(own.sum())))
        error += float(mass.sum() / weight.sum()) * abs(mean - share)
    return found, error


def _table(what: str, names: list[str], true: np.ndarray, predicted: np.ndarray, right: np.ndarray, part: str) -> Card:
    """Each of ``names``, by counts (K,) of the seeds that have it, that are said to have it, and of both."""
    rows = []
    for i in np.argsort(-true, kind="stable"):
        if true[i] or predicted[i]:
            recall = float(right[i] / true[i]) if true[i] else None
            precision = float(right[i] / predicted[i]) if predicted[i] else None
            f1 = float(2 * right[i] / (true[i] + predicted[i]))
            rows.append([names[i], int(true[i]), int(predicted[i]), precision, recall, f1])
    table = html_table([what, "seeds", "predicted", "precision", "recall", "F1"], rows)
    return Card(f"Each {what}, {part} part", f'<div class="scroll">{table}</div>', wide=True)


def _confusion(counts: np.ndarray, names: list[str], part: str) -> Card:
    shown = np.argsort(-counts.sum(1), kind="stable")[:MOST_CLASSES]
    note = "Each row is a true class; the darker a square, the larger its share of the row. Hover for counts."
    if len(shown) < len(names):
        note += f" The {len(shown)} largest of {len(names)} classes."
    chart = matrix_chart(counts[np.ix_(shown, shown)], [names[i] for i in shown], rows="true", columns="predicted")
    return Card(f"What is taken for what, {part} part", chart, note)


def _calibration(scores: np.ndarray, y: np.ndarray, part: str) -> Card:
    note = "Below the dashed line the model is surer than it is right; above it, the other way round."
    return calibration_card(*calibration(scores, y), part, "probability of the predicted class", "accuracy", note)


def _of_labels(probability: np.ndarray, truth: np.ndarray, part: str) -> Card:
    """Of all yes or no that were asked for, (n,) each."""
    note = "All of them together. Below the dashed line the model sees more than there are; above it, fewer."
    bins = reliability(probability, truth, np.ones(len(truth)))
    return calibration_card(*bins, part, "probability of a yes", "share of yes", note)


def calibration_card(bins: list[tuple[float, float, int]], error: float, part: str, x: str, y: str, note: str) -> Card:
    """The answer of :func:`reliability` beside the line where both are the same.

    Args:
        x, y: what is said, and what is so.
    """
    points = [(mean, share) for mean, share, _ in bins]
    chart = line_chart({y: points}, x=x, y=y, diagonal=True, span=(0.0, 1.0))
    said = f"Expected calibration error {error:.3f}. {note}"
    return Card(f"Is it as sure as it is right? {part} part", chart, said)


def _predicted_values(values: np.ndarray, y: np.ndarray, part: str) -> Card:
    order = np.argsort(y, kind="stable")
    groups = [group for group in np.array_split(order, 20) if len(group)]
    rows = [
        [
            f"{y[g].min():.4g} to {y[g].max():.4g}",
            len(g),
            float(values[g].mean()),
            float(np.abs(values[g] - y[g]).mean()),
        ]
        for g in groups
    ]
    table = html_table(["true value", "seeds", "mean prediction", "mean absolute error"], rows)
    return Card(f"By true value, {part} part", table, "Twentieths of the seeds, by their true value.", wide=True)
