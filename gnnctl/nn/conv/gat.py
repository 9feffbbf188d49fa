"""Graph attention network."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.attention import Attention, HeadsConv
from gnnctl.nn.conv.loops import FillValue, Looped, fill_of_loops
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import Pair, ends
from gnnctl.nn.ops import attend, attention, gather_dst, gather_src

Scores = tuple[Tensor, Tensor, Tensor | None]  # (S, H) of sources, (D, H) of destinations, (E, H) of edges


class GATConv(HeadsConv):
    r"""The layer of "Graph Attention Networks" (Velickovic et al., 2018), with H heads side by side.

    .. math::
        \alpha_{ji} = \mathrm{softmax}_{j \to i} \,
            \mathrm{LeakyReLU} \left( a_s^\top W x_j + a_d^\top W x_i + a_e^\top W_e e_{ji} \right), \quad
        h_i = \sum_{j \to i} \alpha_{ji} W x_j + b

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_attr (E, edge_channels); result (D, H * out), or (D, out)
    where heads are averaged.

    Args:
        in_channels: width of x, or (of sources, of destinations); a pair has two weight matrices.
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
        residual: whether a linear map of the destination's own features is added.
        bias: whether there is a bias.
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
        pair = isinstance(in_channels, tuple)
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.lin = Linear(source, heads * out_channels, bias=False)
        self.lin_dst = Linear(target, heads * out_channels, bias=False) if pair else None
        self.att_src = nn.Parameter(torch.empty(heads, out_channels))
        self.att_dst = nn.Parameter(torch.empty(heads, out_channels))
        self.edge_lin = Linear(edge_channels, heads * out_channels, bias=False) if edge_channels else None
        self.att_edge = nn.Parameter(torch.empty(heads, out_channels)) if edge_channels else None
        self.res = Linear(target, self.total, bias=False) if residual else None
        self.bias = self.new_bias(bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot)."""
        self.draw(self.lin, self.lin_dst, self.edge_lin, self.att_src, self.att_dst, self.att_edge, self.res)

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """(D, heads * out_channels), or (D, out_channels). Edge weights, where given, scale the messages."""
        target = ends(x, edge_index.num_dst)[1]
        hidden, scores, edge_index, loops = self._scored(x, edge_index, edge_attr)
        if loops is not None:
            edge_weight, edge_mask = loops.values(edge_weight), loops.values(edge_mask)
        replaces = loops is not None and loops.replaced is not None
        if edge_weight is None and edge_mask is None and not replaces and not (self.training and self.dropout > 0):
            src, dst, edge = scores
            out = attend(edge_index, src, dst, hidden, edge, self.negative_slope)
        else:
            out = self.weighed(edge_index, hidden, self._alpha(edge_index, scores, loops), edge_weight, edge_mask)
        return self.joined(out, target)

    def attention(self, x: Pair, edge_index: EdgeIndex, edge_attr: Tensor | None = None) -> Attention:
        """The coefficients that ``forward`` weighs neighbours by, before dropout; arguments as there, edges sorted."""
        _, scores, edge_index, loops = self._scored(x, edge_index, edge_attr)
        return Attention(edge_index, self._alpha(edge_index, scores, loops))

    def _scored(
        self, x: Pair, edge_index: EdgeIndex, edge_attr: Tensor | None
    ) -> tuple[Tensor, Scores, EdgeIndex, Looped | None]:
        source, target = ends(x, edge_index.num_dst)
        hidden = self.of_heads(self.lin(source))
        score_src = (hidden * self.att_src).sum(-1)
        if self.lin_dst is None and not isinstance(x, tuple):
            score_dst = (hidden[: edge_index.num_dst] * self.att_dst).sum(-1)
        else:
            score_dst = _scores(self.lin_dst or self.lin, target, self.att_dst)
        score_edge = None
        if self.edge_lin is not None and edge_attr is not None:
            score_edge = self._score_edge(edge_attr)
        loops = self.looped(edge_index)
        if loops is not None:
            if score_edge is not None and edge_attr is not None:
                filled = fill_of_loops(edge_index, edge_attr, score_edge, self.fill_value, self._score_edge)
                score_edge = loops.values(score_edge, filled)
            edge_index = loops.edge_index
        return hidden, (score_src, score_dst, score_edge), edge_index, loops

    def _score_edge(self, edge_attr: Tensor) -> Tensor:
        assert self.edge_lin is not None
        assert self.att_edge is not None
        return _scores(self.edge_lin, edge_attr, self.att_edge)

    def _alpha(self, edge_index: EdgeIndex, scores: Scores, loops: Looped | None) -> Tensor:
        src, dst, edge = scores
        if loops is None or loops.replaced is None:
            return attention(edge_index, src, dst, edge, self.negative_slope)
        joint = gather_src(edge_index, src) + gather_dst(edge_index, dst)
        return self.coefficients(edge_index, joint if edge is None else joint + edge, loops)


def _scores(linear: nn.Linear, values: Tensor, vector: Tensor) -> Tensor:
    # a . (W x) for every head is one thin product with W folded into a: (H, in).
    heads, width = vector.shape
    folded = (linear.weight.view(heads, width, -1) * vector[:, :, None]).sum(1)
    return nn.functional.linear(values, folded)
