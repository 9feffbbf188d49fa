"""A multi-layer perceptron over all rows of a group side by side."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.groups import group_of_rows
from gnnctl.nn.ops import segment_matmul, segment_reduce


class MLPAggregation(Aggregation):
    """The readout of "Graph Neural Networks with Adaptive Readouts" (Buterez et al., 2022) by an MLP.

    It sees the first ``max_group`` rows of a group side by side, zeros where there are fewer, and depends on their
    order. Nothing is padded: the first layer multiplies each row by the part of its weights for the row's place, all in
    one grouped product, and adds up.

    Shapes: values (E, in_channels); result (D, out_channels); that of a group without rows is the MLP's of zeros.

    Args:
        in_channels: width of the rows.
        out_channels: width of the result.
        max_group: rows that are seen.
        hidden: widths of hidden layers, with ReLU after each.

    Raises:
        ValueError: ``max_group`` is below 1.
    """

    def __init__(self, in_channels: int, out_channels: int, max_group: int, hidden: Sequence[int] = ()) -> None:
        super().__init__()
        if max_group < 1:
            raise ValueError(f"max_group must be at least 1, got {max_group}")
        self.in_channels, self.out_channels, self.max_group = in_channels, out_channels, max_group
        widths = [in_channels * max_group, *hidden, out_channels]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, out_channels) of (E, in_channels) rows."""
        out = self._first(values, ptr)
        for layer in list(self.layers)[1:]:
            out = layer(out.relu())
        return out

    def _first(self, values: Tensor, ptr: Tensor) -> Tensor:
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        group = group_of_rows(ptr, values.shape[0])
        place = (torch.arange(values.shape[0], device=ptr.device) - ptr[group]).clamp(max=self.max_group)
        place, order = place.sort(stable=True)
        bounds = torch.searchsorted(place, torch.arange(self.max_group + 2, device=ptr.device))
        weights = first.weight.view(-1, self.max_group, self.in_channels).permute(1, 2, 0)
        beyond = nn.functional.pad(weights, (0, 0, 0, 0, 0, 1))  # rows that are not seen: times zero
        parts = segment_matmul(values.index_select(0, order), bounds, beyond)
        return segment_reduce(ptr, parts.index_select(0, torch.argsort(order)), "sum") + first.bias

    def channels(self, in_channels: int) -> int:
        """The width of the result."""
        return self.out_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            layer.reset_parameters()
