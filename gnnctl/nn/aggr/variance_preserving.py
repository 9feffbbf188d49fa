"""Sums that keep the variance."""

from torch import Tensor, diff

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.ops import segment_reduce, spmm


class VariancePreservingAggregation(Aggregation):
    r"""The aggregation of "GNN-VPA: A Variance-Preserving Aggregation Strategy" (Schneckenreiter et al., 2024).

    .. math:: \frac{1}{\sqrt{n}} \sum_{i=1}^n x_i

    Shapes: values (E, ...); result (D, ...).
    """

    linear = True

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, ...) of (E, ...) rows."""
        return _scaled(segment_reduce(ptr, values, "sum"), ptr)

    def along(self, edge_index: EdgeIndex, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """As :meth:`Aggregation.along`, by SpMM: no message is made."""
        return _scaled(spmm(edge_index, x, weight), edge_index.colptr)


def _scaled(sums: Tensor, ptr: Tensor) -> Tensor:
    count = diff(ptr).clamp(min=1).to(sums.dtype)
    return sums / count.sqrt().view(-1, *[1] * (sums.dim() - 1))
