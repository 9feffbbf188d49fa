"""What models on top of a model of nodes share."""

from typing import cast

from torch import nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch


class OverNodes(nn.Module):
    """Something made of the representations that a model of nodes gives.

    Args:
        nodes: that model.
    """

    def __init__(self, nodes: nn.Module) -> None:
        super().__init__()
        self.nodes = nodes
        self.needs_degree = bool(getattr(nodes, "needs_degree", False))
        self.fit_degrees = getattr(nodes, "fit_degrees", None)

    def first_parameters(self) -> list[str]:
        """Names of the parameters of the node model's encoders and first layer.

        Raises:
            UsageError: that model does not say which those are.
        """
        names = getattr(self.nodes, "first_parameters", None)
        if names is None:
            kind = type(self.nodes).__name__
            raise UsageError(f"{kind} does not say which parameters are its first layer's", fix="decay all of them")
        return [f"nodes.{name}" for name in names()]

    def prepare(self, batch: Batch) -> Batch:
        """Compute ahead what the node model needs of the batch's structure."""
        prepare = getattr(self.nodes, "prepare", None)
        return batch if prepare is None else cast(Batch, prepare(batch))
