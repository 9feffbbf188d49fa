"""Scaled dot-product attention along edges."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.attention import Attention
from gnnctl.nn.dropout import dropout
from gnnctl.nn.linear import per_head
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import edge_softmax, gather_dst, sddmm, segment_reduce, spmm


class TransformerConv(MessagePassing):
    r"""The layer of "Masked Label Prediction: Unified Message Passing Model for Semi-Supervised Classification"
    (Shi et al., 2021), with H heads side by side.

    .. math::
        h_i = W_r x_i + \sum_{j \to i} \alpha_{ji} (W_v x_j + W_e e_{ji}), \quad
        \alpha_{ji} = \mathrm{softmax}_{j \to i} \frac{(W_q x_i)^\top (W_k x_j + W_e e_{ji})}{\sqrt{out}}

    With ``beta``, :math:`h_i = \beta_i W_r x_i + (1 - \beta_i) m_i`, of the sum m and
    :math:`\beta_i = \sigma(w^\top [m_i, W_r x_i, m_i - W_r x_i])`. Edge features are never brought to the width of the
    heads: :math:`W_e` is applied to queries before the edges, and to the weighted sum of features after them.

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_attr (E, edge_channels); result (D, H * out), or (D, out)
    where heads are averaged.

    Args:
        in_channels: width of x, or (of sources, of destinations).
        out_channels: width of each head.
        heads: H.
        concat: heads side by side, or their average.
        beta: whether the own features are gated; needs ``root``.
        dropout: of the attention coefficients, in training.
        edge_channels: width of edge features that take part; 0 for none.
        root: whether the destination's own features take part.
        bias: whether there are biases.

    Raises:
        ValueError: ``beta`` without ``root``.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        heads: int = 1,
        concat: bool = True,
        beta: bool = False,
        dropout: float = 0.0,
        edge_channels: int = 0,
        root: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__("sum")
        if beta and not root:
            raise ValueError("beta gates the destination's own features: it needs root=True")
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.heads, self.out_channels, self.concat, self.dropout = heads, out_channels, concat, dropout
        width = heads * out_channels
        total = width if concat else out_channels
        self.lin_key = nn.Linear(source, width, bias=bias)
        self.lin_query = nn.Linear(target, width, bias=bias)
        self.lin = nn.Linear(source, width, bias=bias)
        self.edge_lin = nn.Linear(edge_channels, width, bias=False) if edge_channels else None
        self.root = nn.Linear(target, total, bias=bias) if root else None
        self.lin_beta = nn.Linear(3 * total, 1, bias=False) if beta else None

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for linear in (self.lin_key, self.lin_query, self.lin, self.edge_lin, self.root, self.lin_beta):
            if linear is not None:
                linear.reset_parameters()

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None, edge_attr: Tensor | None = None
    ) -> Tensor:
        """(D, heads * out_channels), or (D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        edge_weight = None
        if self.edge_lin is not None and edge_attr is not None:
            edge_weight = self.edge_lin.weight.view(self.heads, self.out_channels, -1)
        alpha = self.attention(x, edge_index, edge_attr).alpha
        alpha = dropout(alpha, self.dropout, self.training)
        alpha = alpha if edge_mask is None else alpha * edge_mask[:, None]
        value = self.lin(source).view(-1, self.heads, self.out_channels)
        out = spmm(edge_index, value, alpha.to(value.dtype))
        if edge_weight is not None and edge_attr is not None:
            features = segment_reduce(edge_index.colptr, alpha[:, :, None] * edge_attr[:, None])
            out = out + per_head(features.to(edge_weight.dtype), edge_weight.mT)
        out = out.flatten(1) if self.concat else out.mean(1)
        if self.root is None:
            return out
        own: Tensor = self.root(target)
        if self.lin_beta is None:
            return out + own
        beta: Tensor = self.lin_beta(torch.cat([out, own, out - own], dim=-1)).sigmoid()
        return beta * own + (1 - beta) * out

    def attention(self, x: Pair, edge_index: EdgeIndex, edge_attr: Tensor | None = None) -> Attention:
        """The coefficients that ``forward`` weighs neighbours by, before dropout; arguments as there, edges sorted."""
        source, target = ends(x, edge_index.num_dst)
        shape = (-1, self.heads, self.out_channels)
        query = self.lin_query(target).view(shape) / self.out_channels**0.5
        score = sddmm(edge_index, query, self.lin_key(source).view(shape))
        if self.edge_lin is not None and edge_attr is not None:
            edge_weight = self.edge_lin.weight.view(self.heads, self.out_channels, -1)
            query_edge = per_head(query, edge_weight)
            score = score + (gather_dst(edge_index, query_edge) * edge_attr[:, None]).sum(-1)
        return Attention(edge_index, edge_softmax(edge_index, score))
