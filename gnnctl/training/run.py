"""One training run from a split to the files of a model artifact."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError
from gnnctl.nn.models import ModelOptions
from gnnctl.sampling.methods import Spec
from gnnctl.splits import NodeSplit
from gnnctl.training.checkpoint import save_weights
from gnnctl.training.inference import logits_of
from gnnctl.training.loop import STATE_SECONDS, BatchSource, FitResult, Trainer, seed_torch
from gnnctl.training.metrics import baseline, evaluate
from gnnctl.training.models import model_for
from gnnctl.training.options import TrainOptions
from gnnctl.training.tasks import Task, check_seeds
from gnnctl.training.trained import WEIGHTS, model_document

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class TrainedRun:
    """What a run leaves.

    Attributes:
        fit: the loop's result. metrics: exact metrics by part, with the baseline. document: contents of model.json.
        weights: sha256 of weights.safetensors. model: with the best weights.
    """

    model: nn.Module
    fit: FitResult
    metrics: dict[str, Any]
    document: dict[str, Any]
    weights: str

    def summary(self) -> dict[str, Any]:
        """What the manifest says of the model."""
        facts = {name: self.document[name] for name in ("parameters", "best_epoch", "epochs", "weights")}
        return {
            "model": self.document["model"]["name"],
            **facts,
            "monitor": self.fit.monitor,
            "best_value": self.fit.best_value,
            "metrics": self.metrics,
        }


def train_model(
    split: NodeSplit,
    source: Callable[[nn.Module], BatchSource],
    model_options: ModelOptions,
    options: TrainOptions,
    folder: Path,
    *,
    spec: Spec | None = None,
    device: torch.device | str = "cpu",
    save_seconds: float = STATE_SECONDS,
    progress: Progress = no_progress,
    log: Callable[[str], None] = lambda text: None,
) -> TrainedRun:
    """Train, keep the best epoch, evaluate it exactly on every part.

    Args:
        source: makes the batches for the model, on ``device``.
        folder: gets weights.safetensors, state.pt and metrics.jsonl; a state found there is resumed.
        spec: what the batches were sampled with, for the record.
        save_seconds: least time between two saves of the state.

    Raises:
        DataError: a part without seeds, a loss that is no number. UsageError: options that do not fit the task.
    """
    device = torch.device(device)
    rows, labels = split.part("train")
    check_seeds("train", rows)
    task = Task.of(split.target, labels, options.class_weights, options.label_smoothing)
    model = initial_model(split, model_options, options.seed).to(device)
    log(f"{model_options.name}: {count_parameters(model):,} parameters, {len(rows):,} training seeds, on {device}")
    trainer = Trainer(model, task, source(model), options, device, folder, progress, save_seconds)
    done = trainer.resume()
    if done:
        log(f"resuming after epoch {done} of {options.epochs}")
    fit = trainer.fit()
    weights = save_weights(folder / WEIGHTS, fit.best_weights)
    model.load_state_dict(fit.best_weights)
    metrics = evaluate_exactly(model, task, split, device, None if spec is None else spec.whole(), progress)
    facts = {
        "batch_size": options.batch_size,
        "best_epoch": fit.best_epoch,
        "epochs": fit.epochs,
        "weights": weights,
        "threads": torch.get_num_threads(),
        "device": device.type,
        "parameters": count_parameters(model),
    }
    document = model_document(model_options, split.graph.schema, split.target, spec, options, facts)
    return TrainedRun(model, fit, metrics, document, weights)


def initial_model(split: NodeSplit, model_options: ModelOptions, seed: int) -> nn.Module:
    """The model with its first weights, a function of the seed alone (same torch)."""
    seed_torch(seed, 0)
    graph = split.graph
    model = model_for(split.target, model_options, graph.schema)
    if fit_degrees := getattr(model, "fit_degrees", None):
        fit_degrees(lambda t: torch.from_numpy(np.bincount(np.diff(graph.edges[t].colptr))))
    return model


def count_parameters(model: nn.Module) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def evaluate_exactly(
    model: nn.Module,
    task: Task,
    split: NodeSplit,
    device: torch.device,
    spec: Spec | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Metrics of every part from exact logits, and of the constant prediction under ``baseline``.

    Args:
        spec: what each seed may see, where that is not everything.

    Raises:
        DataError: a logit that is no number.
    """
    parts = {name: split.part(name) for name in PARTS}
    rows = np.concatenate([part[0] for part in parts.values()])
    logits = logits_of(model, split.graph, split.target.node_type, rows, spec, device=device, progress=progress)
    if not np.isfinite(logits).all():
        raise DataError("the trained model gives scores that are no numbers", fix="lower --lr or pass --clip-grad 1")
    found: dict[str, Any] = {}
    start = 0
    for name, (part_rows, labels) in parts.items():
        end = start + len(part_rows)
        y = torch.from_numpy(np.array(labels))
        found[name] = {"seeds": len(part_rows), **evaluate(task, torch.from_numpy(logits[start:end]), y)}
        found[name]["baseline"] = baseline(task, parts["train"][1], labels)
        start = end
    return found
