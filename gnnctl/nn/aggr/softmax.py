"""Averages weighted by a softmax of the rows themselves."""

import torch
from torch import Tensor, nn

from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.ops import segment_reduce, segment_softmax


class SoftmaxAggregation(Aggregation):
    r"""The softmax aggregation of "DeeperGCN: All You Need to Train Deeper GCNs" (Li et al., 2020).

    .. math:: \sum_i \frac{\exp(t \, x_i)}{\sum_j \exp(t \, x_j)} \odot x_i

    feature by feature: the mean for t = 0, the maximum as t grows.

    Shapes: values (E, ..., F); result (D, ..., F).

    Args:
        t: inverse temperature.
        learn: whether t is a parameter that starts there.
        channels: how many of them, one for all features or one for each; more than one only where they are learned.
        semi_grad: whether the weights count as constants in the gradient, which saves memory.

    Raises:
        ValueError: several channels that are not learned, or weights without a gradient where t is learned.
    """

    def __init__(self, t: float = 1.0, learn: bool = False, channels: int = 1, semi_grad: bool = False) -> None:
        super().__init__()
        if channels != 1 and not learn:
            raise ValueError(f"channels must be 1 where t is not learned, got {channels}")
        if semi_grad and learn:
            raise ValueError("semi_grad leaves t without a gradient: it cannot be learned")
        self.initial, self.semi_grad = float(t), semi_grad
        self.t = nn.Parameter(torch.full((channels,), self.initial)) if learn else None

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, ..., F) of (E, ..., F) rows."""
        rows = values.detach() if self.semi_grad else values
        scores = rows * (self.initial if self.t is None else self.t)
        return segment_reduce(ptr, values * segment_softmax(ptr, scores), "sum")

    def reset_parameters(self) -> None:
        """Back to the initial temperature."""
        if self.t is not None:
            nn.init.constant_(self.t, self.initial)
