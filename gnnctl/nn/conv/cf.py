"""Continuous-filter convolution."""

import math

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.message_passing import MessagePassing, Pair
from gnnctl.nn.ops import gather_src, segment_reduce


class CFConv(MessagePassing):
    r"""The layer of "SchNet: A Continuous-filter Convolutional Neural Network for Modeling Quantum Interactions"
    (Schütt et al., 2017).

    .. math:: h_i = W_2 \sum_{j \to i} W_1 x_j \odot F(e_{ji}) \,
        \tfrac{1}{2} \left( \cos \frac{\pi d_{ji}}{c} + 1 \right) + b

    Shapes: x (S, in) or ((S, in), (D, in)); edge_length (E,), the distances d, in the unit of c; edge_attr
    (E, edge_channels), what the filter is made from (an expansion of the distances); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        filter_network: F, from (E, edge_channels) to (E, num_filters).
        num_filters: width of the messages.
        cutoff: c, the distance at which the filter vanishes; there must be no longer edges.
    """

    def __init__(
        self, in_channels: int, out_channels: int, filter_network: nn.Module, *, num_filters: int, cutoff: float
    ) -> None:
        super().__init__("sum")
        self.filter_network, self.cutoff = filter_network, cutoff
        self.lin_in = nn.Linear(in_channels, num_filters, bias=False)
        self.lin_out = nn.Linear(num_filters, out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the two linear layers anew (Glorot); the filter network is its owner's."""
        nn.init.xavier_uniform_(self.lin_in.weight)
        nn.init.xavier_uniform_(self.lin_out.weight)
        nn.init.zeros_(self.lin_out.bias)

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_length: Tensor, edge_attr: Tensor, edge_mask: Tensor | None = None
    ) -> Tensor:
        """(D, out_channels)."""
        source = x[0] if isinstance(x, tuple) else x
        fade = 0.5 * (torch.cos(edge_length * (math.pi / self.cutoff)) + 1.0)
        fade = fade if edge_mask is None else fade * edge_mask
        filters = self.filter_network(edge_attr) * fade[:, None]
        messages = gather_src(edge_index, self.lin_in(source)) * filters
        out: Tensor = self.lin_out(segment_reduce(edge_index.colptr, messages))
        return out
