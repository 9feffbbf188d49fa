"""Gaussian mixture convolution."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike, aggregation
from gnnctl.nn.message_passing import MessagePassing, Pair, ends


class GMMConv(MessagePassing):
    r"""The layer of "Geometric Deep Learning on Graphs and Manifolds using Mixture Model CNNs" (Monti et al., 2017).

    .. math::
        h_i = W_r x_i + \mathrm{aggr}_{j \to i} \sum_k w_k(e_{ji}) W_k x_j + b, \quad
        w_k(e) = \exp \left( -\frac{1}{2} \sum_d \frac{(e_d - \mu_{kd})^2}{\sigma_{kd}^2 + 10^{-15}} \right)

    Shapes: x (S, in) or ((S, in), (D, in_dst)); edge_attr (E, edge_channels), pseudo-coordinates; result (D, out).

    Args:
        in_channels: width of x, or (of sources, of destinations).
        out_channels: width of the result.
        edge_channels: width of the pseudo-coordinates.
        num_kernels: number of Gaussians.
        aggr: sum or mean; see :func:`gnnctl.nn.aggr.aggregation`.
        root: whether the destination's own features take part.
        bias: whether there is a bias.

    Raises:
        ValueError: an aggregation that is not linear.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        edge_channels: int,
        num_kernels: int,
        aggr: AggregationLike = "mean",
        root: bool = True,
        bias: bool = True,
    ) -> None:
        chosen = aggregation(aggr)
        if not chosen.linear:
            raise ValueError(f"aggr must be linear (sum or mean), got {aggr!r}")
        super().__init__(chosen)
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.num_kernels, self.out_channels = num_kernels, out_channels
        self.lin = nn.Linear(source, num_kernels * out_channels, bias=False)
        self.mean = nn.Parameter(torch.empty(num_kernels, edge_channels))
        self.deviation = nn.Parameter(torch.empty(num_kernels, edge_channels))
        self.root = nn.Linear(target, out_channels, bias=False) if root else None
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot)."""
        for weight in (self.lin.weight, self.mean, self.deviation, None if self.root is None else self.root.weight):
            if weight is not None:
                nn.init.xavier_uniform_(weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Pair, edge_index: EdgeIndex, edge_attr: Tensor, edge_mask: Tensor | None = None) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        distance = (edge_attr[:, None] - self.mean).square() / (self.deviation.square() + 1e-15)
        weight = (-0.5 * distance.sum(-1)).exp()
        weight = weight if edge_mask is None else weight * edge_mask[:, None]
        hidden = self.lin(source).view(-1, self.num_kernels, self.out_channels)
        out = self.aggr.along(edge_index, hidden, weight.to(hidden.dtype)).sum(1)
        out = out if self.root is None else out + self.root(target)
        return out if self.bias is None else out + self.bias
