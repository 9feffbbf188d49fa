"""Reductions without parameters, on the segment and SpMM kernels."""

from typing import cast

from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.ops import Reduce, segment_quantile, segment_reduce, spmm
from gnnctl.nn.ops.quantile import Interpolation


class Reduction(Aggregation):
    """One of :data:`gnnctl.nn.ops.Reduce`, over rows of any shape; the subclass says which."""

    reduce: str

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, ...) of (E, ...) rows."""
        return segment_reduce(ptr, values, cast(Reduce, self.reduce))

    def along(self, edge_index: EdgeIndex, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """(D, ...) of (S, ...) sources, by SpMM: no message is made."""
        return spmm(edge_index, x, weight, cast(Reduce, self.reduce))


class SumAggregation(Reduction):
    """The sum of each group's rows."""

    reduce, linear = "sum", True


class MeanAggregation(Reduction):
    """The mean of each group's rows."""

    reduce, linear = "mean", True


class MinAggregation(Reduction):
    """The least of each group's rows, feature by feature; of equal ones the first has the gradient."""

    reduce = "min"


class MaxAggregation(Reduction):
    """The largest of each group's rows, feature by feature; of equal ones the first has the gradient."""

    reduce = "max"


class VarAggregation(Reduction):
    """The biased variance of each group's rows, E[(x - E[x])^2]."""

    reduce = "var"


class StdAggregation(Reduction):
    """The square root of the biased variance; 0, and without gradient, where the variance is at most 1e-5."""

    reduce = "std"


class MulAggregation(Aggregation):
    """The product of each group's rows; 1 for a group without rows."""

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, ...) of (E, ...) rows."""
        return segment_reduce(ptr, values, "mul")


class QuantileAggregation(Aggregation):
    """A quantile of each group's rows, feature by feature.

    Args:
        q: the quantile, within [0, 1].
        interpolation: between the two nearest rows: linear, lower, higher, midpoint or nearest.

    Raises:
        ValueError: q is outside [0, 1].
    """

    def __init__(self, q: float = 0.5, interpolation: Interpolation = "linear") -> None:
        super().__init__()
        if not 0 <= q <= 1:
            raise ValueError(f"q must be within [0, 1], got {q}")
        self.q, self.interpolation = q, interpolation

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, ...) of (E, ...) rows."""
        return segment_quantile(ptr, values, self.q, self.interpolation)


class MedianAggregation(QuantileAggregation):
    """The median of each group's rows; of an even number the lower one."""

    def __init__(self) -> None:
        super().__init__(0.5, "lower")
