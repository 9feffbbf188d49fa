"""What of a prediction can be turned down: features, nodes and edges of every type, as one bundle of tensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from gnnctl.graph.types import EdgeType


@dataclass(frozen=True)
class Inputs:
    """The inputs of one prediction; types without nodes or edges are left out.

    Attributes:
        x: by node type (n, F) features.
        gate: by node type (n,) factors on what the model first makes of each node; 1 leaves it as it is. They stand
            for the nodes of types without features, whose input is an embedding.
        edge: by edge type (E,) factors on the messages; 1 leaves them as they are, 0 silences them.
    """

    x: dict[str, Tensor]
    gate: dict[str, Tensor]
    edge: dict[EdgeType, Tensor]

    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors in a fixed order: x, gate, edge."""
        return (*self.x.values(), *self.gate.values(), *self.edge.values())

    def replaced(self, tensors: Sequence[Tensor]) -> "Inputs":
        """The same bundle with other tensors, in the order of :meth:`tensors`."""
        following: Iterator[Tensor] = iter(tensors)
        return Inputs(
            {t: next(following) for t in self.x},
            {t: next(following) for t in self.gate},
            {t: next(following) for t in self.edge},
        )

    def with_gradients(self) -> "Inputs":
        """Detached copies that record gradients."""
        return self.replaced([t.detach().clone().requires_grad_() for t in self.tensors()])


@dataclass(frozen=True)
class Attribution:
    """How much each input matters to one prediction; the algorithm says in which unit, and whether signs mean anything.

    Attributes:
        nodes: by node type (n,).
        features: by node type (F,), summed over the nodes of the neighbourhood.
        seed_features: (F,), those of the explained node itself; None where its type has no features.
        edges: by edge type (E,).
        facts: what else the algorithm found, JSON-able.
    """

    nodes: dict[str, Tensor]
    features: dict[str, Tensor]
    seed_features: Tensor | None
    edges: dict[EdgeType, Tensor]
    facts: dict[str, float]
