"""Signed graph convolution."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import inverse
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import segment_reduce, spmm


class SignedConv(MessagePassing):
    r"""The layer of "Signed Graph Convolutional Network" (Derr et al., 2018): friends and foes are told apart, by
    balance theory a foe's foe being a friend.

    .. math::
        p_i &= W_p [\mathrm{mean}_{j \to^+ i} \, p_j, \mathrm{mean}_{j \to^- i} \, n_j] + U_p p_i + b_p \\
        n_i &= W_n [\mathrm{mean}_{j \to^+ i} \, n_j, \mathrm{mean}_{j \to^- i} \, p_j] + U_n n_i + b_n

    In the first layer, where :math:`p = n = x`, p has only the first of its two means and n only the second.

    Shapes: x (S, in) or ((S, in), (D, in)) in the first layer, else p and n side by side, 2 in wide; edge_sign (E,);
    result (D, 2 out), p and n side by side.

    Args:
        in_channels: width of x in the first layer, else of p and of n.
        out_channels: width of p and of n in the result.
        first: whether this is the first layer.
        bias: whether there are biases.
    """

    def __init__(self, in_channels: int, out_channels: int, *, first: bool, bias: bool = True) -> None:
        super().__init__("mean")
        self.first, self.in_channels = first, in_channels
        width = in_channels if first else 2 * in_channels
        self.lin_pos = nn.Linear(width, out_channels, bias=False)
        self.lin_neg = nn.Linear(width, out_channels, bias=False)
        self.root_pos = nn.Linear(in_channels, out_channels, bias=bias)
        self.root_neg = nn.Linear(in_channels, out_channels, bias=bias)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for linear in (self.lin_pos, self.lin_neg, self.root_pos, self.root_neg):
            linear.reset_parameters()

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_sign: Tensor,
        edge_mask: Tensor | None = None,
    ) -> Tensor:
        """(D, 2 * out_channels).

        Args:
            x: features.
            edge_index: E edges.
            edge_sign: (E,) above 0 for friends, below for foes; an edge of 0 is neither.
            edge_mask: (E,) multiplies the messages.
        """
        source, target = ends(x, edge_index.num_dst)
        friends, foes = (_mean(edge_index, source, edge_sign * side > 0, edge_mask) for side in (1, -1))
        width = self.in_channels
        if self.first:
            pos, neg, own = self.lin_pos(friends), self.lin_neg(foes), (target, target)
        else:
            pos = self.lin_pos(torch.cat([friends[:, :width], foes[:, width:]], 1))
            neg = self.lin_neg(torch.cat([friends[:, width:], foes[:, :width]], 1))
            own = target[:, :width], target[:, width:]
        return torch.cat([pos + self.root_pos(own[0]), neg + self.root_neg(own[1])], 1)


def _mean(edge_index: EdgeIndex, x: Tensor, chosen: Tensor, edge_mask: Tensor | None) -> Tensor:
    weight = chosen.to(torch.promote_types(x.dtype, torch.float32))
    count = segment_reduce(edge_index.colptr, weight[:, None])
    total = spmm(edge_index, x, weight if edge_mask is None else weight * edge_mask)
    return total * inverse(count).to(total.dtype)
