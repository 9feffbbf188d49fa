"""Graph attention network."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import attend, attention, segment_reduce, spmm


class GATConv(MessagePassing):
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
        self_loops: whether a node attends to itself too (sources and destinations being the same nodes).
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
        bias: bool = True,
    ) -> None:
        super().__init__("sum")
        pair = isinstance(in_channels, tuple)
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.heads, self.out_channels, self.concat = heads, out_channels, concat
        self.negative_slope, self.dropout, self.adds_loops = negative_slope, dropout, self_loops
        self.lin = Linear(source, heads * out_channels, bias=False)
        self.lin_dst = Linear(target, heads * out_channels, bias=False) if pair else None
        self.att_src = nn.Parameter(torch.empty(heads, out_channels))
        self.att_dst = nn.Parameter(torch.empty(heads, out_channels))
        self.edge_lin = Linear(edge_channels, heads * out_channels, bias=False) if edge_channels else None
        self.att_edge = nn.Parameter(torch.empty(heads, out_channels)) if edge_channels else None
        self.bias = nn.Parameter(torch.zeros(heads * out_channels if concat else out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot)."""
        for linear in (self.lin, self.lin_dst, self.edge_lin):
            if linear is not None:
                nn.init.xavier_uniform_(linear.weight)
        for vector in (self.att_src, self.att_dst, self.att_edge):
            if vector is not None:
                nn.init.xavier_uniform_(vector)

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """(D, heads * out_channels), or (D, out_channels). Edge weights, where given, scale the messages."""
        source, target = ends(x, edge_index.num_dst)
        hidden = self.lin(source).view(-1, self.heads, self.out_channels)
        score_src = (hidden * self.att_src).sum(-1)
        if self.lin_dst is None and not isinstance(x, tuple):
            score_dst = (hidden[: edge_index.num_dst] * self.att_dst).sum(-1)
        else:
            score_dst = _scores(self.lin_dst or self.lin, target, self.att_dst)
        score_edge = None
        if self.edge_lin is not None and self.att_edge is not None and edge_attr is not None:
            score_edge = _scores(self.edge_lin, edge_attr, self.att_edge)
        if self.adds_loops:
            looped, loops, edges = edge_index.with_self_loops()
            edge_weight = with_loops(edge_weight, loops, edges)
            edge_mask = with_loops(edge_mask, loops, edges)
            # A loop has no features: it scores as the destination's average edge, whatever else is in the batch.
            if score_edge is not None:
                average = segment_reduce(edge_index.colptr, score_edge, "mean")
                score_edge = with_loops(score_edge, loops, edges, average)
            edge_index = looped
        if edge_weight is None and edge_mask is None and not (self.training and self.dropout > 0):
            out = attend(edge_index, score_src, score_dst, hidden, score_edge, self.negative_slope)
        else:
            alpha = attention(edge_index, score_src, score_dst, score_edge, self.negative_slope)
            alpha = nn.functional.dropout(alpha, self.dropout, self.training)
            for factor in (edge_weight, edge_mask):
                alpha = alpha if factor is None else alpha * factor[:, None]
            out = spmm(edge_index, hidden, alpha.to(hidden.dtype))
        out = out.flatten(1) if self.concat else out.mean(1)
        return out if self.bias is None else out + self.bias


def _scores(linear: nn.Linear, values: Tensor, vector: Tensor) -> Tensor:
    # a . (W x) for every head is one thin product with W folded into a: (H, in).
    heads, width = vector.shape
    folded = (linear.weight.view(heads, width, -1) * vector[:, :, None]).sum(1)
    return nn.functional.linear(values, folded)


def with_loops(values: Tensor | None, loops: Tensor, edges: Tensor, fill: Tensor | None = None) -> Tensor | None:
    """Values of edges and of loops, where :meth:`EdgeIndex.with_self_loops` put them; loops have ``fill``, or ones."""
    if values is None:
        return None
    count = loops.shape[0]
    rows = values.new_ones(count, *values.shape[1:]) if fill is None else fill
    out = values.new_empty(count + edges.shape[0], *values.shape[1:])
    return out.index_copy(0, loops, rows).index_copy(0, edges, values)
