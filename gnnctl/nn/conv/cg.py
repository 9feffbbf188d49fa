"""Crystal graph convolution."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.norm import BatchNorm
from gnnctl.nn.ops import gather_dst, gather_src


class CGConv(MessagePassing):
    r"""The layer of "Crystal Graph Convolutional Neural Networks for an Accurate and Interpretable Prediction of
    Material Properties" (Xie and Grossman, 2018).

    .. math::
        h_i = x_i + \mathrm{aggr}_{j \to i} \, \sigma(W_f z_{ji} + b_f) \odot \mathrm{softplus}(W_s z_{ji} + b_s),
        \quad z_{ji} = [x_i, x_j, e_{ji}]

    Shapes: x (S, F) or ((S, F_src), (D, F)); edge_attr (E, edge_channels); result (D, F).

    Args:
        in_channels: width of x, or (of sources, of destinations).
        edge_channels: width of edge features that take part; 0 for none.
        aggr: see :func:`gnnctl.nn.aggr.aggregation`; one that keeps the width.
        batch_norm: whether the sum is normalised before x is added.
        bias: whether there are biases.

    Raises:
        ValueError: there are to be edge features, and none are given.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        *,
        edge_channels: int = 0,
        aggr: AggregationLike = "sum",
        batch_norm: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__(aggr)
        self.source, self.target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.edge_channels = edge_channels
        width = self.source + self.target + edge_channels
        self.lin_gate = nn.Linear(width, self.target, bias=bias)
        self.lin = nn.Linear(width, self.target, bias=bias)
        self.norm = BatchNorm(self.target) if batch_norm else None

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.lin_gate.reset_parameters()
        self.lin.reset_parameters()
        if self.norm is not None:
            self.norm.reset_parameters()

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None, edge_attr: Tensor | None = None
    ) -> Tensor:
        """(D, F)."""
        source, target = ends(x, edge_index.num_dst)
        # Gate and value are one product at each end, before the edges.
        weight = torch.cat([self.lin_gate.weight, self.lin.weight])
        bias = None if self.lin.bias is None else torch.cat([self.lin_gate.bias, self.lin.bias])
        of_dst, of_src, of_edge = torch.split(weight, [self.target, self.source, self.edge_channels], dim=1)
        both = gather_dst(edge_index, nn.functional.linear(target, of_dst, bias))
        both = both + gather_src(edge_index, nn.functional.linear(source, of_src))
        if self.edge_channels:
            if edge_attr is None:
                raise ValueError(f"edge_attr is missing: the layer was made for {self.edge_channels} edge features")
            both = both + nn.functional.linear(edge_attr, of_edge)
        gate, value = torch.split(both, self.target, dim=-1)
        messages = gate.sigmoid() * nn.functional.softplus(value)
        messages = messages if edge_mask is None else messages * edge_mask[:, None]
        out = self.aggregate(messages, edge_index)
        return target + (out if self.norm is None else self.norm(out))
