"""Groups as sequences, read by a recurrent network."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from gnnctl.nn.aggr.base import Aggregation


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

    network: nn.LSTM | nn.GRU

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
        out = values.new_zeros(ptr.shape[0] - 1, self.out_channels)
        longest = int(sizes[0]) if sizes.numel() else 0
        if self.max_group is not None and longest > self.max_group:
            raise ValueError(f"max_group is {self.max_group}, but there is a group of {longest} rows")
        if longest == 0:
            return out
        steps = torch.arange(longest, device=ptr.device)
        running = sizes.numel() - torch.searchsorted(sizes.flip(0).contiguous(), steps, right=True)
        place = torch.arange(values.shape[0], device=ptr.device)
        step = torch.repeat_interleave(steps, running, output_size=values.shape[0])
        rank = place - (running.cumsum(0) - running)[step]
        rows = values.index_select(0, ptr[order[rank]] + step)
        _, states = self.network(PackedSequence(rows, running.cpu()))
        last = (states[0] if isinstance(states, tuple) else states)[-1]
        return out.to(last.dtype).index_copy(0, order[: last.shape[0]], last)

    def _unrolled(self, values: Tensor, ptr: Tensor, max_group: int) -> Tensor:
        sizes = torch.diff(ptr)
        torch._assert_async((sizes <= max_group).all(), f"a group has more rows than max_group = {max_group}")
        inputs = self._gates("ih", values)
        inputs = torch.cat([inputs, inputs.new_zeros(1, inputs.shape[1])])  # a row to point to, if there is no other
        state = inputs.new_zeros(ptr.shape[0] - 1, self.out_channels)
        cell = state
        for step in range(max_group):
            there = (step < sizes)[:, None]
            given = inputs.index_select(0, torch.where(there[:, 0], ptr[:-1] + step, 0))
            new_state, new_cell = self._step(given, state, cell)
            state, cell = torch.where(there, new_state, state), torch.where(there, new_cell, cell)
        return state

    def _gates(self, which: str, rows: Tensor) -> Tensor:
        weight, bias = (getattr(self.network, f"{kind}_{which}_l0") for kind in ("weight", "bias"))
        return nn.functional.linear(rows, weight, bias)

    def _step(self, given: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """State and cell after a row of which the input's part of the gates, (D, gates * out), is known."""
        raise NotImplementedError

    def channels(self, in_channels: int) -> int:
        """The width of the state."""
        return self.out_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.network.reset_parameters()


class LSTMAggregation(RecurrentAggregation):
    """The last state of an LSTM, as in "Inductive Representation Learning on Large Graphs" (Hamilton et al., 2017).

    See :class:`RecurrentAggregation`; a group's result does not depend on how long others are.
    """

    network: nn.LSTM

    def __init__(self, in_channels: int, out_channels: int, max_group: int | None = None) -> None:
        super().__init__(in_channels, out_channels, max_group)
        self.network = nn.LSTM(in_channels, out_channels)

    def _step(self, given: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        gates = given + self._gates("hh", state)
        let_in, forget, new, let_out = gates.chunk(4, dim=1)
        cell = forget.sigmoid() * cell + let_in.sigmoid() * new.tanh()
        return let_out.sigmoid() * cell.tanh(), cell


class GRUAggregation(RecurrentAggregation):
    """The last state of a GRU, as in "Graph Neural Networks with Adaptive Readouts" (Buterez et al., 2022).

    See :class:`RecurrentAggregation`; a group's result does not depend on how long others are.
    """

    network: nn.GRU

    def __init__(self, in_channels: int, out_channels: int, max_group: int | None = None) -> None:
        super().__init__(in_channels, out_channels, max_group)
        self.network = nn.GRU(in_channels, out_channels)

    def _step(self, given: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        kept = self._gates("hh", state)
        (reset, update, new), (old_reset, old_update, old_new) = given.chunk(3, dim=1), kept.chunk(3, dim=1)
        new = (new + (reset + old_reset).sigmoid() * old_new).tanh()
        share = (update + old_update).sigmoid()
        return share * state + (1 - share) * new, cell
