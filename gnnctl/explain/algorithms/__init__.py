"""Algorithms that attribute a prediction to its inputs; each is called with a Prediction."""

from typing import Literal, Protocol, get_args

from gnnctl.explain.algorithms.gnn_explainer import GNNExplainer
from gnnctl.explain.algorithms.integrated_gradients import IntegratedGradients
from gnnctl.explain.algorithms.saliency import Saliency
from gnnctl.explain.inputs import Attribution
from gnnctl.explain.prediction import Prediction

AlgorithmName = Literal["gnn-explainer", "saliency", "integrated-gradients"]
ALGORITHMS: tuple[str, ...] = get_args(AlgorithmName)


class Algorithm(Protocol):
    """What the Explainer needs of an algorithm."""

    @property
    def signed(self) -> bool:
        """Whether a negative score speaks against the prediction."""

    @property
    def unit(self) -> str:
        """What a score is, for tables and pages."""

    def __call__(self, prediction: Prediction) -> Attribution:
        """Attribute the prediction's value to its inputs."""


__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "AlgorithmName",
    "GNNExplainer",
    "IntegratedGradients",
    "Saliency",
]
