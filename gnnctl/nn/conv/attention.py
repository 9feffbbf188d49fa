"""The base of layers that weigh neighbours by a softmax, several heads side by side."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.loops import FillValue, Looped, looped, read_fill
from gnnctl.nn.dropout import dropout
from gnnctl.nn.message_passing import MessagePassing, masked
from gnnctl.nn.ops import edge_softmax, spmm


class Attention(NamedTuple):
    """What a layer makes of its edges.

    ``edge_index``, those that were given, or those with loops (see
    :meth:`~gnnctl.graph.edge_index.EdgeIndex.with_self_loops`); ``alpha`` (E, H), the coefficient of each for each
    head, as good as zero for a loop that another replaces.
    """

    edge_index: EdgeIndex
    alpha: Tensor


class HeadsConv(MessagePassing):
    """What layers of H heads have in common: loops, coefficients from scores, and what becomes of the heads.

    Args:
        out_channels: width of each head.
        heads: H.
        concat: heads side by side, or their average.
        negative_slope: of the leaky ReLU.
        dropout: of the attention coefficients, in training.
        self_loops: whether a node attends to itself too; the loop replaces those that the graph has.
    """

    bias: nn.Parameter | None
    res: nn.Module | None
    fill_value: FillValue

    def __init__(
        self, out_channels: int, *, heads: int, concat: bool, negative_slope: float, dropout: float, self_loops: bool
    ) -> None:
        super().__init__("sum")
        self.heads, self.out_channels, self.concat = heads, out_channels, concat
        self.negative_slope, self.dropout = negative_slope, dropout
        self.self_loops = self.adds_loops = self_loops
        self.res = None

    @property
    def total(self) -> int:
        """Width of the result."""
        return self.heads * self.out_channels if self.concat else self.out_channels

    def set_fill(self, value: FillValue) -> None:
        """Say what features a loop has; see :data:`~gnnctl.nn.conv.loops.FillValue`."""
        value = read_fill(value)
        if isinstance(value, Tensor):
            self.register_buffer("fill_value", value.detach().clone(), persistent=False)
        else:
            self.fill_value = value

    def new_bias(self, wanted: bool) -> nn.Parameter | None:
        """Zeros of the result's width, or None."""
        return nn.Parameter(torch.zeros(self.total)) if wanted else None

    def draw(self, *weights: nn.Module | Tensor | None) -> None:
        """Draw weights anew (Glorot); biases are zero."""
        for one in weights:
            matrix = one.weight if isinstance(one, nn.Linear) else one
            if isinstance(matrix, Tensor):
                nn.init.xavier_uniform_(matrix)
            if isinstance(one, nn.Linear) and one.bias is not None:
                nn.init.zeros_(one.bias)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def of_heads(self, rows: Tensor) -> Tensor:
        """(., H, F) of (., H * F)."""
        return rows.view(-1, self.heads, self.out_channels)

    def looped(self, edge_index: EdgeIndex) -> Looped | None:
        """The edges with loops, where there shall be some."""
        return looped(edge_index) if self.adds_loops else None

    def weighed(
        self,
        edge_index: EdgeIndex,
        hidden: Tensor,
        alpha: Tensor,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
    ) -> Tensor:
        """(D, H, F): the sum of ``hidden`` (S, H, F) weighed by coefficients (E, H), after dropout."""
        alpha = dropout(alpha, self.dropout, self.training)
        factor = masked(edge_weight, edge_mask)
        alpha = alpha if factor is None else alpha * factor[:, None]
        return spmm(edge_index, hidden, alpha.to(hidden.dtype))

    def coefficients(self, edge_index: EdgeIndex, scores: Tensor, loops: Looped | None) -> Tensor:
        """(E, H): the softmax of the leaky ReLU of scores (E, H), loops that were replaced left out."""
        scores = nn.functional.leaky_relu(scores, self.negative_slope)
        return edge_softmax(edge_index, scores if loops is None else loops.scores(scores))

    def joined(self, out: Tensor, target: Tensor) -> Tensor:
        """(D, total) of the heads (D, H, F), with the destinations' own part and the bias."""
        out = out.flatten(1) if self.concat else out.mean(1)
        out = out if self.res is None else out + self.res(target)
        return out if self.bias is None else out + self.bias
