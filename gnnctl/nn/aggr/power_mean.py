"""Power means."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.ops import segment_reduce, spmm


class PowerMeanAggregation(Aggregation):
    r"""The power mean of "DeeperGCN: All You Need to Train Deeper GCNs" (Li et al., 2020).

    .. math:: \left( \frac{1}{n} \sum_{i=1}^n x_i^p \right)^{1/p}

    feature by feature; the mean for p = 1, towards the maximum as p grows. Unless p is 1 and not learned, rows and
    means are first brought within bounds, so that powers exist; a group without rows then gives ``least^(1/p)``.

    Shapes: values (E, ..., F); result (D, ..., F).

    Args:
        p: the power, not zero.
        learn: whether p is a parameter that starts there.
        channels: how many of them, one for all features or one for each; more than one only where they are learned.
        least: lower bound of what a power is taken of.
        most: upper bound of it.

    Raises:
        ValueError: p is zero, several channels that are not learned, or bounds that are not 0 < least < most.
    """

    def __init__(
        self, p: float = 1.0, learn: bool = False, channels: int = 1, least: float = 1e-4, most: float = 100.0
    ) -> None:
        super().__init__()
        if p == 0:
            raise ValueError("p must not be zero")
        if channels != 1 and not learn:
            raise ValueError(f"channels must be 1 where p is not learned, got {channels}")
        if not 0 < least < most:
            raise ValueError(f"least and most must be 0 < least < most, got {least} and {most}")
        self.initial, self.least, self.most = float(p), least, most
        self.p = nn.Parameter(torch.full((channels,), self.initial)) if learn else None
        self.linear = self._plain

    @property
    def _plain(self) -> bool:
        return self.p is None and self.initial == 1

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, ..., F) of (E, ..., F) rows."""
        return self._unpowered(segment_reduce(ptr, self._powered(values), "mean"))

    def along(self, edge_index: EdgeIndex, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """As :meth:`Aggregation.along`; without weights the powers are taken of the sources, before an SpMM."""
        if weight is not None and not self._plain:
            return super().along(edge_index, x, weight)
        return self._unpowered(spmm(edge_index, self._powered(x), weight, "mean"))

    def _powered(self, values: Tensor) -> Tensor:
        if self._plain:
            return values
        return values.clamp(self.least, self.most).pow(self.initial if self.p is None else self.p)

    def _unpowered(self, means: Tensor) -> Tensor:
        if self._plain:
            return means
        return means.clamp(self.least, self.most).pow(1 / (self.initial if self.p is None else self.p))

    def reset_parameters(self) -> None:
        """Back to the initial power."""
        if self.p is not None:
            nn.init.constant_(self.p, self.initial)
