"""Attention that is also taught which edges there are."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.gat import with_loops
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import edge_softmax, gather_dst, gather_src, sddmm, spmm

Attention = Literal["MX", "SD"]


class SuperGATConv(MessagePassing):
    r"""The layer of "How to Find Your Friendly Neighborhood: Graph Attention Design with Self-Supervision"
    (Kim and Oh, 2021), with H heads side by side.

    .. math::
        h_i = \sum_{j \to i} \alpha_{ji} W x_j + b, \quad
        \alpha_{ji} = \mathrm{softmax}_{j \to i} \, \mathrm{LeakyReLU}(e_{ji}), \quad
        \phi_{ji} = (W x_i)^\top W x_j

    with :math:`e = (a_s^\top W x_j + a_d^\top W x_i) \, \sigma(\phi_{ji})` (MX, mixed) or
    :math:`e = \phi_{ji} / \sqrt{F}` (SD, scaled dot product). Either is also the logit of there being an edge, see
    :meth:`edge_loss`.

    Shapes: x (S, in) or ((S, in), (D, in)); result (D, H * out), or (D, out) where heads are averaged.

    Args:
        in_channels: width of x.
        out_channels: width of each head.
        attention: MX or SD.
        heads: H.
        concat: heads side by side, or their average.
        negative_slope: of the leaky ReLU.
        dropout: of the attention coefficients, in training.
        self_loops: whether a node attends to itself too, beside any loops that the graph has.
        bias: whether there is a bias.

    Raises:
        ValueError: another attention.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        attention: Attention = "MX",
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        self_loops: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__("sum")
        if attention not in get_args(Attention):
            raise ValueError(f"attention must be MX or SD, got {attention!r}")
        self.heads, self.out_channels, self.concat = heads, out_channels, concat
        self.negative_slope, self.dropout, self.adds_loops = negative_slope, dropout, self_loops
        self.lin = Linear(in_channels, heads * out_channels, bias=False)
        mixed = attention == "MX"
        self.att_src = nn.Parameter(torch.empty(heads, out_channels)) if mixed else None
        self.att_dst = nn.Parameter(torch.empty(heads, out_channels)) if mixed else None
        self.bias = nn.Parameter(torch.zeros(heads * out_channels if concat else out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot)."""
        for weight in (self.lin.weight, self.att_src, self.att_dst):
            if weight is not None:
                nn.init.xavier_uniform_(weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None) -> Tensor:
        """(D, heads * out_channels), or (D, out_channels)."""
        source, target = self._hidden(x, edge_index.num_dst)
        if self.adds_loops:
            edge_index, loops, edges = edge_index.with_self_loops()
            edge_mask = with_loops(edge_mask, loops, edges)
        scores = self._logits(edge_index, source, target)
        if self.att_src is not None and self.att_dst is not None:
            ranks = gather_src(edge_index, (source * self.att_src).sum(-1))
            ranks = ranks + gather_dst(edge_index, (target * self.att_dst).sum(-1))
            scores = ranks * scores.sigmoid()
        alpha = edge_softmax(edge_index, nn.functional.leaky_relu(scores, self.negative_slope))
        alpha = nn.functional.dropout(alpha, self.dropout, self.training)
        out = spmm(edge_index, source, alpha if edge_mask is None else alpha * edge_mask[:, None])
        out = out.flatten(1) if self.concat else out.mean(1)
        return out if self.bias is None else out + self.bias

    def edge_loss(self, x: Pair, edge_index: EdgeIndex, negatives: EdgeIndex) -> Tensor:
        """Binary cross-entropy of telling edges from pairs that are none, by the logits averaged over heads.

        Args:
            x: as in forward.
            edge_index: E edges.
            negatives: M pairs of the same nodes without an edge, as :mod:`gnnctl.sampling.negatives` draws them.

        Returns:
            A number, to be added to the task's loss with a weight of its own.
        """
        source, target = self._hidden(x, edge_index.num_dst)
        there, absent = (self._logits(edges, source, target).mean(-1) for edges in (edge_index, negatives))
        truth = torch.cat([torch.ones_like(there), torch.zeros_like(absent)])
        return nn.functional.binary_cross_entropy_with_logits(torch.cat([there, absent]), truth)

    def _hidden(self, x: Pair, num_dst: int) -> tuple[Tensor, Tensor]:
        shape = (-1, self.heads, self.out_channels)
        if isinstance(x, tuple):
            return self.lin(x[0]).view(shape), self.lin(x[1]).view(shape)
        return ends(self.lin(x).view(shape), num_dst)

    def _logits(self, edge_index: EdgeIndex, source: Tensor, target: Tensor) -> Tensor:
        products = sddmm(edge_index, target, source)
        return products if self.att_src is not None else products * self.out_channels**-0.5
