"""What frozen embeddings are worth: a linear model on them, and the nearest class mean of a few examples."""

import warnings
from typing import Any

import numpy as np
import torch

from gnnctl.errors import DataError, UsageError
from gnnctl.training.metrics import evaluate
from gnnctl.training.tasks import Task

PROBE_ROWS = 20_000  # of the train part, at most
ITERATIONS = 300


def linear_probe(
    task: Task, embeddings: dict[str, np.ndarray], labels: dict[str, np.ndarray]
) -> dict[str, dict[str, float | None]]:
    """Metrics by part of a linear model that was fitted on the train part's standardised embeddings.

    Logistic regression for classes and for each label, ridge regression for numbers; at most :data:`PROBE_ROWS` rows,
    evenly spread, are fitted on.

    Args:
        task: what the labels are.
        embeddings: by part (n, width). labels: by part.
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = embeddings["train"], labels["train"]
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), PROBE_ROWS)).astype(np.int64))
    x, y = x[chosen], y[chosen]
    if task.problem == "multiclass" and len(np.unique(y)) < 2:
        raise DataError("the train part has one class: a probe has nothing to tell apart", fix="split again")
    classifier: Any = LogisticRegression(max_iter=ITERATIONS)
    if task.problem == "regression":
        classifier = RidgeCV(np.logspace(-3, 3, 7))
    elif task.problem == "multilabel":
        classifier = OneVsRestClassifier(classifier)
    model = make_pipeline(StandardScaler(), classifier)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged yet, or a label that never occurs: the metrics tell
        model.fit(x, y)
    return {
        name: evaluate(task, _logits(task, model, part), torch.from_numpy(np.array(labels[name])))
        for name, part in embeddings.items()
    }


def _logits(task: Task, model: Any, x: np.ndarray) -> torch.Tensor:
    if len(x) == 0:
        return torch.zeros(0, task.num_outputs)
    if task.problem == "regression":
        return torch.from_numpy((model.predict(x) - task.mean) / task.std).float()[:, None]
    with np.errstate(divide="ignore"):
        probability = np.clip(model.predict_proba(x), 1e-12, 1 - 1e-7)
    if task.problem == "multilabel":
        return torch.from_numpy(np.log(probability) - np.log1p(-probability)).float()
    logits = np.full((len(x), task.num_outputs), np.log(1e-12))
    logits[:, model[-1].classes_] = np.log(probability)
    return torch.from_numpy(logits).float()


def prototype_scores(embeddings: np.ndarray, examples: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(n, num_classes) logits: ten times the cosine to each class's mean example; classes without any get -inf.

    "Prototypical Networks for Few-shot Learning" (Snell et al., 2017), with cosine in place of distance, over
    embeddings centred on the examples' mean.

    Args:
        embeddings: (n, width). examples: (m, width), of classes ``labels`` (m,).
    """
    centre = examples.mean(0)
    means = np.zeros((num_classes, examples.shape[1]))
    np.add.at(means, labels, _unit(examples - centre))
    counts = np.bincount(labels, minlength=num_classes)
    scores = 10 * _unit(embeddings - centre) @ _unit(means).T
    scores[:, counts == 0] = -np.inf
    found: np.ndarray = scores.astype(np.float32)
    return found


def draw_shots(labels: np.ndarray, shots: int, seed: int, episode: int) -> np.ndarray:
    """Positions of ``shots`` examples of each class that has as many, ascending; a function of seed and episode.

    Raises:
        UsageError: no class has so many examples.
    """
    rng = np.random.default_rng([seed, episode])
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    first = np.cumsum(counts) - counts
    chosen = [order[first[c] : first[c] + shots] for c in range(len(counts)) if counts[c] >= shots]
    if len(chosen) < 2:
        raise UsageError(f"--shots {shots}: fewer than two classes have so many examples", fix="ask for fewer")
    return np.sort(np.concatenate(chosen))


def _unit(x: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    found: np.ndarray = x / np.maximum(length, 1e-12)
    return found
