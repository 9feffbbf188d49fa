"""Deep Sets."""

from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr.base import Aggregation, reset
from gnnctl.nn.ops import segment_reduce, spmm


class DeepSetsAggregation(Aggregation):
    r"""The readout of "Graph Neural Networks with Adaptive Readouts" (Buterez et al., 2022), after Deep Sets.

    .. math:: \rho \left( \sum_i \phi(x_i) \right)

    Along edges without weights, the first network sees each source once, and the sum is an SpMM.

    Shapes: values (E, F); result (D, out_channels); that of a group without rows is :math:`\rho(0)`.

    Args:
        phi: of (N, F) rows what is summed; None: the rows.
        rho: of the sums the result, (D, out_channels); None: the sums.
        out_channels: width of the result; None: that of the rows.
    """

    def __init__(
        self, phi: nn.Module | None = None, rho: nn.Module | None = None, out_channels: int | None = None
    ) -> None:
        super().__init__()
        self.phi, self.rho, self.out_channels = phi, rho, out_channels
        self.linear = phi is None and rho is None

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, out_channels) of (E, F) rows."""
        return self._after(segment_reduce(ptr, self._before(values), "sum"))

    def along(self, edge_index: EdgeIndex, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """As :meth:`Aggregation.along`; weights multiply the rows before the network sees them."""
        if weight is not None and self.phi is not None:
            return super().along(edge_index, x, weight)
        return self._after(spmm(edge_index, self._before(x), weight))

    def _before(self, values: Tensor) -> Tensor:
        return values if self.phi is None else self.phi(values)

    def _after(self, sums: Tensor) -> Tensor:
        return sums if self.rho is None else self.rho(sums)

    def channels(self, in_channels: int) -> int:
        """``out_channels``, or the width of the rows."""
        return in_channels if self.out_channels is None else self.out_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        reset(self.phi, self.rho)
