"""How faithful an explanation is to the model: what the prediction becomes with, and without, the chosen edges.

Definitions of fidelity+ and fidelity- after Amara et al., "GraphFramEx: Towards Systematic Evaluation of
Explainability Methods for Graph Neural Networks" (LoG 2022), taken on the model's own prediction.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnnctl.explain.prediction import Prediction
from gnnctl.graph.types import EdgeType


@dataclass(frozen=True)
class Fidelity:
    """Fidelity of one explanation.

    Attributes:
        plus: how far the score falls when the chosen edges are silenced; high: they are necessary.
        minus: how far it falls when only they are left; low: they are sufficient.
        plus_prediction, minus_prediction: the same of the prediction itself: 1.0 where it changes; None for a number.
        characterization: harmonic mean of ``plus`` and ``1 - minus``; None where it is not defined, as for a number.
        score_without, score_only: the scores behind ``plus`` and ``minus``.
    """

    plus: float
    minus: float
    plus_prediction: float | None
    minus_prediction: float | None
    characterization: float | None
    score_without: float
    score_only: float

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


@torch.no_grad()
def fidelity(prediction: Prediction, chosen: dict[EdgeType, np.ndarray]) -> Fidelity:
    """Fidelity of the chosen edges (positions by edge type).

    Silencing an edge zeroes its message; normalisations by degree stay those of the graph. For a regression plus and
    minus are absolute changes in standard deviations of the target.
    """
    inputs = prediction.inputs(every_gate=False)
    only = {t: torch.zeros_like(e) for t, e in inputs.edge.items()}
    for t, positions in chosen.items():
        only[t][torch.from_numpy(positions).to(only[t].device)] = 1.0
    without = {t: 1.0 - e for t, e in only.items()}
    whole = prediction.logits(inputs)
    kept, removed = (prediction.logits(type(inputs)(inputs.x, inputs.gate, edges)) for edges in (only, without))
    score, score_only, score_without = (prediction.score_of(v) for v in (whole, kept, removed))
    if prediction.task.problem == "regression":
        unit = prediction.task.unit
        plus, minus = abs(score - score_without) / unit, abs(score - score_only) / unit
        return Fidelity(plus, minus, None, None, None, score_without, score_only)
    plus, minus = score - score_without, score - score_only
    low, high = min(max(plus, 0.0), 1.0), 1.0 - min(max(minus, 0.0), 1.0)
    return Fidelity(
        plus,
        minus,
        float(_answer(prediction, whole) != _answer(prediction, removed)),
        float(_answer(prediction, whole) != _answer(prediction, kept)),
        2 * low * high / (low + high) if low + high > 0 else None,
        score_without,
        score_only,
    )


def _answer(prediction: Prediction, logits: Tensor) -> int:
    """The predicted class, or for one label of many whether it is given."""
    if prediction.task.problem == "multilabel":
        return int(logits[prediction.output] >= 0)
    return int(logits.argmax())
