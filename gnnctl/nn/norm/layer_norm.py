"""Layer normalisation."""

from typing import Literal

import torch
from torch import Tensor, nn

from gnnctl.nn.norm.graphs import graph_mean, scaled, to_nodes


class LayerNorm(nn.Module):
    r"""The layer of "Layer Normalization" (Ba et al., 2016), over all numbers of a graph, or of a node.

    .. math:: \gamma \odot \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} + \beta

    with one mean and one variance for each graph or node.

    Shapes: x (N, in_channels); ptr (B + 1,); result (N, in_channels).

    Args:
        in_channels: width of x.
        eps: added to the variance.
        affine: whether there are gamma and beta.
        mode: ``graph`` or ``node``; the latter is ``torch.nn.LayerNorm``, and looks at no ptr.

    Raises:
        ValueError: an unknown mode.
    """

    def __init__(
        self, in_channels: int, eps: float = 1e-5, affine: bool = True, mode: Literal["graph", "node"] = "graph"
    ) -> None:
        super().__init__()
        if mode not in ("graph", "node"):
            raise ValueError(f"mode must be graph or node, got {mode!r}")
        self.in_channels, self.eps, self.mode = in_channels, eps, mode
        self.weight = nn.Parameter(torch.ones(in_channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(in_channels)) if affine else None

    def forward(self, x: Tensor, ptr: Tensor | None = None) -> Tensor:
        """(N, in_channels) of nodes of graphs ``ptr[b]:ptr[b + 1]``, or of one graph."""
        if self.mode == "node":
            return nn.functional.layer_norm(x, (self.in_channels,), self.weight, self.bias, self.eps)
        centred = x - to_nodes(graph_mean(x, ptr).mean(1, keepdim=True), ptr, x.shape[0])
        var = graph_mean(centred.square(), ptr).mean(1, keepdim=True)
        return scaled(centred * to_nodes((var + self.eps).rsqrt(), ptr, x.shape[0]), self.weight, self.bias)

    def reset_parameters(self) -> None:
        """Back to ones and zeros."""
        if self.weight is not None and self.bias is not None:
            nn.init.ones_(self.weight)
            nn.init.zeros_(self.bias)
