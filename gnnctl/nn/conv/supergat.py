"""Attention that is also taught which edges there are."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.attention import HeadsConv
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import Pair, ends
from gnnctl.nn.ops import gather_dst, gather_src, sddmm

Attention = Literal["MX", "SD"]


class SuperGATConv(HeadsConv):
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
        self_loops: whether a node attends to itself too; the loop replaces those that the graph has.
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
        super().__init__(
            out_channels,
            heads=heads,
            concat=concat,
            negative_slope=negative_slope,
            dropout=dropout,
            self_loops=self_loops,
        )
        if attention not in get_args(Attention):
            raise ValueError(f"attention must be MX or SD, got {attention!r}")
        self.lin = Linear(in_channels, heads * out_channels, bias=False)
        mixed = attention == "MX"
        self.att_src = nn.Parameter(torch.empty(heads, out_channels)) if mixed else None
        self.att_dst = nn.Parameter(torch.empty(heads, out_channels)) if mixed else None
        self.bias = self.new_bias(bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot)."""
        self.draw(self.lin, self.att_src, self.att_dst)

    def forward(self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None) -> Tensor:
        """(D, heads * out_channels), or (D, out_channels)."""
        source, target = self._hidden(x, edge_index.num_dst)
        loops = self.looped(edge_index)
        if loops is not None:
            edge_index, edge_mask = loops.edge_index, loops.values(edge_mask)
        scores = self._logits(edge_index, source, target)
        if self.att_src is not None and self.att_dst is not None:
            ranks = gather_src(edge_index, (source * self.att_src).sum(-1))
            ranks = ranks + gather_dst(edge_index, (target * self.att_dst).sum(-1))
            scores = ranks * scores.sigmoid()
        alpha = self.coefficients(edge_index, scores, loops)
        return self.joined(self.weighed(edge_index, source, alpha, None, edge_mask), target)

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
        if isinstance(x, tuple):
            return self.of_heads(self.lin(x[0])), self.of_heads(self.lin(x[1]))
        return ends(self.of_heads(self.lin(x)), num_dst)

    def _logits(self, edge_index: EdgeIndex, source: Tensor, target: Tensor) -> Tensor:
        products = sddmm(edge_index, target, source)
        return products if self.att_src is not None else products * self.out_channels**-0.5
