"""k-fold evaluation: a model a fold, its epoch chosen on another fold, and the spread of the test metrics."""

import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gnnctl.console import Progress, no_progress
from gnnctl.errors import UsageError
from gnnctl.nn.models import ModelOptions
from gnnctl.splits import NodeSplit
from gnnctl.splits.folds import fold_numbers, fold_split
from gnnctl.training.checkpoint import write_atomic
from gnnctl.training.inputs import TrainingInput
from gnnctl.training.job import NodeJob
from gnnctl.training.loop import BatchSource, Trainer
from gnnctl.training.metrics import DEFAULT_CURVE, better, metric_family
from gnnctl.training.options import TrainOptions
from gnnctl.training.tasks import Task

FOLDS = "folds.jsonl"


class _Tested(Trainer):
    """A trainer that also notes the test fold's metrics after every epoch; nothing is chosen by them."""

    tested: BatchSource

    def _validate(self) -> dict[str, Any]:
        found = super()._validate()
        if not found:
            return found
        source, self.source = self.source, self.tested
        try:
            test = super()._validate()
        finally:
            self.source = source
        return {**found, **{name.replace("val_", "test_", 1): value for name, value in test.items()}}


def cross_validate(
    found: TrainingInput,
    count: int,
    model_options: ModelOptions,
    options: TrainOptions,
    path: Path,
    *,
    device: torch.device,
    threads: int = 2,
    progress: Progress = no_progress,
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Train and test a model for each fold of the train part; folds that ``path`` holds are not done again.

    Args:
        found: the split, and how batches are made.
        count: folds.
        path: gets a JSON line a fold.

    Returns:
        The entry ``folds`` of metrics.json; see :func:`summarise`.

    Raises:
        UsageError: options that do not fit. DataError: fewer seeds than folds.
    """
    whole = found.split
    if not isinstance(whole, NodeSplit):
        raise UsageError("--folds: the views of a split of links are of its own parts", fix="leave it out")
    folds = fold_numbers(whole, count, options.seed)
    # A line without its end was being written when an earlier run was killed.
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    write_atomic(path, "".join(f"{line}\n" for line in lines).encode())
    each = [json.loads(line) for line in lines]
    with path.open("a") as stream:
        for fold in range(len(each), count):
            split = fold_split(whole, folds, fold)
            record = {
                "fold": fold,
                **_run(replace(found, split=split), split, model_options, options, device, threads, progress),
            }
            stream.write(json.dumps(record, allow_nan=False) + "\n")
            stream.flush()
            each.append(record)
            log(f"fold {fold + 1} of {count}: {_shown(record['test'])} at epoch {record['best_epoch']}")
    task = Task.of(whole.target, whole.part("train")[1])
    return summarise(each, DEFAULT_CURVE[metric_family(task)])


def _run(
    found: TrainingInput,
    split: NodeSplit,
    model_options: ModelOptions,
    options: TrainOptions,
    device: torch.device,
    threads: int,
    progress: Progress,
) -> dict[str, Any]:
    job = NodeJob(split)
    model = job.initial_model(model_options, options.seed).to(device)
    source = found.batches(model, device, threads)
    trainer = _Tested(model, job.objective(options), source, options, device, progress=progress)
    judged = replace(split, parts={**split.parts, "val": split.part("test")})
    trainer.tested = replace(found, split=judged).batches(model, device, threads)
    fit = trainer.fit()
    model.load_state_dict(fit.best_weights)
    spec = None if found.spec is None else found.spec.whole()
    metrics = job.evaluate(model, device, spec).metrics
    curves: dict[str, list[float | None]] = {}
    for record in fit.history:
        for name, value in record.items():
            if name.startswith("test_"):
                curves.setdefault(name.removeprefix("test_"), []).append(value)
    epochs = [record["epoch"] for record in fit.history if "test_loss" in record]
    return {
        "seeds": {name: metrics[name]["seeds"] for name in metrics},
        "best_epoch": fit.best_epoch,
        "val": _values(metrics["val"]),
        "test": _values(metrics["test"]),
        "epochs": epochs,
        "test_curves": curves,
    }


def _values(metrics: dict[str, Any]) -> dict[str, float | None]:
    return {name: value for name, value in metrics.items() if name not in ("seeds", "baseline")}


def _shown(metrics: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if value is not None)


def summarise(each: list[dict[str, Any]], metric: str) -> dict[str, Any]:
    """Means and population deviations over the folds, by two protocols.

    ``epoch_chosen_on_validation``: each fold is tested at the epoch that another fold chose. This estimates how the
    model does on what it has not seen. ``epoch_chosen_on_test_curves``: one epoch for all folds, the first at which the
    mean of the test curves of ``metric`` is best. Published figures often are of this kind; choosing by the test folds
    makes it too good, so it is for comparison with those alone.

    Args:
        each: records of the folds.
        metric: whose curves choose, in the second.
    """
    chosen = {name: _spread([fold["test"][name] for fold in each]) for name in each[0]["test"]}
    # Early stopping may have ended folds at different epochs: only those that all reached can be compared.
    reached = min(len(fold["epochs"]) for fold in each)
    best, at = None, 0
    for i in range(reached):
        values = [fold["test_curves"][metric][i] for fold in each]
        if None not in values and better(metric, value := statistics.fmean(values), best):
            best, at = value, i
    curves = {name: _spread([fold["test_curves"][name][at] for fold in each]) for name in each[0]["test_curves"]}
    return {
        "count": len(each),
        "seeds": sum(fold["seeds"]["test"] for fold in each),
        "epoch_chosen_on_validation": chosen,
        "epoch_chosen_on_test_curves": {"metric": metric, "epoch": each[0]["epochs"][at], **curves},
        "each": [{key: fold[key] for key in ("fold", "seeds", "best_epoch", "val", "test")} for fold in each],
    }


def _spread(values: Iterable[float | None]) -> dict[str, float | None]:
    known = list(values)
    if None in known:
        return {"mean": None, "std": None}
    numbers = [value for value in known if value is not None]
    return {"mean": statistics.fmean(numbers), "std": statistics.pstdev(numbers)}
