"""Set2Set."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.groups import rows_as_edges
from gnnctl.nn.cells import lstm
from gnnctl.nn.ops import edge_softmax, sddmm, spmm


class Set2Set(Aggregation):
    r"""The readout of "Order Matters: Sequence to Sequence for Sets" (Vinyals et al., 2016).

    .. math::
        q_t = \mathrm{LSTM}(q_{t-1} \| r_{t-1}), \quad
        \alpha_{i,t} = \mathrm{softmax}_i (x_i \cdot q_t), \quad
        r_t = \sum_i \alpha_{i,t} x_i

    and :math:`q_T \| r_T` is the result; scores are sampled dense-dense products and sums SpMMs, so no message is made.

    Shapes: values (E, in_channels); result (D, 2 * in_channels); that of a group without rows is :math:`q_T \| 0`.

    Args:
        in_channels: width of the rows.
        steps: T.
    """

    def __init__(self, in_channels: int, steps: int = 3) -> None:
        super().__init__()
        self.in_channels, self.steps = in_channels, steps
        self.cell = nn.LSTMCell(2 * in_channels, in_channels)

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, 2 * in_channels) of (E, in_channels) rows."""
        return self.along(rows_as_edges(ptr, values.shape[0]), values)

    def along(self, edge_index: EdgeIndex, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """As :meth:`Aggregation.along`, without messages."""
        state = cell = x.new_zeros(edge_index.num_dst, self.in_channels)
        seen = torch.cat([state, state], dim=1)
        for _ in range(self.steps):
            state, cell = lstm(self.cell, seen, state, cell)
            scores = sddmm(edge_index, state, x)
            share = edge_softmax(edge_index, scores if weight is None else scores * weight)
            read = spmm(edge_index, x, share if weight is None else share * weight)
            seen = torch.cat([state, read], dim=1)
        return seen

    def channels(self, in_channels: int) -> int:
        """Twice the width."""
        return 2 * self.in_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.cell.reset_parameters()
