"""Groups as sequences, read by a recurrent network."""

import torch
from torch import Tensor, nn

from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.buckets import check_bound
from gnnctl.nn.cells import gru, lstm


class RecurrentAggregation(Aggregation):
    """The last state of a recurrent network that reads a group's rows in order; it depends on that order.

    Sequences are packed: at each step only the groups that still have a row take part, so that nothing is padded. A
    compiled graph cannot have as many steps as the data; there, ``max_group`` steps are written out, with all groups
    in each, and without it the network runs uncompiled between two graphs (which ``fullgraph=True`` refuses by name).

    Shapes: values (E, in_channels); result (D, out_channels).

    Args:
        in_channels: width of the rows.
        out_channels: width of the state.
        max_group: most rows of a group; needed to compile without a break, checked always.

    Raises:
        ValueError: at call, a group is larger than ``max_group``.
    """

    cell: nn.LSTMCell | nn.GRUCell  # not nn.LSTM, nn.GRU: a graph that meets those is broken

    def __init__(self, in_channels: int, out_channels: int, max_group: int | None = None) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.max_group = in_channels, out_channels, max_group

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, out_channels) of (E, in_channels) rows."""
        if torch.compiler.is_compiling():
            if self.max_group is not None:
                return self._unrolled(values, ptr, self.max_group)
            from gnnctl.nn.aggr.outside import outside

            return outside(self._packed, values, ptr)
        return self._packed(values, ptr)

    def _packed(self, values: Tensor, ptr: Tensor) -> Tensor:
        sizes, order = torch.diff(ptr).sort(descending=True, stable=True)
        longest = int(sizes[0]) if sizes.numel() else 0
        check_bound(longest, self.max_group)
        if longest == 0:
            return values.new_zeros(ptr.shape[0] - 1, self.out_channels)
        steps = torch.arange(longest, device=ptr.device)
        running = sizes.numel() - torch.searchsorted(sizes.flip(0).contiguous(), steps, right=True)
        step = torch.repeat_interleave(steps, running, output_size=values.shape[0])
        rank = torch.arange(values.shape[0], device=ptr.device) - (running.cumsum(0) - running)[step]
        rows = values.index_select(0, ptr[order[rank]] + step)
        last = self._read(rows, running.cpu())
        return last.new_zeros(ptr.shape[0] - 1, self.out_channels).index_copy(0, order[: last.shape[0]], last)

    def _unrolled(self, values: Tensor, ptr: Tensor, max_group: int) -> Tensor:
        sizes = torch.diff(ptr)
        torch._assert_async((sizes <= max_group).all(), f"a group has more rows than max_group = {max_group}")
        values = torch.cat([values, values.new_zeros(1, values.shape[1])])  # a row to point to, if there is no other
        state = cell = values.new_zeros(ptr.shape[0] - 1, self.out_channels)
        for step in range(max_group):
            there = step < sizes
            row = values.index_select(0, torch.where(there, ptr[:-1] + step, 0))
            new_state, new_cell = self._step(row, state, cell)
            state, cell = (torch.where(there[:, None], a, b) for a, b in ((new_state, state), (new_cell, cell)))
        return state

    def _weights(self) -> list[Tensor]:
        return [self.cell.weight_ih, self.cell.weight_hh, self.cell.bias_ih, self.cell.bias_hh]

    def _read(self, rows: Tensor, running: Tensor) -> Tensor:
        """The last states of all sequences of a pack, the longest first."""
        raise NotImplementedError  # a subclass says how

    def _step(self, row: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """State and cell after one more row."""
        raise NotImplementedError  # a subclass says how

    def channels(self, in_channels: int) -> int:
        """The width of the state."""
        return self.out_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.cell.reset_parameters()


class LSTMAggregation(RecurrentAggregation):
    """The last state of an LSTM, as in "Inductive Representation Learning on Large Graphs" (Hamilton et al., 2017).

    See :class:`RecurrentAggregation`; a group's result does not depend on how long others are.
    """

    cell: nn.LSTMCell

    def __init__(self, in_channels: int, out_channels: int, max_group: int | None = None) -> None:
        super().__init__(in_channels, out_channels, max_group)
        self.cell = nn.LSTMCell(in_channels, out_channels)

    def _read(self, rows: Tensor, running: Tensor) -> Tensor:
        start = rows.new_zeros(1, int(running[0]), self.out_channels)
        weights = self._weights()
        _, state, _ = torch.lstm(rows, running, (start, start), weights, True, 1, 0.0, self.training, False)
        return state[0]

    def _step(self, row: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        return lstm(self.cell, row, state, cell)


class GRUAggregation(RecurrentAggregation):
    """The last state of a GRU, as in "Graph Neural Networks with Adaptive Readouts" (Buterez et al., 2022).

    See :class:`RecurrentAggregation`; a group's result does not depend on how long others are.
    """

    cell: nn.GRUCell

    def __init__(self, in_channels: int, out_channels: int, max_group: int | None = None) -> None:
        super().__init__(in_channels, out_channels, max_group)
        self.cell = nn.GRUCell(in_channels, out_channels)

    def _read(self, rows: Tensor, running: Tensor) -> Tensor:
        start = rows.new_zeros(1, int(running[0]), self.out_channels)
        _, state = torch.gru(rows, running, start, self._weights(), True, 1, 0.0, self.training, False)
        return state[0]

    def _step(self, row: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        return gru(self.cell, row, state), cell
