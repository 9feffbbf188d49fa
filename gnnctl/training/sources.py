"""Where the batches of a training run come from: the full graph, sampling on the fly, records, or a stream of them."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch

from gnnctl.graph.batch import Batch
from gnnctl.splits import NodeSplit


class FullBatches:
    """The whole graph as one batch an epoch; validation sees the same graph, so it is exact.

    Args:
        split: seeds and labels.
        device: where the graph goes, once.
        degrees: the model asks for degrees.
    """

    steps = 1

    def __init__(self, split: NodeSplit, device: torch.device, *, degrees: bool) -> None:
        rows, labels = split.part("train")
        self._train = Batch.full(split.graph, split.target.node_type, rows, labels, degrees=degrees).to(device)
        rows, labels = split.part("val")
        self.has_validation = len(rows) > 0
        self._validation = replace(
            self._train,
            num_seeds=len(rows),
            seed_rows=torch.from_numpy(np.array(rows)).to(device),
            y=torch.from_numpy(np.array(labels)).to(device),
        )

    def train(self, epoch: int) -> Iterable[Batch]:
        """The one batch."""
        return [self._train]

    def validation(self) -> Iterable[Batch]:
        """The one batch, with the validation seeds."""
        return [self._validation]
