"""One prediction as a differentiable function of its inputs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gnnctl.explain.inputs import Inputs
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType
from gnnctl.training.tasks import Task


class Prediction:
    """The model's output for one seed; every algorithm and metric asks this and nothing else.

    Args:
        model: called as ``model(batch, edge_mask=...)``; its parameters are not changed. Where it has a method
            ``encode(x, node_id)``, gates act on what that returns; otherwise on the features.
        batch: the neighbourhood that the prediction used, with exactly one seed.
        task: turns logits into scores.
        output: class or label to explain; 0 for a regression.
    """

    def __init__(self, model: nn.Module, batch: Batch, task: Task, output: int = 0) -> None:
        if batch.num_seeds != 1:
            raise ValueError(f"an explanation has one seed, the batch has {batch.num_seeds}")
        self.model, self.batch, self.task, self.output = model.eval(), batch, task, output
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self.x = {t: x for t, x in batch.x.items() if x is not None and len(x)}
        self.gated = [t for t, rows in batch.node_id.items() if len(rows) and (t in self.x or hasattr(model, "encode"))]
        self.edge_types = [t for t, edges in batch.edge_index.items() if edges.num_edges]
        self._ones = {t: torch.ones(len(batch.node_id[t]), device=device) for t in self.gated}
        self._edges = {t: torch.ones(batch.edge_index[t].num_edges, device=device) for t in self.edge_types}

    @property
    def seed_row(self) -> int:
        """Local row of the seed in its type."""
        return 0 if self.batch.seed_rows is None else int(self.batch.seed_rows[0])

    def inputs(self, *, every_gate: bool) -> Inputs:
        """The inputs as they are. ``every_gate``: of all node types; otherwise of those without features."""
        gate = {t: ones for t, ones in self._ones.items() if every_gate or t not in self.x}
        return Inputs(dict(self.x), gate, dict(self._edges))

    def logits(self, inputs: Inputs) -> Tensor:
        """(num_outputs,) float32."""
        x: dict[str, Tensor | None] = {t: inputs.x.get(t, old) for t, old in self.batch.x.items()}
        encode: Callable[..., dict[str, Tensor]] | None = getattr(self.model, "encode", None)
        if encode is None:
            x = {t: v * inputs.gate[t][:, None] if v is not None and t in inputs.gate else v for t, v in x.items()}
        batch = replace(self.batch, x=x)
        # Without the parameters' gradients a backward pass costs about half.
        with _frozen(self.model), _gated(self.model, encode, inputs.gate):
            out: Tensor = self.model(batch, edge_mask=self._every_edge(inputs))
        return out[0].float()

    def value(self, inputs: Inputs) -> Tensor:
        """The scalar that is explained: the log-probability of the class or label, or the predicted number."""
        return self.value_of(self.logits(inputs))

    def value_of(self, logits: Tensor) -> Tensor:
        """:meth:`value` of given logits (num_outputs,)."""
        if self.task.problem == "multiclass":
            return functional.log_softmax(logits, dim=-1)[self.output]
        if self.task.problem == "multilabel":
            return functional.logsigmoid(logits[self.output])
        return self.task.scores(logits)[self.output]

    def score_of(self, logits: Tensor) -> float:
        """The score that `predict` would write: a probability, or the predicted number."""
        return float(self.task.scores(logits)[self.output])

    def _every_edge(self, inputs: Inputs) -> dict[EdgeType, Tensor]:
        """Masks of all edge types, the empty ones too."""
        missing = {t: e for t, e in self.batch.edge_index.items() if t not in inputs.edge}
        like = next(iter(self._ones.values()), torch.ones(1))
        return {**inputs.edge, **{t: like.new_ones(e.num_edges) for t, e in missing.items()}}


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    changed = [p for p in model.parameters() if p.requires_grad]
    for p in changed:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in changed:
            p.requires_grad_(True)


@contextmanager
def _gated(
    model: nn.Module, encode: Callable[..., dict[str, Tensor]] | None, gate: dict[str, Tensor]
) -> Iterator[None]:
    """Let the model's own forward pass multiply each node's encoded input by its gate."""
    if encode is None or not gate:
        yield
        return

    def gated(*args: Any, **kwargs: Any) -> dict[str, Tensor]:
        encoded = encode(*args, **kwargs)
        return {t: h * gate[t][: len(h), None] if t in gate else h for t, h in encoded.items()}

    # An attribute of the instance hides the class's method for as long as it is there.
    object.__setattr__(model, "encode", gated)
    try:
        yield
    finally:
        object.__delattr__(model, "encode")
