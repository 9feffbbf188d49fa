"""Explains a model's predictions on what the predictions used, whatever the algorithm and however many types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from gnnctl.errors import ArtifactError
from gnnctl.explain.algorithms import Algorithm
from gnnctl.explain.metrics import Fidelity, fidelity
from gnnctl.explain.prediction import Prediction
from gnnctl.explain.selection import Selected, select
from gnnctl.graph.batch import Batch
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.methods import Spec, open_method
from gnnctl.sampling.spec import ALL, SampleSpec
from gnnctl.sampling.subgraph import Subgraph
from gnnctl.training.inference import exact_logits, sampled_logits
from gnnctl.training.tasks import Task

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Explanation:
    """Why the model gave one node its score.

    Attributes:
        node_type, row: the explained node.
        output: explained class or label; 0 for a regression.
        scores: (num_outputs,) float32 as `predict` gives them.
        recomputed: the explained score on the neighbourhood alone.
        subgraph: what the prediction used; the node is local node 0 of its type.
        nodes, features, edges: scores by type, float32; see Attribution.
        seed_features: of the node itself, or None.
        selected: the edges that are drawn and that fidelity is measured on.
        facts: the algorithm's own figures.
    """

    node_type: str
    row: int
    output: int
    scores: np.ndarray
    recomputed: float
    subgraph: Subgraph
    nodes: dict[str, np.ndarray]
    features: dict[str, np.ndarray]
    seed_features: np.ndarray | None
    edges: dict[EdgeType, np.ndarray]
    selected: Selected
    fidelity: Fidelity
    facts: dict[str, float]

    @property
    def score(self) -> float:
        """The explained score, as `predict` gives it."""
        return float(self.scores[self.output])


class Explainer:
    """Explains single predictions of one model.

    Args:
        model: see :class:`gnnctl.explain.prediction.Prediction`.
        graph: the graph that was predicted on.
        node_type: type of the predicted nodes.
        task: turns logits into scores.
        algorithm: how to attribute.
        hops: layers of the model.
        spec: fan-outs of a sampled prediction (disjoint); None explains the exact one.
        device: where the model is.
    """

    def __init__(
        self,
        model: nn.Module,
        graph: Graph,
        node_type: str,
        task: Task,
        algorithm: Algorithm,
        *,
        hops: int,
        spec: Spec | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.model, self.graph, self.node_type, self.task = model.eval(), graph, node_type, task
        self.algorithm, self.spec, self.device = algorithm, spec, torch.device(device)
        self._sampler = open_method(graph, spec or SampleSpec.uniform(graph.edge_types, (ALL,) * hops), features=True)

    def explain(self, row: int, output: int | None = None, *, top: int = 20) -> Explanation:
        """Explain the prediction of one node.

        Args:
            row: the node.
            output: class or label to explain; None: the predicted one.
            top: edges of the explanation's subgraph.

        Raises:
            ArtifactError: the neighbourhood does not give the prediction's score again.
        """
        rows = np.array([row], np.int64)
        logits = torch.from_numpy(self._predicted(rows))[0]
        scores = self.task.scores(logits)
        if output is None:
            output = 0 if self.task.problem == "regression" else int(scores.argmax())
        subgraph = self._sampler.sample(rows, self.node_type, 0)
        batch = Batch.from_subgraph(subgraph, self.graph, degrees=True).to(self.device)
        prediction = Prediction(self.model, batch, self.task, output)
        with torch.no_grad():
            again = prediction.logits(prediction.inputs(every_gate=False)).cpu()
        self._check(row, logits, again)
        found = self.algorithm(prediction)
        edges = _filled(found.edges, {t: len(e.row) for t, e in subgraph.edges.items()})
        selected = select(subgraph, edges, top)
        return Explanation(
            node_type=self.node_type,
            row=row,
            output=output,
            scores=scores.numpy(),
            recomputed=prediction.score_of(again),
            subgraph=subgraph,
            nodes=_filled(found.nodes, {t: len(n) for t, n in subgraph.nodes.items()}),
            features={t: _array(v) for t, v in found.features.items()},
            seed_features=None if found.seed_features is None else _array(found.seed_features),
            edges=edges,
            selected=selected,
            fidelity=fidelity(prediction, selected.edges),
            facts=found.facts,
        )

    def _predicted(self, rows: np.ndarray) -> np.ndarray:
        if self.spec is None:
            return exact_logits(self.model, self.graph, self.node_type, rows, device=self.device)
        return sampled_logits(self.model, self.graph, self.node_type, rows, self.spec, device=self.device)

    def _check(self, row: int, predicted: Tensor, again: Tensor) -> None:
        difference = float((predicted - again).abs().max())
        scale = max(1.0, float(predicted.abs().max()))
        if not difference <= TOLERANCE * scale:
            raise ArtifactError(
                f"the neighbourhood of {self.node_type} in row {row} gives other outputs than the prediction: "
                f"they differ by {difference:.3g}",
                fix="a model whose output depends on more than the hops of its layers cannot be explained",
            )


Key = TypeVar("Key")


def _filled(parts: Mapping[Key, Tensor], sizes: Mapping[Key, int]) -> dict[Key, np.ndarray]:
    """Every type of the graph, with zeros where the algorithm had nothing to say."""
    return {t: _array(parts[t]) if t in parts else np.zeros(size, np.float32) for t, size in sizes.items()}


def _array(values: Tensor) -> np.ndarray:
    found: np.ndarray = values.detach().cpu().to(torch.float32).numpy()
    return found
