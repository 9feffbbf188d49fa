"""Integrated gradients (Sundararajan, Taly, Yan: "Axiomatic Attribution for Deep Networks", ICML 2017), by Captum."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gnnctl.explain.inputs import Attribution
from gnnctl.explain.prediction import Prediction


@dataclass(frozen=True)
class IntegratedGradients:
    """Contributions along the straight path from no features and silent edges to the inputs as they are.

    They are signed, in the unit of the value, and add up to the difference between the path's two ends.

    Attributes:
        steps: points of the Gauss-Legendre rule on the path.
    """

    steps: int = 50
    signed: bool = True
    unit: str = "contribution"

    def __call__(self, prediction: Prediction) -> Attribution:
        """``steps`` forward and backward passes."""
        from captum.attr import IntegratedGradients as Captum

        inputs = prediction.inputs(every_gate=False)

        # Captum cuts its inputs along their first dimension; to it each tensor is a single example.
        def forward(*tensors: Tensor) -> Tensor:
            # Captum differentiates by every input, also by those that this model never looks at.
            unused = torch.stack([t.sum() for t in tensors]).sum() * 0
            return prediction.value(inputs.replaced([t[0] for t in tensors]))[None] + unused

        examples = tuple(t.detach()[None] for t in inputs.tensors())
        if not examples:
            return Attribution({}, {}, None, {}, {})
        found = Captum(forward).attribute(examples, n_steps=self.steps, internal_batch_size=1)
        parts = inputs.replaced([t[0].detach().to(torch.float32) for t in found])
        with torch.no_grad():
            ends = prediction.value(inputs) - prediction.value(
                inputs.replaced([torch.zeros_like(t) for t in inputs.tensors()])
            )
        total = sum(float(t.double().sum()) for t in parts.tensors())
        seed_type = prediction.batch.node_type
        return Attribution(
            nodes={t: parts.x[t].sum(1) if t in parts.x else parts.gate[t] for t in prediction.gated},
            features={t: x.sum(0) for t, x in parts.x.items()},
            seed_features=parts.x[seed_type][prediction.seed_row] if seed_type in parts.x else None,
            edges=parts.edge,
            facts={"sum_of_contributions": total, "difference_of_outputs": float(ends)},
        )
