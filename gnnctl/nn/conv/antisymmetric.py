"""Anti-symmetric graph convolution."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.gcn import GCNConv
from gnnctl.nn.message_passing import MessagePassing, Pair, ends


class AntiSymmetricConv(MessagePassing):
    r"""The layer of "Anti-Symmetric DGN: a stable architecture for Deep Graph Networks" (Gravina et al., 2023).

    .. math::
        x_i \leftarrow x_i + \epsilon \, \sigma \left( (W - W^\top - \gamma I) x_i + \Phi(X, N_i) + b \right)

    The matrix has no eigenvalue with a positive real part: however many steps, features neither explode nor fade.

    Shapes: x (N, F); with one step ((S, F), (D, F)) too; values of edges as the inner layer has them; result (D, F).

    Args:
        channels: F.
        conv: Phi, a layer from F to F; None for a GCN without bias.
        steps: how many times.
        epsilon: size of a step.
        gamma: strength of the diffusion.
        activation: sigma; None for tanh.
        bias: whether there is a bias.

    Raises:
        ValueError: steps is less than 1.
    """

    def __init__(
        self,
        channels: int,
        conv: MessagePassing | None = None,
        *,
        steps: int = 1,
        epsilon: float = 0.1,
        gamma: float = 0.1,
        activation: nn.Module | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__("sum")
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        self.steps, self.epsilon, self.gamma = steps, epsilon, gamma
        self.activation = nn.Tanh() if activation is None else activation
        self.conv = GCNConv(channels, channels, bias=False) if conv is None else conv
        self.weight = nn.Parameter(torch.empty(channels, channels))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None
        self.inputs = self.conv.inputs
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def forward(self, x: Pair, edge_index: EdgeIndex, **values: Any) -> Tensor:
        """(D, F).

        Args:
            x: features of the nodes, or a pair.
            edge_index: E edges.
            values: what else the inner layer takes, by name.

        Raises:
            ValueError: destinations are other nodes than sources, and there is more than one step.
        """
        if self.steps > 1 and (isinstance(x, tuple) or edge_index.num_src != edge_index.num_dst):
            raise ValueError(f"edge_index: {self.steps} steps need the same nodes as sources and destinations")
        matrix = self.weight - self.weight.T
        for _ in range(self.steps):
            target = ends(x, edge_index.num_dst)[1]
            h = target @ matrix.T - self.gamma * target + self.conv(x, edge_index, **values)
            h = h if self.bias is None else h + self.bias
            x = target + self.epsilon * self.activation(h)
        assert isinstance(x, Tensor)
        return x
