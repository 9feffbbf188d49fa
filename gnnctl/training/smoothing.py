"""Predictions corrected and smoothed by the labels that the model was trained on."""

from collections.abc import Mapping

import numpy as np
import torch

from gnnctl.errors import UsageError
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.graph import Graph
from gnnctl.nn.models.label_propagation import CorrectAndSmooth
from gnnctl.parameters import Value, read_parameters
from gnnctl.splits import NodeSplit
from gnnctl.training.trained import TrainedModel

# As CorrectAndSmooth has them; a scale of 0 is each node's own.
SMOOTHING: dict[str, Value] = {
    "correct_hops": 50,
    "correct_alpha": 0.9,
    "smooth_hops": 50,
    "smooth_alpha": 0.8,
    "scale": 0.0,
}
_LEAST = 1e-30  # a probability whose logarithm is still a number


def check_smoothing(trained: TrainedModel) -> None:
    """Whether the model's predictions can be smoothed.

    Raises:
        UsageError: the target is no class, no edges connect its nodes, or seeds must not see what comes after them.
    """
    node_type = trained.target.node_type
    if trained.target.problem != "multiclass":
        raise UsageError(f"--smooth is for classes; the target is {trained.target.problem}", fix="leave it out")
    if not any(t.src == t.dst == node_type for t in trained.graph.edge_types):
        raise UsageError(f"--smooth: no edges connect {node_type} with {node_type}", fix="leave it out")
    if trained.spec is not None and trained.spec.time:
        raise UsageError(
            "--smooth looks at edges and labels of any time, this model at none after a node's own", fix="leave it out"
        )


def parse_smoothing(text: str | None) -> dict[str, Value]:
    """All of :data:`SMOOTHING`, those that ``parameter=value,...`` names as it says.

    Raises:
        UsageError: an unknown parameter, or a value out of range.
    """
    found = SMOOTHING | read_parameters(f"--smoothing '{text}'", text or "", SMOOTHING)
    for key, value in found.items():
        least, most = 0, 1 if key.endswith("alpha") else float("inf")
        if not least <= float(value) <= most:
            bounds = "from 0 to 1" if key.endswith("alpha") else "0 or more"
            raise UsageError(f"--smoothing {key}={value} is out of range", fix=f"pass {bounds}")
    return found


def edges_among(graph: Graph, node_type: str) -> tuple[EdgeIndex, torch.Tensor | None]:
    """All edges between nodes of one type, of whatever types they are; their weights, one where a type has none."""
    coo, weights, weighted = [], [], False
    for t, store in graph.edges.items():
        if t.src == t.dst == node_type:
            col = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
            coo.append(np.stack([np.asarray(store.row, dtype=np.int64), col]))
            weighted |= store.weight is not None
            weights.append(np.ones(len(col), np.float32) if store.weight is None else np.asarray(store.weight))
    edges, order = EdgeIndex.from_coo(torch.from_numpy(np.concatenate(coo, 1)), graph.num_nodes(node_type))
    return edges, torch.from_numpy(np.concatenate(weights)).index_select(0, order) if weighted else None


def smoothed_logits(split: NodeSplit, scores: np.ndarray, parameters: Mapping[str, Value] = SMOOTHING) -> np.ndarray:
    """Correct and smooth, with the labels of the part ``train`` alone.

    Args:
        split: of multiclass labels.
        scores: (N, C) float32 probabilities of all nodes of the target's type.
        parameters: all of :data:`SMOOTHING`.

    Returns:
        (N, C) float32 logarithms of probabilities: the smoothed rows, divided by their sums. A row that becomes zero
        keeps the model's own.
    """
    edges, weight = edges_among(split.graph, split.target.node_type)
    rows, labels = (torch.from_numpy(np.array(part, dtype=np.int64)) for part in split.part("train"))
    z = torch.from_numpy(scores)
    smooth = CorrectAndSmooth(
        correct_hops=int(parameters["correct_hops"]),
        correct_alpha=float(parameters["correct_alpha"]),
        smooth_hops=int(parameters["smooth_hops"]),
        smooth_alpha=float(parameters["smooth_alpha"]),
        scale=float(parameters["scale"]) or None,
    )
    out: torch.Tensor = smooth(z, labels, rows, edges, weight)
    total = out.sum(1, keepdim=True)
    share = torch.where(total > 0, out / total.clamp(min=_LEAST), z)
    found: np.ndarray = share.clamp(min=_LEAST).log().numpy()
    return found
