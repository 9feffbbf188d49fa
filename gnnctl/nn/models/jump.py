"""Outputs from all layers instead of the last alone."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

JumpKind = Literal["none", "cat", "max", "lstm"]


class Jump(nn.Module):
    """Jumping knowledge ("Representation Learning on Graphs with Jumping Knowledge Networks", Xu et al., 2018).

    ``cat`` puts the layers' representations side by side, ``max`` takes the largest of each feature, ``lstm`` weighs
    the layers, node by node, with the attention scores of a bidirectional LSTM over them.

    Args:
        kind: cat, max or lstm.
        channels: width of a layer's representation.
        layers: how many there are.

    Raises:
        ValueError: an unknown kind.
    """

    def __init__(self, kind: JumpKind, channels: int, layers: int) -> None:
        super().__init__()
        if kind not in get_args(JumpKind) or kind == "none":
            raise ValueError(f"kind must be cat, max or lstm, got {kind!r}")
        self.kind = kind
        self.out_channels = channels * layers if kind == "cat" else channels
        state = max(1, layers * channels // 2)
        self.lstm = nn.LSTM(channels, state, bidirectional=True, batch_first=True) if kind == "lstm" else None
        self.att = nn.Linear(2 * state, 1) if kind == "lstm" else None

    def forward(self, layers: list[Tensor]) -> Tensor:
        """(n, out_channels) of (n, channels) representations, first layer first."""
        if self.kind == "cat":
            return torch.cat(layers, dim=-1)
        stacked = torch.stack(layers, dim=1)
        if self.lstm is None or self.att is None:
            return stacked.amax(1)
        scores = self.att(self.lstm(stacked)[0])
        out: Tensor = (stacked * scores.softmax(1)).sum(1)
        return out
