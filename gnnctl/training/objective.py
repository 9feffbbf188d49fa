"""What a training run minimises, and how its validation judges an epoch."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from gnnctl.errors import DataError
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.metrics import evaluate, resolve_monitor
from gnnctl.training.tasks import Task

if TYPE_CHECKING:
    from gnnctl.graph.batch import Batch

Forward = Callable[..., Any]  # of a Batch, and what else a model's forward takes


class Objective(Protocol):
    """One way of learning; it has no weights of its own, those belong to the model that is trained."""

    def monitor(self, asked: str | None) -> str:
        """The validation metric that picks the best epoch, without ``val_``; UsageError where there is none such."""

    def to(self, device: torch.device) -> "Objective":
        """The same objective, with what it computes with on ``device``."""

    def loss(self, forward: Forward, batch: "Batch") -> Tensor:
        """Mean loss over the batch's seeds, a scalar; ``forward`` calls the model, or its compiled form."""

    def weight(self, batch: "Batch") -> float | Tensor:
        """What the batch's mean loss weighs in the mean over several batches."""

    def validate(
        self, model: nn.Module, batches: "Iterable[Batch]", processes: Processes = ALONE
    ) -> dict[str, float | None]:
        """Metrics over the validation batches by name, ``loss`` among them; called without gradients.

        Args:
            batches: of this process.
            processes: all that were given some.
        """


class Supervised:
    """Outputs compared with labels.

    Args:
        task: loss and scores of the target.
    """

    def __init__(self, task: Task) -> None:
        self.task = task

    def monitor(self, asked: str | None) -> str:
        """The metric ``asked`` for, or the problem's default."""
        return resolve_monitor(self.task, asked)

    def to(self, device: torch.device) -> "Supervised":
        """With the class weights on ``device``."""
        return Supervised(self.task.to(device))

    def loss(self, forward: Forward, batch: "Batch") -> Tensor:
        """The task's loss over the batch's labels."""
        return self.task.loss(forward(batch), labels_of(batch))

    def weight(self, batch: "Batch") -> float | Tensor:
        """See :class:`Objective`; by class weights, where there are any."""
        return self.task.weight(labels_of(batch))

    def validate(
        self, model: nn.Module, batches: "Iterable[Batch]", processes: Processes = ALONE
    ) -> dict[str, float | None]:
        """The task's metrics over all batches together."""
        logits, labels = [], []
        for batch in batches:
            logits.append(model(batch).float())
            labels.append(labels_of(batch))
        return evaluate(self.task, processes.gather(logits), processes.gather(labels))


def labels_of(batch: "Batch") -> Tensor:
    """The batch's labels, which supervised training cannot do without."""
    if batch.y is None:
        raise DataError("a training batch carries no labels", fix="sample from a split, not from a graph")
    return batch.y
