"""One training run from a split to the files of a model artifact."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gnnctl.console import Progress, no_progress
from gnnctl.errors import UsageError
from gnnctl.nn.models import ModelOptions
from gnnctl.sampling.methods import Spec
from gnnctl.training.checkpoint import clone_weights, save_weights
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.evaluation import Evaluation
from gnnctl.training.job import Job
from gnnctl.training.loop import STATE_SECONDS, BatchSource, FitResult, Trainer
from gnnctl.training.objective import Objective
from gnnctl.training.options import TrainOptions
from gnnctl.training.trained import WEIGHTS, model_document


@dataclass(frozen=True)
class TrainedRun:
    """What a run leaves.

    Attributes:
        fit: the loop's result. evaluation: of that model. document: contents of model.json.
        weights: sha256 of weights.safetensors. model: with the best weights.
    """

    model: nn.Module
    fit: FitResult
    evaluation: Evaluation
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
            "metrics": self.evaluation.metrics,
        }


def train_model(
    job: Job,
    source: Callable[[nn.Module], BatchSource],
    model_options: ModelOptions,
    options: TrainOptions,
    folder: Path,
    *,
    spec: Spec | None = None,
    device: torch.device | str = "cpu",
    save_seconds: float = STATE_SECONDS,
    initial: Callable[[nn.Module], object] | None = None,
    progress: Progress = no_progress,
    log: Callable[[str], None] = lambda text: None,
    processes: Processes = ALONE,
) -> TrainedRun:
    """Train, keep the best epoch, evaluate it exactly on every part.

    In a process that is not the first of its run, :func:`fit_model` and :func:`judged` do.

    Args:
        job: the split, and what it asks for.
        source: makes the batches for the model, on ``device``.
        folder: gets weights.safetensors, state.pt and metrics.jsonl; a state found there is resumed.
        spec: what the batches were sampled with, for the record.
        initial: called with the model before it is trained, to give it other first weights.
        save_seconds: least time between two saves of the state.
        processes: this one, the first, and those in which :func:`fit_model` runs; ``source`` gives each its share.

    Raises:
        DataError: a part without seeds, a loss that is no number. UsageError: options that do not fit the task.
        ResourceError: another process was lost.
    """
    device = torch.device(device)
    split = job.split
    model, fit = fit_model(
        job,
        source,
        model_options,
        options,
        folder,
        device=device,
        save_seconds=save_seconds,
        initial=initial,
        progress=progress,
        log=log,
        processes=processes,
    )
    weights = save_weights(folder / WEIGHTS, fit.best_weights)
    evaluation = judged(job, model, fit, spec, device=device, progress=progress, processes=processes)
    facts = {
        "batch_size": options.batch_size,
        "best_epoch": fit.best_epoch,
        "epochs": fit.epochs,
        "weights": weights,
        "threads": torch.get_num_threads(),
        "device": device.type,
        **({} if processes.share.among == 1 else {"processes": processes.share.among}),
        "parameters": count_parameters(model),
        **job.recorded,
    }
    document = model_document(model_options, split.graph.schema, split.target, spec, options, facts)
    return TrainedRun(model, fit, evaluation, document, weights)


def fit_model(
    job: Job,
    source: Callable[[nn.Module], BatchSource],
    model_options: ModelOptions,
    options: TrainOptions,
    folder: Path | None,
    *,
    device: torch.device,
    save_seconds: float = STATE_SECONDS,
    initial: Callable[[nn.Module], object] | None = None,
    progress: Progress = no_progress,
    log: Callable[[str], None] = lambda text: None,
    processes: Processes = ALONE,
) -> tuple[nn.Module, FitResult]:
    """Train until the best epoch is known; the model has the weights of the last one.

    Args:
        folder: as for :func:`train_model`; None in a process that is not the first of its run.
        job, source, model_options, options, device, save_seconds, initial, processes: as for :func:`train_model`.

    Raises:
        As :func:`train_model`.
    """
    objective = job.objective(options)
    model = job.initial_model(model_options, options.seed)
    if initial is not None:
        initial(model)
    model.to(device)
    if not learns(model):
        log(f"{model_options.name}: nothing to train")
        return model, _nothing_to_fit(model, objective, options)
    batches, count = source(model), processes.share.among
    steps = "1 step" if batches.steps == 1 else f"{batches.steps:,} steps"
    where = f"{count} processes with {device.type}" if count > 1 else str(device)
    log(f"{model_options.name}: {count_parameters(model):,} parameters, {steps} an epoch, on {where}")
    if count > 1 and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        log("batch norm: the statistics are of each process's part of a batch, not of the whole")
    with processes.watched():
        trainer = Trainer(model, objective, batches, options, device, folder, progress, save_seconds, processes)
        done = trainer.resume()
    if done:
        log(f"resuming after epoch {done} of {options.epochs}")
    return model, trainer.fit()


def judged(
    job: Job,
    model: nn.Module,
    fit: FitResult,
    spec: Spec | None,
    *,
    device: torch.device | str,
    progress: Progress = no_progress,
    processes: Processes = ALONE,
) -> Evaluation:
    """The exact evaluation of the best epoch, whose weights the model gets; after it processes part.

    Raises:
        DataError: the model's outputs are no numbers. ResourceError: another process was lost.
    """
    model.load_state_dict(fit.best_weights)
    with processes.watched():
        processes.settle(model)
        found = job.evaluate(model, torch.device(device), None if spec is None else spec.whole(), progress, processes)
    processes.part()
    return found


def learns(model: nn.Module) -> bool:
    """Whether a model has weights to train; else what it needs of the labels was given to it when it was made."""
    return bool(getattr(model, "learns", True))


def _nothing_to_fit(model: nn.Module, objective: Objective, options: TrainOptions) -> FitResult:
    """The result of no epoch.

    Raises:
        UsageError: options of a training that does not take place.
    """
    plain = TrainOptions(epochs=options.epochs, seed=options.seed)
    for one in fields(TrainOptions):
        if getattr(options, one.name) != getattr(plain, one.name):
            flag = f"--{one.name.replace('_', '-')}"
            raise UsageError(f"{flag}: this model has nothing to train", fix="leave it out")
    return FitResult(clone_weights(model), 0, None, objective.monitor(None), 0, False, [])


def count_parameters(model: nn.Module) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
