"""Gated graph convolution."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike, aggregation
from gnnctl.nn.cells import gru
from gnnctl.nn.conv.multi_hop import MultiHop, State
from gnnctl.nn.conv.normalization import Adjacency
from gnnctl.nn.message_passing import Pair


class GatedGraphConv(MultiHop):
    r"""The layer of "Gated Graph Sequence Neural Networks" (Li et al., 2016).

    .. math::
        h_i^{(0)} = [x_i, 0], \quad m_i^{(t)} = \mathrm{aggr}_{j \to i} \, w_{ji} W_t h_j^{(t)}, \quad
        h_i^{(t+1)} = \mathrm{GRU}(m_i^{(t)}, h_i^{(t)})

    Shapes: x (N, in), in at most out; with one round ((S, in), (D, in)) too; edge_weight (E,); result (D, out).

    Args:
        out_channels: width of the state and of the result.
        hops: how many rounds, each with a matrix of its own; the GRU is the same.
        aggr: see :func:`gnnctl.nn.aggr.aggregation`; one that keeps the width.
        bias: whether the GRU has biases.

    Raises:
        ValueError: the aggregation does not keep the width.
    """

    def __init__(self, out_channels: int, *, hops: int, aggr: AggregationLike = "sum", bias: bool = True) -> None:
        super().__init__(hops, self_loops=False, normalize=False)
        self.aggr = aggregation(aggr, out_channels)
        if self.aggr.channels(out_channels) != out_channels:
            raise ValueError(f"aggr must keep the width {out_channels}, got {aggr!r}")
        self.out_channels = out_channels
        self.weight = nn.Parameter(torch.empty(hops, out_channels, out_channels))
        self.rnn = nn.GRUCell(out_channels, out_channels, bias=bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, within the inverse root of the width."""
        nn.init.uniform_(self.weight, -(self.out_channels**-0.5), self.out_channels**-0.5)
        self.rnn.reset_parameters()

    # Without the degree, which nothing here is normalised by.
    def forward(  # type: ignore[override]
        self, x: Pair, edge_index: EdgeIndex, edge_weight: Tensor | None = None, edge_mask: Tensor | None = None
    ) -> Tensor:
        """(D, out_channels)."""
        return super().forward(x, edge_index, edge_weight, edge_mask)

    def start(self, x: Tensor) -> State:
        """(h,), x with zeros to its right."""
        missing = self.out_channels - x.shape[-1]
        if missing < 0:
            raise ValueError(f"x: {x.shape[-1]} features are more than the state's {self.out_channels}")
        return (nn.functional.pad(x, (0, missing)),)

    def step(self, turn: int, source: State, target: State, matrix: Adjacency) -> State:
        """One message, and what the GRU makes of it."""
        message = self.aggr.along(matrix.edge_index, source[0] @ self.weight[turn], matrix.weight)
        return (gru(self.rnn, message, target[0]),)

    def finish(self, state: State) -> Tensor:
        """h."""
        return state[0]
