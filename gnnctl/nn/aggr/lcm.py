"""Learnable commutative monoids."""

from torch import Tensor, nn, where

from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.buckets import by_buckets
from gnnctl.nn.cells import gru


class LCMAggregation(Aggregation):
    r"""The binary aggregation of "Learnable Commutative Monoids for Graph Neural Networks" (Ong and Velickovic, 2022).

    Rows are reduced by a balanced tree, neighbours in the order of the group first, with the operation

    .. math:: x \circ y = \tfrac{1}{2} \left( \mathrm{GRU}(x, y) + \mathrm{GRU}(y, x) \right)

    which commutes but need not be associative: the result depends on the order. A row without a partner waits for the
    next level, so a group's result does not depend on how large others are. Dense, in buckets of groups of like sizes;
    see :mod:`gnnctl.nn.aggr.buckets` for what ``max_group`` does.

    Shapes: values (E, in_channels); result (D, out_channels).

    Args:
        in_channels: width of the rows.
        out_channels: width of the result.
        project: whether ReLU(W x + b) comes first.
        max_group: most rows of a group; needed to compile without a break.

    Raises:
        ValueError: widths that differ, without a projection.
    """

    def __init__(self, in_channels: int, out_channels: int, project: bool = True, max_group: int | None = None) -> None:
        super().__init__()
        if in_channels != out_channels and not project:
            raise ValueError(f"project must be true where widths differ, got {in_channels} and {out_channels}")
        self.in_channels, self.out_channels, self.max_group = in_channels, out_channels, max_group
        self.lin = nn.Linear(in_channels, out_channels) if project else None
        self.cell = nn.GRUCell(out_channels, out_channels)

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, out_channels) of (E, in_channels) rows."""
        rows = values if self.lin is None else self.lin(values).relu()
        return by_buckets(rows, ptr, self._tree, self.out_channels, self.max_group)

    def _tree(self, x: Tensor, there: Tensor) -> Tensor:
        while x.shape[1] > 1:
            if x.shape[1] % 2:
                x, there = nn.functional.pad(x, (0, 0, 0, 1)), nn.functional.pad(there, (0, 1))
            left, right = x[:, ::2], x[:, 1::2]
            shape = left.shape
            left, right = left.flatten(0, 1), right.flatten(0, 1)
            joined = (gru(self.cell, left, right) + gru(self.cell, right, left)) / 2
            x = where(there[:, 1::2, None], joined.view(shape), left.view(shape))
            there = there[:, ::2]
        return x.squeeze(1)

    def channels(self, in_channels: int) -> int:
        """The width of the result."""
        return self.out_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        if self.lin is not None:
            self.lin.reset_parameters()
        self.cell.reset_parameters()
