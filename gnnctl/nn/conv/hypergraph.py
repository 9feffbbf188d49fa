"""Hypergraph convolution."""

from typing import Literal

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.initial import glorot_
from gnnctl.nn.conv.normalization import inverse
from gnnctl.nn.dropout import dropout
from gnnctl.nn.message_passing import MessagePassing
from gnnctl.nn.ops import attention, spmm

Attention = Literal["none", "node", "edge"]


class HypergraphConv(MessagePassing):
    r"""The layer of "Hypergraph Convolution and Hypergraph Attention" (Bai et al., 2021).

    .. math:: X' = D^{-1} H W B^{-1} H^\top X \Theta + b

    H is the N x M incidence of nodes and hyperedges, W the hyperedges' weights, B their sizes, D the nodes' sums of
    weights. Nodes are averaged in their hyperedges, and these in their nodes. With attention an incidence has the
    coefficient :math:`\mathrm{softmax} \, \mathrm{LeakyReLU}(a^\top [\Theta x_i, \Theta e_m])` in both, among the nodes
    of its hyperedge ("node") or among the hyperedges of its node ("edge"). (torch-geometric leaves W out of the second
    average, though not out of D.)

    ``edge_index`` goes from N nodes to M hyperedges. As a plain tensor it is taken for M = N, hyperedges beyond the
    last one being empty. Four nodes in the hyperedges {0, 1, 2} and {1, 2, 3}::

        incidence = torch.tensor([[0, 1, 2, 1, 2, 3], [0, 0, 0, 1, 1, 1]])
        edge_index, order = EdgeIndex.from_coo(incidence, 4, 2)

    Shapes: x (N, in); hyperedge_attr (M, in); hyperedge_weight (M,); result (N, heads * out), or (N, out).

    Args:
        in_channels: width of x, and of hyperedge_attr.
        out_channels: width of each head.
        mode: of the attention, or "none".
        heads: of the attention.
        concat: heads side by side, or their average.
        negative_slope: of the leaky ReLU.
        dropout: of the coefficients, in training.
        bias: whether there is a bias.

    Raises:
        ValueError: an unknown mode, or several heads without attention.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        mode: Attention = "none",
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__("sum")
        if mode not in ("none", "node", "edge"):
            raise ValueError(f"mode must be none, node or edge, got {mode!r}")
        if mode == "none" and heads != 1:
            raise ValueError(f"heads: {heads} heads need attention; choose mode='node' or 'edge'")
        self.mode, self.heads, self.out_channels, self.concat = mode, heads, out_channels, concat
        self.negative_slope, self.dropout = negative_slope, dropout
        self.lin = nn.Linear(in_channels, heads * out_channels, bias=False)
        # The first half of a row is for nodes, the second for hyperedges.
        self.att = nn.Parameter(torch.empty(heads, 2 * out_channels)) if mode != "none" else None
        self.bias = nn.Parameter(torch.zeros(heads * out_channels if concat else out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot)."""
        nn.init.xavier_uniform_(self.lin.weight)
        if self.att is not None:
            glorot_(self.att)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Tensor,
        edge_index: EdgeIndex,
        edge_mask: Tensor | None = None,
        hyperedge_attr: Tensor | None = None,
        hyperedge_weight: Tensor | None = None,
    ) -> Tensor:
        """(N, heads * out_channels), or (N, out_channels).

        Raises:
            ValueError: attention without hyperedge_attr.
        """
        turned, order = edge_index.reversed()
        hidden = self.lin(x).view(-1, self.heads, self.out_channels)
        alpha = None
        if self.att is not None:
            if hyperedge_attr is None:
                raise ValueError("hyperedge_attr: attention needs features of the hyperedges")
            alpha = self._attention(edge_index, turned, order, hidden, self.lin(hyperedge_attr))
        if edge_mask is not None:
            mask = edge_mask[:, None]
            alpha = mask.expand(-1, self.heads) if alpha is None else alpha * mask
        if hyperedge_weight is None:
            total = turned.in_degree().to(hidden.dtype)
        else:
            total = spmm(turned, hyperedge_weight[:, None])[:, 0]
        scale = inverse(edge_index.in_degree().to(hidden.dtype))
        if hyperedge_weight is not None:
            scale = scale * hyperedge_weight
        edges = spmm(edge_index, hidden, alpha) * scale[:, None, None]
        out = spmm(turned, edges, None if alpha is None else alpha.index_select(0, order))
        out = out * inverse(total).to(out.dtype)[:, None, None]
        out = out.flatten(1) if self.concat else out.mean(1)
        return out if self.bias is None else out + self.bias

    def _attention(
        self, edge_index: EdgeIndex, turned: EdgeIndex, order: Tensor, hidden: Tensor, attr: Tensor
    ) -> Tensor:
        """(E, heads), in the order of ``edge_index``."""
        assert self.att is not None
        nodes = (hidden * self.att[:, : self.out_channels]).sum(-1)
        edges = attr.view(-1, self.heads, self.out_channels)
        scores = (edges * self.att[:, self.out_channels :]).sum(-1)
        if self.mode == "node":
            alpha = attention(edge_index, nodes, scores, None, self.negative_slope)
        else:
            alpha = attention(turned, scores, nodes, None, self.negative_slope)
            alpha = torch.empty_like(alpha).index_copy(0, order.long(), alpha)
        return dropout(alpha, self.dropout, self.training)
