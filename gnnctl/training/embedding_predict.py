"""Embeddings as predictions, and few-shot classification on them."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch

from gnnctl.console import Progress, no_progress
from gnnctl.errors import UsageError
from gnnctl.nn.models.unsupervised import Unsupervised, WalkModel
from gnnctl.training.embedding_job import embeddings_of
from gnnctl.training.inference import exact_outputs
from gnnctl.training.metrics import evaluate
from gnnctl.training.predictions import (
    PARTS,
    embedding_column,
    known_targets,
    part_names,
    parts_of,
    predictions_table,
)
from gnnctl.training.probe import draw_shots, prototype_scores
from gnnctl.training.trained import TrainedModel

if TYPE_CHECKING:
    from gnnctl.training.predict import Prediction

EPISODES = 100
_NORMAL_95 = 1.96


def embedding_table(prediction: "Prediction", memory: int, progress: Progress = no_progress) -> pa.Table:
    """Columns ``id``, ``split``, ``target`` where the split has one, and ``embedding``, a row for each asked node."""
    trained, graph, rows = prediction.trained, prediction.graph, prediction.rows
    node_type = trained.target.node_type
    columns = {"id": graph.ids_of(node_type, rows), "split": part_names(_parts(prediction))}
    if trained.target.problem != "none" and (known := known_targets(graph, trained.target, rows)) is not None:
        columns["target"] = known
    columns["embedding"] = embedding_column(_embed(prediction, rows, memory, progress))
    return pa.table(columns)


def few_shot(
    prediction: "Prediction", shots: int, seed: int, memory: int, progress: Progress = no_progress
) -> tuple[pa.Table, dict[str, dict[str, Any]]]:
    """Predictions by the nearest class mean of ``shots`` examples a class, drawn from the train part.

    Returns:
        The predictions table, of the first of :data:`EPISODES` draws, and metrics of val and test: of that draw, and as
        ``few_shot_accuracy`` the mean accuracy over all draws with half the width of its 95 % interval
        (``few_shot_interval``).

    Raises:
        UsageError: no classes, or fewer than two with so many examples.
    """
    trained = prediction.trained
    if trained.target.problem != "multiclass":
        raise UsageError("--shots needs classes to tell apart", fix="train on a split whose target is classes")
    rows, labels = trained.split.part("train")
    embedded = _embed(prediction, np.concatenate([rows, prediction.rows]), memory, progress)
    examples, wanted = embedded[: len(rows)], embedded[len(rows) :]
    classes = trained.target.num_outputs
    parts = _parts(prediction)
    known = {name: np.flatnonzero(parts == PARTS.index(name)) for name in ("val", "test")}
    truth = {name: _labels(trained, name, prediction.rows[chosen]) for name, chosen in known.items()}
    right: dict[str, list[float]] = {name: [] for name in known}
    first: np.ndarray | None = None
    for episode in range(EPISODES):
        chosen = draw_shots(labels, shots, seed, episode)
        scores = prototype_scores(wanted, examples[chosen], labels[chosen], classes)
        first = scores if first is None else first
        for name, at in known.items():
            if len(at):
                right[name].append(float((scores[at].argmax(1) == truth[name]).mean()))
    assert first is not None
    logits = torch.from_numpy(first)
    metrics: dict[str, dict[str, Any]] = {}
    for name, at in known.items():
        if len(at):
            found = evaluate(trained.task, logits[at], torch.from_numpy(truth[name]))
            spread = _NORMAL_95 * float(np.std(right[name], ddof=1)) / EPISODES**0.5
            several = {"few_shot_accuracy": float(np.mean(right[name])), "few_shot_interval": spread}
            metrics[name] = {"seeds": len(at), **found, **several}
    probabilities = logits.softmax(1).numpy()
    return predictions_table(prediction.graph, trained.target, prediction.rows, parts, probabilities), metrics


def _embed(prediction: "Prediction", rows: np.ndarray, memory: int, progress: Progress) -> np.ndarray:
    model, graph, given = prediction.trained.model, prediction.graph, prediction.node_ids
    if isinstance(model, Unsupervised | WalkModel):
        return embeddings_of(
            model,
            graph,
            rows,
            spec=prediction.spec,
            device=prediction.device,
            node_ids=given,
            memory=memory,
            progress=progress,
        )
    node_type = prediction.trained.target.node_type
    _, hidden = exact_outputs(
        model, graph, node_type, rows, device=prediction.device, node_ids=given, memory=memory, progress=progress
    )  # fmt: skip
    if hidden is None:
        problem = f"--shots: {prediction.trained.options.name} does not say what its embeddings are"
        raise UsageError(problem, fix="choose another model")
    return hidden


def _parts(prediction: "Prediction") -> np.ndarray:
    if prediction.node_ids is not None:
        return np.zeros(len(prediction.rows), np.int8)
    trained = prediction.trained
    found: np.ndarray = parts_of(trained.split, prediction.graph.num_nodes(trained.target.node_type))[prediction.rows]
    return found


def _labels(trained: TrainedModel, part: str, rows: np.ndarray) -> np.ndarray:
    known, labels = trained.split.part(part)
    found: np.ndarray = np.array(labels)[np.searchsorted(known, rows)]
    return found
