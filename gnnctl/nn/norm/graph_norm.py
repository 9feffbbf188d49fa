"""GraphNorm."""

import torch
from torch import Tensor, nn

from gnnctl.nn.norm.graphs import graph_mean, to_nodes


class GraphNorm(nn.Module):
    r"""The layer of "GraphNorm: A Principled Approach to Accelerating GNN Training" (Cai et al., 2021).

    .. math::
        \gamma \odot \frac{y}{\sqrt{\mathrm{E}[y^2] + \epsilon}} + \beta, \quad y = x - \alpha \odot \mathrm{E}[x]

    with averages over the nodes of each graph; the learned alpha says how much of the mean is taken away.

    Shapes: x (N, in_channels); ptr (B + 1,); result (N, in_channels).

    Args:
        in_channels: width of x.
        eps: added to the variance.
    """

    def __init__(self, in_channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(in_channels))
        self.bias = nn.Parameter(torch.zeros(in_channels))
        self.mean_scale = nn.Parameter(torch.ones(in_channels))

    def forward(self, x: Tensor, ptr: Tensor | None = None) -> Tensor:
        """(N, in_channels) of nodes of graphs ``ptr[b]:ptr[b + 1]``, or of one graph."""
        shifted = x - to_nodes(graph_mean(x, ptr) * self.mean_scale, ptr, x.shape[0])
        factor = (graph_mean(shifted.square(), ptr) + self.eps).rsqrt() * self.weight
        return shifted * to_nodes(factor, ptr, x.shape[0]) + self.bias

    def reset_parameters(self) -> None:
        """Back to ones and zeros."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)
        nn.init.ones_(self.mean_scale)
