"""Training on whole graphs, and their scores."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from gnnctl.console import Progress, no_progress
from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.graph import Graph
from gnnctl.graph.graph_batches import graphs_batch
from gnnctl.graph.kept import NumericColumns, numeric_columns
from gnnctl.sampling.ordered import ordered_map
from gnnctl.sampling.seeds import batches
from gnnctl.sampling.share import WHOLE, Share
from gnnctl.splits import NodeSplit

NODE_BUDGET = 1 << 18  # nodes of the graphs that are scored together


class GraphBatches:
    """Batches of whole graphs, made by background threads; the order of an epoch is keyed by (seed, epoch).

    Args:
        split: the graphs and their labels.
        batch_size: graphs a batch.
        device: where batches go.
        seed: of the order.
        prepare: called with each training batch in its loading thread.
        degrees: the model asks for degrees.
        columns: that the model takes; see :func:`columns_for`.
        num_threads: that load ahead; 0 loads between the steps.
        balanced: training batches have an equal part of each class.
        share: of every batch.

    Raises:
        UsageError: balanced, and no classes.
    """

    def __init__(
        self,
        split: NodeSplit,
        batch_size: int,
        device: torch.device,
        *,
        seed: int = 0,
        prepare: Callable[[Batch], Any] | None = None,
        degrees: bool = False,
        columns: NumericColumns | None = None,
        num_threads: int = 2,
        balanced: bool = False,
        share: Share = WHOLE,
    ) -> None:
        if balanced and split.target.problem != "multiclass":
            raise UsageError(f"--balanced: a {split.target.problem} has no classes to balance", fix="leave it out")
        self._split, self._batch_size, self._device, self._seed = split, batch_size, device, seed
        self._columns = columns
        self._prepare, self._degrees, self._num_threads, self._balanced = prepare, degrees, num_threads, balanced
        self._share = share
        self.steps = -(-len(split.part("train")[0]) // batch_size)
        self.has_validation = len(split.part("val")[0]) > 0

    def train(self, epoch: int) -> Iterable[Batch]:
        """The batches of an epoch."""
        rows, labels = self._split.part("train")
        order = batches(
            rows,
            self._batch_size,
            shuffle=True,
            seed=self._seed,
            epoch=epoch,
            classes=labels if self._balanced else None,
        )
        return self._loaded(self._share.of(order, filled=True), rows, labels, self._prepare)

    def validation(self) -> Iterable[Batch]:
        """The batches of the validation part."""
        rows, labels = self._split.part("val")
        order = batches(rows, self._batch_size, shuffle=False, seed=0, epoch=0)
        return self._loaded(self._share.of(order, filled=False), rows, labels, None)

    def _loaded(
        self,
        order: Iterable[tuple[np.ndarray, bool]],
        rows: np.ndarray,
        labels: np.ndarray,
        prepare: Callable[[Batch], Any] | None,
    ) -> Iterator[Batch]:
        def load(part: tuple[np.ndarray, bool]) -> Batch:
            chosen, counted = part
            found = labels[np.searchsorted(rows, chosen)]
            batch = graphs_batch(self._split.graph, chosen, found, degrees=self._degrees, columns=self._columns)
            batch.counted = counted
            if prepare is not None:
                prepare(batch)
            return batch

        return (batch.to(self._device) for batch in ordered_map(load, order, self._num_threads))


def columns_for(model: nn.Module, graph: Graph) -> NumericColumns:
    """The kept columns that a model takes, of all nodes of a graph; of most models none.

    Raises:
        DataError: a column that the graph has not, or that the model cannot use.
    """
    wanted = getattr(model, "columns", None)
    if not wanted:
        return {}
    found = numeric_columns(graph, wanted)
    if check := getattr(model, "check_columns", None):
        assert graph.graphs is not None
        check(found, graph.graphs.ptr)
    return found


@torch.no_grad()
def graph_outputs(
    model: nn.Module,
    graph: Graph,
    rows: np.ndarray,
    *,
    device: torch.device | str = "cpu",
    node_budget: int = NODE_BUDGET,
    progress: Progress = no_progress,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits (n, num_outputs) float32 of the graphs ``rows``, and what entered the last layer (n, width), if anything.

    Args:
        model: whose ``outputs(batch)`` gives both, for a batch of whole graphs.
        rows: (n,) int64, any order, repetitions allowed.
        node_budget: nodes of the graphs that are scored together; no result depends on it beyond the rounding of
            float32 sums.
    """
    given: Any = model
    assert graph.graphs is not None
    model.eval()
    columns = columns_for(model, graph)
    which = np.cumsum(graph.graphs.sizes[rows]) // node_budget
    parts = np.split(rows, np.flatnonzero(np.diff(which)) + 1)
    logits, hidden = [], []
    with progress(total=len(rows), desc="predict", unit="graph") as bar:
        for part in parts:
            batch = graphs_batch(graph, part, degrees=given.needs_degree, columns=columns).to(device)
            found, represented = given.outputs(batch)
            logits.append(found.float().cpu().numpy())
            if represented is not None:
                hidden.append(represented.float().cpu().numpy())
            bar.update(len(part))
    return np.concatenate(logits), np.concatenate(hidden) if hidden else None
