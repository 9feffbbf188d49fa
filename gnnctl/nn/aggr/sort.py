"""The first rows of a sorted group."""

import torch
from torch import Tensor

from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.groups import group_of_rows


class SortAggregation(Aggregation):
    """SortPooling of "An End-to-End Deep Learning Architecture for Graph Classification" (Zhang et al., 2018).

    Rows of each group, those with the largest last feature first; the first k side by side, zeros where there are
    fewer. Rows that are equal there keep their order. Nothing is padded but the result.

    Shapes: values (E, F); result (D, k * F).

    Args:
        k: how many rows are kept.

    Raises:
        ValueError: k is below 1.
    """

    def __init__(self, k: int = 30) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        self.k = k

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, k * F) of (E, F) rows."""
        order = torch.argsort(values[:, -1].detach(), descending=True, stable=True)
        group = group_of_rows(ptr, values.shape[0])
        order = order[torch.argsort(group[order], stable=True)]
        place = ptr[:-1, None] + torch.arange(self.k, device=ptr.device)
        there = place < ptr[1:, None]
        order = torch.cat([order, order.new_full((1,), values.shape[0])])  # one past the rows: zeros
        rows = torch.cat([values, values.new_zeros(1, values.shape[1])])
        found = rows.index_select(0, order[torch.where(there, place, values.shape[0]).flatten()])
        return found.view(-1, self.k * values.shape[1])

    def channels(self, in_channels: int) -> int:
        """k times the width."""
        return self.k * in_channels
