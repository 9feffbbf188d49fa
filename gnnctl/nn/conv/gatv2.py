"""Graph attention whose ranking of neighbours depends on the destination."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.attention import Attention, HeadsConv
from gnnctl.nn.conv.loops import FillValue, Looped, fill_of_loops
from gnnctl.nn.message_passing import Pair, ends
from gnnctl.nn.ops import edge_softmax, gather_dst, gather_src


class GATv2Conv(HeadsConv):
    r"""The layer of "How Attentive are Graph Attention Networks?" (Brody et al., 2022), with H heads side by side.

    .. math::
        \alpha_{ji} = \mathrm{softmax}_{j \to i} \,
            a^\top \mathrm{LeakyReLU} \left( W_s x_j + W_d x_i + W_e e_{ji} \right), \quad
        h_i = \sum_{j \to i} \alpha_{ji} W_s x_j + b

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_attr (E, edge_channels); result (D, H * out), or (D, out)
    where heads are averaged.

    Args:
        in_channels: width of x, or (of sources, of destinations).
        out_channels: width of each head.
        heads: H.
        concat: heads side by side, or their average.
        negative_slope: of the leaky ReLU.
        dropout: of the attention coefficients, in training.
        edge_channels: width of edge features that take part; 0 for none.
        self_loops: whether a node attends to itself too (sources and destinations being the same nodes). The loop
            replaces those that the graph has.
        fill_value: the features of a node's own loop, where edges have some: a number, a tensor (edge_channels,), or
            what is made of its other edges' features: mean, sum, min, max or mul (product).
        share_weights: whether W_d is W_s; both ends then have the same width.
        residual: whether a linear map of the destination's own features is added.
        bias: whether there are biases.

    Raises:
        ValueError: shared weights for ends of different widths.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        edge_channels: int = 0,
        self_loops: bool = True,
        fill_value: FillValue = "mean",
        share_weights: bool = False,
        residual: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__(
            out_channels,
            heads=heads,
            concat=concat,
            negative_slope=negative_slope,
            dropout=dropout,
            self_loops=self_loops,
        )
        self.set_fill(fill_value)
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        if share_weights and source != target:
            raise ValueError(f"share_weights needs ends of one width, got in_channels {in_channels}")
        width = heads * out_channels
        self.lin = nn.Linear(source, width, bias=bias)
        self.lin_dst = None if share_weights else nn.Linear(target, width, bias=bias)
        self.att = nn.Parameter(torch.empty(heads, out_channels))
        self.edge_lin = nn.Linear(edge_channels, width, bias=False) if edge_channels else None
        self.res = nn.Linear(target, self.total, bias=False) if residual else None
        self.bias = self.new_bias(bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot); biases are zero."""
        self.draw(self.lin, self.lin_dst, self.edge_lin, self.res, self.att)

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None, edge_attr: Tensor | None = None
    ) -> Tensor:
        """(D, heads * out_channels), or (D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        hidden = self.lin(source)
        attention, loops = self._attention(hidden, target, edge_index, edge_attr)
        edge_mask = edge_mask if loops is None else loops.values(edge_mask)
        out = self.weighed(attention.edge_index, self.of_heads(hidden), attention.alpha, None, edge_mask)
        return self.joined(out, target)

    def attention(self, x: Pair, edge_index: EdgeIndex, edge_attr: Tensor | None = None) -> Attention:
        """The coefficients that ``forward`` weighs neighbours by, before dropout; arguments as there, edges sorted."""
        source, target = ends(x, edge_index.num_dst)
        return self._attention(self.lin(source), target, edge_index, edge_attr)[0]

    def _attention(
        self, hidden: Tensor, target: Tensor, edge_index: EdgeIndex, edge_attr: Tensor | None
    ) -> tuple[Attention, Looped | None]:
        own = (self.lin if self.lin_dst is None else self.lin_dst)(target)
        edge = None if self.edge_lin is None or edge_attr is None else self.edge_lin(edge_attr)
        loops = self.looped(edge_index)
        if loops is not None:
            if edge is not None and edge_attr is not None and self.edge_lin is not None:
                edge = loops.values(edge, fill_of_loops(edge_index, edge_attr, edge, self.fill_value, self.edge_lin))
            edge_index = loops.edge_index
        score = gather_src(edge_index, hidden) + gather_dst(edge_index, own)
        score = score if edge is None else score + edge
        score = nn.functional.leaky_relu(score, self.negative_slope).view(-1, self.heads, self.out_channels)
        scores = (score * self.att).sum(-1)
        alpha = edge_softmax(edge_index, scores if loops is None else loops.scores(scores))
        return Attention(edge_index, alpha), loops
