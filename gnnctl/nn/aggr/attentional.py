"""Attention by a network that sees one row at a time."""

from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr.base import Aggregation, reset
from gnnctl.nn.aggr.groups import rows_as_edges
from gnnctl.nn.ops import edge_softmax, gather_src, spmm


class AttentionalAggregation(Aggregation):
    r"""The readout of "Graph Matching Networks" (Li et al., 2019).

    .. math:: \sum_i \mathrm{softmax}_i ( \mathrm{gate}(x_i) ) \odot \mathrm{value}(x_i)

    Along edges without weights, the networks see each source once, and the sum is an SpMM.

    Shapes: values (E, F); result (D, out_channels).

    Args:
        gate: of (N, F) rows the scores, (N, 1), or (N, out_channels) for one of each feature.
        value: of (N, F) rows what is summed, (N, out_channels); None: the rows.
        out_channels: width of the result; None: that of the rows.
    """

    def __init__(self, gate: nn.Module, value: nn.Module | None = None, out_channels: int | None = None) -> None:
        super().__init__()
        self.gate, self.value, self.out_channels = gate, value, out_channels

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, out_channels) of (E, F) rows."""
        return self.along(rows_as_edges(ptr, values.shape[0]), values)

    def along(self, edge_index: EdgeIndex, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """As :meth:`Aggregation.along`; weights multiply the rows before the networks see them."""
        if weight is not None:
            return super().along(edge_index, x, weight)
        share = edge_softmax(edge_index, gather_src(edge_index, self.gate(x)))
        summed = x if self.value is None else self.value(x)
        if share.shape[1] == 1:
            return spmm(edge_index, summed, share.squeeze(1))
        return spmm(edge_index, summed.unsqueeze(-1), share).squeeze(-1)

    def channels(self, in_channels: int) -> int:
        """``out_channels``, or the width of the rows."""
        return in_channels if self.out_channels is None else self.out_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        reset(self.gate, self.value)
