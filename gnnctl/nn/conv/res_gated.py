"""Gated graph convolution with a residual connection."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import gather_dst, gather_src


class ResGatedGraphConv(MessagePassing):
    r"""The layer of "Residual Gated Graph ConvNets" (Bresson and Laurent, 2017).

    .. math::
        h_i = W_r x_i + \mathrm{aggr}_{j \to i} \,
            \sigma \left( W_d [x_i, e_{ji}] + W_s [x_j, e_{ji}] \right) \odot W [x_j, e_{ji}] + b

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_attr (E, edge_channels); result (D, out).

    Args:
        in_channels: width of x, or (of sources, of destinations).
        out_channels: width of the result.
        edge_channels: width of edge features that take part; 0 for none.
        aggr: see :func:`gnnctl.nn.aggr.aggregation`; one that keeps the width.
        root: whether the destination's own features are added.
        bias: whether there is a bias b; W, W_s and W_d have theirs in any case.

    Raises:
        ValueError: there are to be edge features, and none are given.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        edge_channels: int = 0,
        aggr: AggregationLike = "sum",
        root: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__(aggr)
        self.source, self.target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.lin_dst = nn.Linear(self.target + edge_channels, out_channels)
        self.lin_src = nn.Linear(self.source + edge_channels, out_channels)
        self.lin = nn.Linear(self.source + edge_channels, out_channels)
        self.edge_channels = edge_channels
        self.root = nn.Linear(self.target, out_channels, bias=False) if root else None
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for linear in (self.lin_dst, self.lin_src, self.lin, self.root):
            if linear is not None:
                linear.reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None, edge_attr: Tensor | None = None
    ) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        width = self.lin.out_features
        # Gate and value of a source are one product, and one gather.
        weight = torch.cat([self.lin_src.weight, self.lin.weight])
        bias = torch.cat([self.lin_src.bias + self.lin_dst.bias, self.lin.bias])
        both = gather_src(edge_index, nn.functional.linear(source, weight[:, : self.source], bias))
        if self.edge_channels:
            if edge_attr is None:
                raise ValueError(f"edge_attr is missing: the layer was made for {self.edge_channels} edge features")
            gate_edge = self.lin_src.weight[:, self.source :] + self.lin_dst.weight[:, self.target :]
            edge = torch.cat([gate_edge, self.lin.weight[:, self.source :]])
            both = both + nn.functional.linear(edge_attr, edge)
        gate, value = torch.split(both, width, dim=-1)
        own = nn.functional.linear(target, self.lin_dst.weight[:, : self.target])
        messages = (gate + gather_dst(edge_index, own)).sigmoid() * value
        messages = messages if edge_mask is None else messages * edge_mask[:, None]
        out = self.aggregate(messages, edge_index)
        out = out if self.root is None else out + self.root(target)
        return out if self.bias is None else out + self.bias
