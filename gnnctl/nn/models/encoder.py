"""From what is known of a node to its first representation."""

import torch
from torch import Tensor, nn

from gnnctl.nn.linear import Linear
from gnnctl.nn.models.options import Activation, Norm
from gnnctl.nn.norm import BatchNorm, DiffGroupNorm, LayerNorm
from gnnctl.nn.relu import ReLU

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": ReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
}


def activation_of(name: Activation) -> nn.Module:
    """A module for the activation's name."""
    return _ACTIVATIONS[name]()


class NodeEmbedding(nn.Module):
    """A learned vector for every node of a type: one that all share, plus each node's own.

    Own vectors start at zero, so a node that training never met, and one that the graph did not have (an id that is
    negative or too large), stands for its type's average rather than for noise.

    Args:
        num_nodes: of the type when the model was built.
        channels: width of the vectors; 0 for the shared one alone.
        out_channels: width of the result, (n, out_channels).
    """

    def __init__(self, num_nodes: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.num_nodes = num_nodes
        self.shared = nn.Parameter(torch.empty(out_channels))
        self.own = nn.Embedding(num_nodes, channels) if channels and num_nodes else None
        self.lin = Linear(channels, out_channels, bias=False) if self.own is not None else None
        nn.init.normal_(self.shared, std=out_channels**-0.5)
        if self.own is not None:
            nn.init.zeros_(self.own.weight)

    def forward(self, node_id: Tensor) -> Tensor:
        """(n, out_channels) of (n,) int64 rows in the graph."""
        shared = self.shared.expand(node_id.shape[0], -1)
        if self.own is None or self.lin is None:
            return shared
        known = (node_id >= 0) & (node_id < self.num_nodes)
        own = self.own(torch.where(known, node_id, 0)) * known[:, None].to(shared.dtype)
        result: Tensor = shared + self.lin(own)
        return result


class RowNorm(nn.Module):
    """The normalisation of a layer's output.

    Of those of :mod:`gnnctl.nn.norm` the ones whose prediction does not depend on the batch: of each row by itself, or
    with running statistics.
    """

    GROUPS = 8  # of a DiffGroupNorm

    def __init__(self, kind: Norm, channels: int) -> None:
        super().__init__()
        self.batch = BatchNorm(channels) if kind == "batch" else None
        self.layer = LayerNorm(channels, mode="node") if kind == "layer" else None
        self.group = DiffGroupNorm(channels, self.GROUPS) if kind == "diff-group" else None

    def forward(self, h: Tensor) -> Tensor:
        """(n, channels)."""
        for norm in (self.batch, self.layer, self.group):
            if norm is not None:
                h = norm(h)
        return h
