"""What one kind of split asks of a training run: a model, an objective, and an exact evaluation at the end."""

from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError
from gnnctl.graph.graph import Graph
from gnnctl.nn.models import ModelOptions
from gnnctl.page import Card
from gnnctl.sampling.methods import Spec
from gnnctl.splits import NodeSplit
from gnnctl.splits.link import LinkSplit
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.evaluation import Evaluation
from gnnctl.training.inference import logits_of
from gnnctl.training.loop import seed_torch
from gnnctl.training.metrics import baseline, evaluate
from gnnctl.training.models import model_for
from gnnctl.training.objective import Objective, Supervised
from gnnctl.training.options import TrainOptions
from gnnctl.training.report.quality import quality_cards
from gnnctl.training.report.slices import slice_cards
from gnnctl.training.tasks import Task, check_seeds

PARTS = ("train", "val", "test")


class Job(Protocol):
    """A kind of training over one split."""

    @property
    def split(self) -> NodeSplit | LinkSplit:
        """What is trained on."""

    @property
    def recorded(self) -> dict[str, Any]:
        """What the recipe and model.json say of it beyond the model's and the training's options."""

    def initial_model(self, options: ModelOptions, seed: int) -> nn.Module:
        """The model with its first weights, a function of the seed alone (same torch); UsageError: options that do
        not fit."""

    def objective(self, options: TrainOptions) -> Objective:
        """What is minimised; DataError: a part without seeds. UsageError: options that do not fit."""

    def evaluate(
        self,
        model: nn.Module,
        device: torch.device,
        spec: Spec | None = None,
        progress: Progress = no_progress,
        processes: Processes = ALONE,
    ) -> Evaluation:
        """Exact metrics of every part.

        Args:
            spec: what each seed may see, where that is not everything.
            processes: that compute it together; the first one's result counts, and has cards.

        Raises:
            DataError: the model's outputs are no numbers.
        """


class NodeJob:
    """Labels of nodes, or of whole graphs.

    Args:
        split: seeds and labels.
    """

    def __init__(self, split: NodeSplit) -> None:
        self.split = split
        self.recorded: dict[str, Any] = {}

    def initial_model(self, options: ModelOptions, seed: int) -> nn.Module:
        """See :class:`Job`."""
        seed_torch(seed, 0)
        graph = self.split.graph
        model = fitted_degrees(model_for(self.split.target, options, graph.schema), graph)
        if fit_labels := getattr(model, "fit_labels", None):
            fit_labels(*(torch.from_numpy(np.array(values, dtype=np.int64)) for values in self.split.part("train")))
        return model

    def objective(self, options: TrainOptions) -> Supervised:
        """See :class:`Job`."""
        rows, labels = self.split.part("train")
        check_seeds("train", rows)
        target = self.split.target
        return Supervised(Task.of(target, labels, options.class_weights, options.label_smoothing, options.focal))

    def evaluate(
        self,
        model: nn.Module,
        device: torch.device,
        spec: Spec | None = None,
        progress: Progress = no_progress,
        processes: Processes = ALONE,
    ) -> Evaluation:
        """See :class:`Job`; the baseline is the constant prediction."""
        split = self.split
        task = Task.of(split.target, split.part("train")[1])
        parts = {name: split.part(name) for name in PARTS}
        rows = np.concatenate([part[0] for part in parts.values()])
        logits = logits_of(
            model,
            split.graph,
            split.target.node_type,
            rows,
            spec,
            device=device,
            progress=progress,
            processes=processes,
        )
        if not np.isfinite(logits).all():
            problem = "the trained model gives scores that are no numbers"
            raise DataError(problem, fix="lower --lr or pass --clip-grad 1")
        found: dict[str, Any] = {}
        cards: list[Card] = []
        start = 0
        for name, (part_rows, labels) in parts.items():
            end = start + len(part_rows)
            y = torch.from_numpy(np.array(labels))
            found[name] = {"seeds": len(part_rows), **evaluate(task, torch.from_numpy(logits[start:end]), y)}
            found[name]["baseline"] = baseline(task, parts["train"][1], labels)
            if len(labels) and not processes.share.rank:  # of the last part that has seeds
                cards = self._cards(task, name, part_rows, logits[start:end], np.array(labels))
            start = end
        return Evaluation(found, cards)

    def _cards(self, task: Task, part: str, rows: np.ndarray, logits: np.ndarray, y: np.ndarray) -> list[Card]:
        target = self.split.target
        names = [] if target.classes is None else [str(value) for value in target.classes]
        return [
            *quality_cards(task, logits, y, names, part),
            *slice_cards(task, self.split.graph, target.node_type, target.column, rows, logits, y),
        ]


M = TypeVar("M", bound=nn.Module)


def fitted_degrees(model: M, graph: Graph) -> M:
    """The model, with the graph's degrees where its aggregations are scaled by them."""
    if fit_degrees := getattr(model, "fit_degrees", None):
        fit_degrees(lambda t: torch.from_numpy(np.bincount(np.diff(graph.edges[t].colptr))))
    return model
