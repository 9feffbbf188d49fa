"""Explanations of single predictions: which neighbours, edges and features a model relied on."""

from gnnctl.explain.algorithms import ALGORITHMS, GNNExplainer, IntegratedGradients, Saliency
from gnnctl.explain.explainer import Explainer, Explanation
from gnnctl.explain.inputs import Attribution, Inputs
from gnnctl.explain.metrics import Fidelity, fidelity
from gnnctl.explain.prediction import Prediction
from gnnctl.explain.selection import Selected, select

__all__ = [
    "ALGORITHMS",
    "Attribution",
    "Explainer",
    "Explanation",
    "Fidelity",
    "GNNExplainer",
    "Inputs",
    "IntegratedGradients",
    "Prediction",
    "Saliency",
    "Selected",
    "fidelity",
    "select",
]
