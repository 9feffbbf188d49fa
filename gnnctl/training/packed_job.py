"""Training from records that carry their features: what is read of the graph is its structure."""

from typing import Any

import torch
from torch import nn

from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError
from gnnctl.page import Card
from gnnctl.sampling.loader import Loader
from gnnctl.sampling.methods import Spec
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.splits import NodeSplit
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.evaluation import Evaluation
from gnnctl.training.job import PARTS, NodeJob
from gnnctl.training.metrics import baseline, evaluate
from gnnctl.training.objective import labels_of
from gnnctl.training.tasks import Task


class PackedNodeJob(NodeJob):
    """Labels of nodes, from records with packed features.

    Exact scores would need every node's features; so the metrics at the end are those of the recorded neighbourhoods,
    of the first epoch for the training part.

    Args:
        split: seeds and labels.
        records: sampled from it, with packed features.
        batch_size: seeds a batch.
    """

    def __init__(self, split: NodeSplit, records: SubgraphRecords, batch_size: int) -> None:
        super().__init__(split)
        self._records, self._batch_size = records, batch_size

    def evaluate(
        self,
        model: nn.Module,
        device: torch.device,
        spec: Spec | None = None,
        progress: Progress = no_progress,
        processes: Processes = ALONE,
    ) -> Evaluation:
        """See :class:`Job`; by the recorded neighbourhoods."""
        if processes.share.rank:
            return Evaluation({})  # records are read through once, by the first process
        train_labels = self.split.part("train")[1]
        task = Task.of(self.split.target, train_labels)
        degrees = bool(getattr(model, "needs_degree", False))
        found: dict[str, Any] = {}
        cards: list[Card] = []
        model.eval()
        for name in PARTS:
            rows, labels = self.split.part(name)
            logits, expected, order = [], [], []
            if len(rows):
                loader = Loader(
                    self._records,
                    self.split.graph,
                    self.split.target.node_type,
                    rows,
                    labels,
                    batch_size=self._batch_size,
                    epoch=1 if name == "train" else 0,
                    part=name,
                    device=device,
                    degrees=degrees,
                )
                with torch.no_grad(), progress(loader, total=len(loader), desc=name, unit="batch") as batches:
                    for batch in batches:
                        logits.append(model(batch).float().cpu())
                        expected.append(labels_of(batch).cpu())
                        order.append(batch.node_id[batch.node_type][: batch.num_seeds].cpu())
            scores = torch.cat(logits) if logits else torch.zeros((0, self.split.target.num_outputs))
            if not torch.isfinite(scores).all():
                problem = "the trained model gives scores that are no numbers"
                raise DataError(problem, fix="lower --lr or pass --clip-grad 1")
            y = torch.cat(expected) if expected else torch.from_numpy(labels.copy())
            found[name] = {"seeds": len(rows), **evaluate(task, scores, y)}
            found[name]["baseline"] = baseline(task, train_labels, labels)
            if order:  # of the last part that has seeds
                cards = self._cards(task, name, torch.cat(order).numpy(), scores.numpy(), y.numpy())
        return Evaluation(found, cards, exact=False)
