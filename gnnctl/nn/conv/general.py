"""The layer of a design space."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import edge_softmax, gather_dst, gather_src

Attention = Literal["none", "additive", "dot-product"]
_SLOPE = 0.2  # of the leaky ReLU before the softmax


class GeneralConv(MessagePassing):
    r"""The layer of "Design Space for Graph Neural Networks" (You et al., 2020), whose choices are options.

    .. math::
        h_i = W_0 x_i + \frac{1}{H} \sum_h \mathrm{aggr}_{j \to i} \, \alpha^h_{ji} m^h_{ji}, \quad
        m_{ji} = W x_j + U x_i + W_e e_{ji}

    where U is there for undirected messages, and :math:`\alpha` is one, or the softmax over the edges of i of the leaky
    ReLU of :math:`a^\top m_{ji}` (additive) or of :math:`m_{ij}^\top m_{ji} / \sqrt{out}` (dot-product).

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_attr (E, edge_channels); result (D, out).

    Args:
        in_channels: width of x, or (of sources, of destinations).
        out_channels: width of the result, and of each head.
        aggr: see :func:`gnnctl.nn.aggr.aggregation`; one that keeps the width.
        heads: H.
        attention: none, additive or dot-product.
        edge_channels: width of edge features that take part; 0 for none.
        directed: whether messages depend on their source alone; else on both ends.
        skip_linear: whether W_0 is learned though x has the width of the result; else it is the identity then.
        normalize: whether the result has length 1.
        bias: whether the maps have biases.

    Raises:
        ValueError: another attention, an aggregation that changes the width, or a dot product of ends that have
            different widths.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        aggr: AggregationLike = "sum",
        heads: int = 1,
        attention: Attention = "none",
        edge_channels: int = 0,
        directed: bool = True,
        skip_linear: bool = False,
        normalize: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__(aggr)
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        width = heads * out_channels
        if attention not in get_args(Attention):
            raise ValueError(f"attention must be none, additive or dot-product, got {attention!r}")
        if attention == "dot-product" and source != target:
            raise ValueError(f"attention by dot-product needs ends of one width, got in_channels {in_channels}")
        if self.aggr.channels(width) != width:
            raise ValueError(f"aggr must keep the width of messages, got {aggr!r}")
        self.heads, self.out_channels, self.attention, self.normalize = heads, out_channels, attention, normalize
        self.lin = Linear(source, width, bias=bias)
        self.lin_dst = None if directed else Linear(target, width, bias=bias)
        self.edge_lin = Linear(edge_channels, width, bias=bias) if edge_channels else None
        self.root = Linear(target, out_channels, bias=bias) if skip_linear or target != out_channels else None
        self.att = nn.Parameter(torch.empty(heads, out_channels)) if attention == "additive" else None
        if self.att is not None:
            nn.init.xavier_uniform_(self.att)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.aggr.reset_parameters()
        for linear in (self.lin, self.lin_dst, self.edge_lin, self.root):
            if linear is not None:
                linear.reset_parameters()
        if self.att is not None:
            nn.init.xavier_uniform_(self.att)

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None, edge_attr: Tensor | None = None
    ) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        sent = self.lin(source)
        edge = None if self.edge_lin is None or edge_attr is None else self.edge_lin(edge_attr)
        if edge is None and self.lin_dst is None and self.attention == "none":
            out = self.aggr.along(edge_index, sent, edge_mask)
        else:
            messages = gather_src(edge_index, sent)
            if self.lin_dst is not None:
                messages = messages + gather_dst(edge_index, self.lin_dst(target))
            messages = messages if edge is None else messages + edge
            if self.attention != "none":
                alpha = self._alpha(edge_index, self._of_heads(messages), source, target, edge)
                messages = (self._of_heads(messages) * alpha[:, :, None]).flatten(1)
            out = self.aggregate(messages if edge_mask is None else messages * edge_mask[:, None], edge_index)
        out = self._of_heads(out).mean(1) + (target if self.root is None else self.root(target))
        return nn.functional.normalize(out, dim=-1) if self.normalize else out

    def _alpha(
        self, edge_index: EdgeIndex, messages: Tensor, source: Tensor, target: Tensor, edge: Tensor | None
    ) -> Tensor:
        if self.att is not None:
            scores = (messages * self.att).sum(-1)
        else:
            back = gather_dst(edge_index, self.lin(target))  # the message of the edge turned round
            if self.lin_dst is not None:
                back = back + gather_src(edge_index, self.lin_dst(source))
            back = self._of_heads(back if edge is None else back + edge)
            scores = (messages * back).sum(-1) / self.out_channels**0.5
        return edge_softmax(edge_index, nn.functional.leaky_relu(scores, _SLOPE))

    def _of_heads(self, rows: Tensor) -> Tensor:
        return rows.view(-1, self.heads, self.out_channels)
