"""Gradient saliency (Simonyan, Vedaldi, Zisserman: "Deep Inside Convolutional Networks", 2013)."""

from dataclasses import dataclass

import torch

from gnnctl.explain.inputs import Attribution
from gnnctl.explain.prediction import Prediction


@dataclass(frozen=True)
class Saliency:
    """Absolute gradients at the inputs as they are: how strongly a small change would move the output.

    A feature's score is its gradient summed over the nodes; a node's and an edge's is the gradient of its gate.
    """

    signed: bool = False
    unit: str = "absolute gradient"

    def __call__(self, prediction: Prediction) -> Attribution:
        """One forward and one backward pass."""
        inputs = prediction.inputs(every_gate=True).with_gradients()
        value = prediction.value(inputs)
        found = torch.autograd.grad(value, inputs.tensors(), allow_unused=True, materialize_grads=True)
        gradients = inputs.replaced([g.abs() for g in found])
        seed_type = prediction.batch.node_type
        return Attribution(
            nodes=gradients.gate,
            features={t: x.sum(0) for t, x in gradients.x.items()},
            seed_features=gradients.x[seed_type][prediction.seed_row] if seed_type in gradients.x else None,
            edges=gradients.edge,
            facts={},
        )
