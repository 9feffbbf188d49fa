"""Recurrent cells of torch, in operations that an exported model can hold for any number of rows."""

import torch
from torch import Tensor, nn


def gru(cell: nn.GRUCell, x: Tensor, state: Tensor) -> Tensor:
    """``cell(x, state)``: (N, width) of (N, in) and (N, width)."""
    if not torch.compiler.is_exporting():
        out: Tensor = cell(x, state)
        return out
    given = nn.functional.linear(x, cell.weight_ih, cell.bias_ih).chunk(3, 1)
    kept = nn.functional.linear(state, cell.weight_hh, cell.bias_hh).chunk(3, 1)
    reset, update = ((a + b).sigmoid() for a, b in zip(given[:2], kept[:2], strict=True))
    new = (given[2] + reset * kept[2]).tanh()
    return new + update * (state - new)


def lstm(cell: nn.LSTMCell, x: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """``cell(x, (state, memory))``: (N, width) twice, of (N, in) and (N, width) twice."""
    if not torch.compiler.is_exporting():
        state, memory = cell(x, (state, memory))
        return state, memory
    gates = nn.functional.linear(x, cell.weight_ih, cell.bias_ih)
    gates = gates + nn.functional.linear(state, cell.weight_hh, cell.bias_hh)
    enter, forget, new, leave = gates.chunk(4, 1)
    memory = forget.sigmoid() * memory + enter.sigmoid() * new.tanh()
    return leave.sigmoid() * memory.tanh(), memory
