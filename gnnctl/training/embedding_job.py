"""Training without labels: the job, its objective, and what its embeddings are worth where labels are known."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError, UsageError
from gnnctl.nn.models import ModelOptions
from gnnctl.nn.models.unsupervised import Unsupervised, WalkModel, build_unsupervised
from gnnctl.parameters import Value
from gnnctl.sampling.methods import Spec
from gnnctl.splits import NodeSplit
from gnnctl.splits.several import SEVERAL
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.evaluation import Evaluation
from gnnctl.training.inference import exact_logits, sampled_logits
from gnnctl.training.job import PARTS, fitted_degrees
from gnnctl.training.layerwise import NodeIds
from gnnctl.training.loop import seed_torch
from gnnctl.training.metrics import baseline
from gnnctl.training.objective import Forward
from gnnctl.training.options import TrainOptions
from gnnctl.training.probe import linear_probe
from gnnctl.training.store import DEFAULT_MEMORY
from gnnctl.training.tasks import Task, check_seeds

if TYPE_CHECKING:
    from gnnctl.graph.batch import Batch
    from gnnctl.graph.graph import Graph

_VALIDATION_KEY = 0  # what validation masks, shuffles and drops is the same in every epoch


class OwnLoss:
    """The objective of a model that is its own loss; nothing but that loss can choose the epoch."""

    def monitor(self, asked: str | None) -> str:
        """``loss``; UsageError for anything else."""
        if asked not in (None, "loss"):
            raise UsageError(f"--monitor {asked}: without labels there is only the loss", fix="leave it out")
        return "loss"

    def to(self, device: torch.device) -> "OwnLoss":
        """Itself."""
        return self

    def loss(self, forward: Forward, batch: "Batch") -> Tensor:
        """What the model gives."""
        found: Tensor = forward(batch)
        return found

    def weight(self, batch: "Batch") -> float:
        """The batch's seeds."""
        return float(batch.num_seeds)

    def validate(
        self, model: nn.Module, batches: "Iterable[Batch]", processes: Processes = ALONE
    ) -> dict[str, float | None]:
        """The mean over the batches, weighted by their seeds; what is drawn is the same each time."""
        total, seeds = 0.0, 0
        with torch.random.fork_rng():
            torch.manual_seed(_VALIDATION_KEY)
            for batch in batches:
                total += float(model(batch)) * batch.num_seeds
                seeds += batch.num_seeds
        return {"loss": total / seeds if seeds else None}


class EmbeddingJob:
    """An objective over nodes.

    Args:
        split: seeds; labels, where it has any, are read by the evaluation alone.
        objective: its name. parameters: all of its own.
    """

    def __init__(self, split: NodeSplit, objective: str, parameters: dict[str, Value]) -> None:
        if split.target.task != "node":
            raise UsageError(f"--objective {objective} is for nodes, the split is of graphs", fix="split nodes")
        self.split, self.name, self.parameters = split, objective, parameters
        self.recorded: dict[str, Any] = {"objective": {"name": objective, "parameters": parameters}}

    def initial_model(self, options: ModelOptions, seed: int) -> Unsupervised | WalkModel:
        """See :class:`gnnctl.training.job.Job`."""
        seed_torch(seed, 0)
        graph = self.split.graph
        model = build_unsupervised(self.name, self.parameters, options, graph.schema, self.split.target.node_type)
        return fitted_degrees(model, graph)

    def objective(self, options: TrainOptions) -> OwnLoss:
        """See :class:`gnnctl.training.job.Job`."""
        check_seeds("train", self.split.part("train")[0])
        given = {
            "--class-weights": options.class_weights != "none",
            "--label-smoothing": bool(options.label_smoothing),
            "--focal": bool(options.focal),
            "--balanced": options.balanced,
        }
        if flag := next((name for name, used in given.items() if used), None):
            raise UsageError(f"{flag} needs labels, --objective {self.name} takes none", fix="leave it out")
        return OwnLoss()

    def evaluate(
        self,
        model: nn.Module,
        device: torch.device,
        spec: Spec | None = None,
        progress: Progress = no_progress,
        processes: Processes = ALONE,
    ) -> Evaluation:
        """See :class:`gnnctl.training.job.Job`; where there is one target, of a linear probe on the embeddings."""
        assert isinstance(model, Unsupervised | WalkModel)
        split = self.split
        parts = {name: split.part(name) for name in PARTS}
        rows = np.concatenate([part[0] for part in parts.values()])
        found = embeddings_of(model, split.graph, rows, spec=spec, device=device, progress=progress)
        if not np.isfinite(found).all():
            raise DataError("the trained model gives embeddings that are no numbers", fix="lower --lr")
        metrics: dict[str, Any] = {
            name: {"seeds": len(part[0]), "loss": None, "baseline": {}} for name, part in parts.items()
        }
        if split.target.problem in ("none", *SEVERAL):
            return Evaluation(metrics)
        bounds = np.cumsum([0, *(len(part[0]) for part in parts.values())])
        embedded = {name: found[bounds[i] : bounds[i + 1]] for i, name in enumerate(PARTS)}
        task = Task.of(split.target, parts["train"][1])
        probed = linear_probe(task, embedded, {name: part[1] for name, part in parts.items()})
        for name, (_, labels) in parts.items():
            metrics[name] |= {f"probe_{key}": value for key, value in probed[name].items() if key != "loss"}
            constant = baseline(task, parts["train"][1], labels)
            metrics[name]["baseline"] = {f"probe_{key}": value for key, value in constant.items()}
        return Evaluation(metrics)


def embeddings_of(
    model: Unsupervised | WalkModel,
    graph: "Graph",
    rows: np.ndarray,
    *,
    spec: Spec | None = None,
    device: torch.device | str = "cpu",
    node_ids: NodeIds | None = None,
    memory: int = DEFAULT_MEMORY,
    progress: Progress = no_progress,
) -> np.ndarray:
    """(n, channels) float32 of ``rows``, exact, or of neighbourhoods that are sampled by ``spec``.

    Raises:
        UsageError: vectors of nodes, asked for another graph than the model's.
    """
    if isinstance(model, WalkModel):
        if node_ids is not None and (node_ids[model.node_type][rows] < 0).any():
            raise UsageError("--on: walks gave vectors to the model's own nodes alone", fix="use another --objective")
        own = rows if node_ids is None else node_ids[model.node_type][rows]
        with torch.no_grad():
            return model.embeddings(torch.from_numpy(own).to(device)).cpu().numpy()
    encoder, node_type = model.nodes, model.node_type
    if spec is not None:
        encoded = sampled_logits(
            encoder, graph, node_type, rows, spec, device=device, node_ids=node_ids, progress=progress
        )  # fmt: skip
    else:
        encoded = exact_logits(
            encoder, graph, node_type, rows, device=device, node_ids=node_ids, memory=memory, progress=progress
        )  # fmt: skip
    with torch.no_grad():
        return model.finish(torch.from_numpy(encoded).to(device)).contiguous().cpu().numpy()
