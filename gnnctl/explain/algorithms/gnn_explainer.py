"""GNNExplainer (Ying, Bourgeois, You, Zitnik, Leskovec: "GNNExplainer: Generating Explanations for Graph Neural
Networks", NeurIPS 2019)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gnnctl.explain.inputs import Attribution, Inputs
from gnnctl.explain.prediction import Prediction


@dataclass(frozen=True)
class GNNExplainer:
    """Learns the smallest masks over edges, nodes and features that keep the prediction.

    The masks are sigmoids of free parameters. What is minimised is the prediction's loss, the cross-entropy of the
    explained class (for a regression the squared distance, in standard deviations), plus a penalty on the masks'
    size and one on their entropy, which drives them to 0 or 1::

        loss(masked) + sum over kinds (edges, nodes, features) of  size * sum(mask) + entropy * mean(H(mask))

    In a neighbourhood of thousands no single edge moves the output by as much as a fixed ``size``, and all masks would
    close. So where a kind has more than ``budget`` entries its ``size`` is lowered to the ``budget``-th largest
    gradient at the start: about that many entries are worth their price.

    Attributes:
        epochs, lr: of Adam.
        edge_size, edge_entropy: penalties of the edge masks, taken over all types together.
        input_size, input_entropy: those of the node masks and of the feature masks.
        budget: see above.
        start: the masks' first logits; open, so that the search begins where the model's output is still its own.
        seed: of the masks' initial values.
    """

    epochs: int = 100
    lr: float = 0.05
    edge_size: float = 0.06
    edge_entropy: float = 0.1
    input_size: float = 0.005
    input_entropy: float = 0.1
    budget: int = 100
    start: float = 1.5
    seed: int = 0
    signed: bool = False
    unit: str = "mask, 0 to 1"

    def __call__(self, prediction: Prediction) -> Attribution:
        """``epochs`` forward and backward passes; the same seed gives the same masks."""
        inputs = prediction.inputs(every_gate=True)
        parameters = self._start(inputs)
        with torch.no_grad():
            original = prediction.value(inputs)
        sizes = self._sizes(prediction, inputs, parameters)
        optimizer = torch.optim.Adam(parameters.tensors(), lr=self.lr) if parameters.tensors() else None
        for _ in range(self.epochs if optimizer else 0):
            assert optimizer is not None
            optimizer.zero_grad(set_to_none=True)
            masks = parameters.replaced([p.sigmoid() for p in parameters.tensors()])
            loss = self._loss(prediction, prediction.value(_masked(inputs, masks)), original)
            loss = loss + self._penalty(masks, sizes)
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives backward no types
            optimizer.step()
        with torch.no_grad():
            masks = parameters.replaced([p.sigmoid() for p in parameters.tensors()])
            kept = float(prediction.value(_masked(inputs, masks))) if masks.tensors() else float(original)
        # A feature that no node here has cannot matter; its mask has never moved on account of the prediction.
        present = {t: (x != 0).any(0) for t, x in inputs.x.items()}
        seed_type, row = prediction.batch.node_type, prediction.seed_row
        return Attribution(
            nodes=masks.gate,
            features={t: m * present[t] for t, m in masks.x.items()},
            seed_features=masks.x[seed_type] * (inputs.x[seed_type][row] != 0) if seed_type in inputs.x else None,
            edges=masks.edge,
            facts={"masked_value": kept, "value": float(original)},
        )

    def _start(self, inputs: Inputs) -> Inputs:
        """Free parameters: one a node, one a feature (shared by the nodes of its type), one an edge."""
        generator = torch.Generator().manual_seed(self.seed)

        def near_open(count: int, like: Tensor) -> Tensor:
            # A little noise parts inputs that are the same to the model.
            drawn = self.start + 0.1 * torch.randn(count, generator=generator)
            return drawn.to(like.device).requires_grad_()

        return Inputs(
            {t: near_open(x.shape[1], x) for t, x in inputs.x.items()},
            {t: near_open(len(g), g) for t, g in inputs.gate.items()},
            {t: near_open(len(e), e) for t, e in inputs.edge.items()},
        )

    def _loss(self, prediction: Prediction, value: Tensor, original: Tensor) -> Tensor:
        if prediction.task.problem == "regression":
            return ((value - original) / prediction.task.unit) ** 2
        return -value

    def _sizes(self, prediction: Prediction, inputs: Inputs, parameters: Inputs) -> list[float]:
        """The price of an open mask, for edges, nodes and features."""
        masks = parameters.replaced([p.detach().sigmoid() for p in parameters.tensors()]).with_gradients()
        if not masks.tensors():
            return [0.0, 0.0, 0.0]
        value = prediction.value(_masked(inputs, masks))
        if prediction.task.problem == "regression":
            value = value / prediction.task.unit
        found = torch.autograd.grad(value, masks.tensors(), allow_unused=True, materialize_grads=True)
        gradients, sizes = masks.replaced(found), []
        edges, gates = list(gradients.edge.values()), list(gradients.gate.values())
        x = list(gradients.x.values())
        for kind, size in ((edges, self.edge_size), (gates, self.input_size), (x, self.input_size)):
            strength = torch.cat([g.abs() for g in kind]) if kind else torch.zeros(0)
            if len(strength) > self.budget:
                size = min(size, float(strength.topk(self.budget).values[-1]))
            sizes.append(size)
        return sizes

    def _penalty(self, masks: Inputs, sizes: list[float]) -> Tensor:
        entropies = (self.edge_entropy, self.input_entropy, self.input_entropy)
        terms = []
        kinds = (list(masks.edge.values()), list(masks.gate.values()), list(masks.x.values()))
        for kind, size, entropy in zip(kinds, sizes, entropies, strict=True):
            if kind:
                mask = torch.cat(kind)
                terms.append(size * mask.sum() + entropy * _entropy(mask).mean())
        return torch.stack(terms).sum()


def _masked(inputs: Inputs, masks: Inputs) -> Inputs:
    """The inputs turned down by masks; a feature mask has one entry a column."""
    return Inputs({t: x * masks.x[t] for t, x in inputs.x.items()}, masks.gate, masks.edge)


def _entropy(mask: Tensor) -> Tensor:
    """Of each entry, in nats; clamped where the logarithm's gradient would be infinite."""
    kept = mask.clamp(1e-6, 1 - 1e-6)
    entropy: Tensor = torch.special.entr(kept) + torch.special.entr(1 - kept)
    return entropy
