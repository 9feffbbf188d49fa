"""Frequency adaptive graph convolution."""

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import adjacency, times
from gnnctl.nn.dropout import dropout
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import gather_dst, gather_src


class FAConv(MessagePassing):
    r"""The layer of "Beyond Low-Frequency Information in Graph Convolutional Networks" (Bo et al., 2021).

    .. math::
        h_i = \epsilon x^0_i + \sum_{j \in N(i) \cup \{i\}} \frac{\alpha_{ji}}{\sqrt{d_j d_i}} x_j, \quad
        \alpha_{ji} = \tanh \left( a_s^\top x_j + a_d^\top x_i \right)

    A negative coefficient passes what differs between neighbours on, a positive one what they share.

    Shapes: x (S, F) or ((S, F), (D, F)); x_0 (D, F); edge_weight (E,); result (D, F).

    Args:
        channels: F.
        eps: how much of x_0 is added.
        dropout: of the coefficients, in training.
        self_loops: whether a node takes part in its own sum.
        normalize: whether the edges are normalised by degree, and loops added.
    """

    def __init__(
        self,
        channels: int,
        *,
        eps: float = 0.1,
        dropout: float = 0.0,
        self_loops: bool = True,
        normalize: bool = True,
    ) -> None:
        super().__init__("sum")
        self.eps, self.dropout, self.self_loops, self.normalize = eps, dropout, self_loops, normalize
        self.att_src = nn.Linear(channels, 1, bias=False)
        self.att_dst = nn.Linear(channels, 1, bias=False)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for linear in (self.att_src, self.att_dst):
            linear.reset_parameters()

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
        x_0: Tensor | None = None,
    ) -> Tensor:
        """(D, F); ``x_0`` None is the destinations' x; ``degree`` None takes the edges for the whole graph."""
        source, target = ends(x, edge_index.num_dst)
        matrix = adjacency(
            x, edge_index, edge_weight, edge_mask, degree, self_loops=self.self_loops, normalize=self.normalize
        )
        score_src, score_dst = self.att_src(source), self.att_dst(target)
        alpha = (gather_src(edge_index, score_src) + gather_dst(edge_index, score_dst)).squeeze(-1).tanh()
        alpha = dropout(alpha, self.dropout, self.training)
        own = matrix.own
        if own is not None:
            score_own = self.att_src(target) if isinstance(x, tuple) else score_src[: edge_index.num_dst]
            own = own * dropout((score_own + score_dst).squeeze(-1).tanh(), self.dropout, self.training)
        weight = alpha if matrix.weight is None else alpha * matrix.weight
        out = times(matrix._replace(weight=weight, own=own), source, target)
        x_0 = target if x_0 is None else x_0[: edge_index.num_dst]
        return torch.add(out, x_0, alpha=self.eps) if self.eps else out
