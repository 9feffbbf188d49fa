"""The training loop: epochs over batches, validation, early stopping, and a state to resume from.

Everything random in an epoch is keyed by (seed, epoch): an epoch begins by seeding torch, so a resumed run draws what
the uninterrupted one would have drawn, and its weights are the same bit for bit.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError, UsageError
from gnnctl.training.checkpoint import History, State, clone_weights, load_state, save_state
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.metrics import better
from gnnctl.training.objective import Objective
from gnnctl.training.optim import Plateau, build_optimizer, rate_factor
from gnnctl.training.options import TrainOptions, check_precision

if TYPE_CHECKING:
    from gnnctl.graph.batch import Batch

STATE_SECONDS = 10.0  # the state is saved at the end of an epoch, when the last save is at least this old
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class BatchSource(Protocol):
    """Where the batches of an epoch come from; each is on the training device and has what the objective asks for."""

    steps: int  # batches per epoch
    has_validation: bool

    def train(self, epoch: int) -> "Iterable[Any]":
        """The batches of one epoch (from 1), in their fixed order."""

    def validation(self) -> "Iterable[Any]":
        """The batches of the validation part; the same ones each time."""


@dataclass(frozen=True)
class FitResult:
    """What a run ended with: weights of the best epoch (on the CPU) and the records of all epochs."""

    best_weights: dict[str, Tensor]
    best_epoch: int
    best_value: float | None
    monitor: str
    epochs: int
    stopped_early: bool
    history: list[dict[str, Any]]


class Trainer:
    """Trains one model.

    Args:
        model: on ``device``; ``model(batch)`` gives what the objective takes.
        objective: what is minimised.
        source: the batches.
        folder: where state.pt and metrics.jsonl are kept; None keeps nothing.
        progress: makes the progress bar.
        state_seconds: least time between two saves of the state.
        processes: that train the model together, each with its part of the batches. The first one's folder counts.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        source: BatchSource,
        options: TrainOptions,
        device: torch.device,
        folder: Path | None = None,
        progress: Progress = no_progress,
        state_seconds: float = STATE_SECONDS,
        processes: Processes = ALONE,
    ) -> None:
        check_precision(options.precision, device)
        if options.epochs < 1:
            raise UsageError(f"--epochs {options.epochs} trains nothing", fix="pass 1 or more")
        self.model, self.objective, self.source = model, objective.to(device), source
        self.options, self.device, self.folder, self.progress = options, device, folder, progress
        self.state_seconds, self.processes = state_seconds, processes
        self.monitor = objective.monitor(options.monitor)
        self.optimizer = build_optimizer(model, options)
        self.plateau = Plateau()
        self.scaler = torch.amp.GradScaler(device.type, enabled=options.precision == "float16")
        self.forward = processes.wrap(torch.compile(model, dynamic=True) if options.compile else model)
        self.history = History(folder / "metrics.jsonl") if folder else None
        self.records: list[dict[str, Any]] = []
        self.epoch = 0  # epochs done
        self.best_epoch, self.waited = 0, 0
        self.best_value: float | None = None
        self.best_weights: dict[str, Tensor] = {}
        self._saved = time.monotonic()

    @property
    def state_path(self) -> Path | None:
        """Where the state is saved."""
        return self.folder / "state.pt" if self.folder else None

    def resume(self) -> int:
        """Continue from the folder's saved state, if there is one; returns the number of epochs already done."""
        path = self.state_path
        with self.processes.watched():
            state = self.processes.first(lambda: load_state(path) if path is not None and path.exists() else None)
        if state is not None:
            self._restore(state)
        elif self.history:
            self.history.restart([])
        return self.epoch

    def fit(self) -> FitResult:
        """Train until the last epoch or until patience ends.

        Raises:
            DataError: the loss is no finite number. ResourceError: another process was lost.
        """
        with self.processes.watched():
            return self._fit()

    def _fit(self) -> FitResult:
        stopped = self._out_of_patience()
        with self.progress(total=self.options.epochs * self.source.steps, desc="train", unit="batch") as bar:
            bar.update(self.epoch * self.source.steps)
            while self.epoch < self.options.epochs and not stopped:
                record = self._run_epoch(bar)
                self.epoch += 1
                self._note(record)
                bar.set_postfix(self._postfix(record), refresh=False)
                stopped = self._out_of_patience()
                self._save(force=False)
        self._save(force=True)
        return FitResult(
            best_weights=self.best_weights,
            best_epoch=self.best_epoch,
            best_value=self.best_value,
            monitor=self.monitor,
            epochs=self.epoch,
            stopped_early=stopped and self.epoch < self.options.epochs,
            history=self.records,
        )

    def _run_epoch(self, bar: Any) -> dict[str, Any]:
        started = time.perf_counter()
        seed_torch(self.options.seed, self.epoch + 1, self.processes.share.rank)
        self.model.train()
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        wait, step = 0.0, self.epoch * self.source.steps
        seeds: int | Tensor = 0
        batches = iter(self.source.train(self.epoch + 1))
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            wait += time.perf_counter() - asked
            if batch is None:
                break
            loss, count = self._step(batch, step)
            total += loss * count
            seeds += count
            step += 1
            bar.update(1)
        if seeds == 0:
            raise DataError(f"epoch {self.epoch} has no training batch", fix="check the split and the samples")
        mean = float(self.processes.total(total)) / int(seeds)
        trained = time.perf_counter()
        if not math.isfinite(mean):
            raise DataError(
                f"the training loss is {mean} in epoch {self.epoch + 1}", fix="lower --lr or pass --clip-grad 1"
            )
        record = {"epoch": self.epoch + 1, "loss": mean, "lr": self.optimizer.param_groups[0]["lr"]}
        record |= self._validate()
        record["seconds"] = {
            "train": round(trained - started, 4),
            "wait": round(wait, 4),
            "validation": round(time.perf_counter() - trained, 4),
        }
        return self.processes.first(lambda: record)

    def _step(self, batch: "Batch", step: int) -> tuple[Tensor, int | Tensor]:
        """One update; returns this process's part of the mean loss, detached, float64, and the seeds of the step."""
        factor = rate_factor(self.options, step, self.source.steps) * self.plateau.factor
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.lr * factor
        self.optimizer.zero_grad(set_to_none=True)
        counted = batch.num_seeds if batch.counted else 0
        joint = self.processes.joint(self.objective.weight(batch) if counted else 0.0, counted)
        with self._autocast():
            loss = self.objective.loss(self.forward, batch)
        self.scaler.scale(loss * joint.pull()).backward()  # type: ignore[no-untyped-call]  # torch gives backward no types
        part, seeds = joint.settle(self.model)
        if self.options.clip_grad:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach().double() * part, seeds

    def _validate(self) -> dict[str, Any]:
        last = self.epoch + 1 == self.options.epochs
        if not self.source.has_validation or ((self.epoch + 1) % self.options.eval_every and not last):
            return {}
        self.model.eval()
        self.processes.settle(self.model)
        with torch.no_grad(), self._autocast():
            found = self.objective.validate(self.model, self.source.validation(), self.processes)
        return {f"val_{name}": value for name, value in found.items()}

    def _autocast(self) -> torch.autocast:
        dtype = DTYPES.get(self.options.precision)
        return torch.autocast(self.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)

    def _note(self, record: dict[str, Any]) -> None:
        """Keep the record; where it is the best so far, the weights too."""
        self.records.append(record)
        if self.history:
            self.history.append(record)
        if not self.source.has_validation:
            self._keep_best(None)  # nothing to choose by: the last epoch is taken
            return
        key = f"val_{self.monitor}"
        if key not in record:
            return
        improved = better(self.monitor, record[key], self.best_value)
        if improved or not self.best_weights:
            self._keep_best(record[key])
        self.waited = 0 if improved else self.waited + self.options.eval_every
        if self.options.schedule == "plateau":
            self.plateau.update(improved)

    def _keep_best(self, value: float | None) -> None:
        self.best_epoch, self.best_value = self.epoch, value
        self.best_weights = clone_weights(self.model)

    def _out_of_patience(self) -> bool:
        return bool(self.options.patience) and self.waited >= self.options.patience

    def _postfix(self, record: dict[str, Any]) -> dict[str, str]:
        shown = {"epoch": str(self.epoch), "loss": f"{record['loss']:.4f}"}
        value = record.get(f"val_{self.monitor}")
        if value is not None:
            shown |= {f"val {self.monitor}": f"{value:.4f}", "best": f"{self.best_value or value:.4f}"}
        return shown

    def _save(self, *, force: bool) -> None:
        now = time.monotonic()
        if self.state_path is None or not (force or now - self._saved >= self.state_seconds):
            return
        state: State = {
            "epoch": self.epoch,
            "model": clone_weights(self.model),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "plateau": self.plateau.state(),
            "best_weights": self.best_weights,
            "best_epoch": self.best_epoch,
            "best_value": self.best_value,
            "waited": self.waited,
            "records": self.records,
        }
        save_state(self.state_path, state)
        self._saved = time.monotonic()

    def _restore(self, state: State) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.plateau = Plateau(**state["plateau"])
        self.epoch, self.waited = state["epoch"], state["waited"]
        self.best_epoch, self.best_value = state["best_epoch"], state["best_value"]
        self.best_weights, self.records = state["best_weights"], list(state["records"])
        if self.history:
            self.history.restart(self.records)


def seed_torch(seed: int, epoch: int, rank: int = 0) -> None:
    """Seed torch's generators on all devices; epoch 0 is the initialisation, training epochs count from 1.

    Each process of a run drops and draws otherwise; the first one as if it were alone.
    """
    key = mix(seed, epoch)
    torch.manual_seed(mix(key, rank) if rank else key)


def mix(seed: int, epoch: int) -> int:
    """A 63-bit key of (seed, epoch) that shares nothing with the neighbouring pairs: splitmix64, twice."""
    value = seed
    for word in (epoch + 1, 1):
        value = (value + word * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        value ^= value >> 31
    return value >> 1
