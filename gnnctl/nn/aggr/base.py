"""What every aggregation is."""

from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import gather_src


class Aggregation(nn.Module):
    """Makes one row of each group of rows: of messages at a destination, of the nodes of a graph.

    Groups are contiguous; group d has the rows ``ptr[d]:ptr[d + 1]``, which may be none. A group without rows gives
    zeros unless the class says otherwise.

    Attributes:
        linear: whether a matrix product of the rows may as well follow the aggregation.
        reduce: where the aggregation is one reduction of :data:`gnnctl.nn.ops.Reduce`, which; several of those over
            the same rows are computed in one pass.
    """

    linear: bool = False
    reduce: str | None = None

    def __init__(self) -> None:
        super().__init__()

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """Aggregate rows.

        Args:
            values: (E, F) float rows, grouped; reductions take (E, ...).
            ptr: (D + 1,) int64, rising from 0 to E.

        Returns:
            (D, channels(F)).
        """
        raise NotImplementedError  # a subclass says how

    def along(self, edge_index: EdgeIndex, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Aggregate source rows at each destination; without making messages, where the aggregation can.

        Args:
            edge_index: E edges from S sources to D destinations.
            x: (S, F) or (S, H, F) float.
            weight: (E,), or (E, H) for (S, H, F) rows; multiplies the messages.

        Returns:
            (D, channels(F)).
        """
        messages = gather_src(edge_index, x)
        if weight is not None:
            messages = messages * weight.view(*weight.shape, *[1] * (messages.dim() - weight.dim()))
        out: Tensor = self(messages, edge_index.colptr)
        return out

    def channels(self, in_channels: int) -> int:
        """Width of the result for rows of ``in_channels``."""
        return in_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew; there may be none."""


def reset(*networks: nn.Module | None) -> None:
    """Draw anew the weights of all parts that know how to."""
    for network in networks:
        for module in () if network is None else network.modules():
            draw = getattr(module, "reset_parameters", None)
            if callable(draw):
                draw()
