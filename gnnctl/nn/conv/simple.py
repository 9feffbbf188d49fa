"""Aggregation without weights."""

from typing import Literal

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.message_passing import MessagePassing, Pair, ends

OwnPart = Literal["none", "sum", "cat", "loop"]


class SimpleConv(MessagePassing):
    r"""The aggregation of the neighbours, and nothing learned.

    .. math:: h_i = \mathrm{aggr}_{j \to i} \, w_{ji} x_j

    Shapes: x (S, F) or ((S, F), (D, any)); edge_weight (E,); result (D, F), or (D, F + any) with "cat".

    Args:
        aggr: see :func:`gnnctl.nn.aggr.aggregation`.
        own: what becomes of the destination's own features: "none" nothing, "sum" they are added to the result, "cat"
            they stand before it, "loop" they are one message more (sources and destinations being the same nodes).

    Raises:
        ValueError: an unknown ``own``.
    """

    def __init__(self, *, aggr: AggregationLike = "sum", own: OwnPart = "none") -> None:
        super().__init__(aggr)
        if own not in ("none", "sum", "cat", "loop"):
            raise ValueError(f"own must be none, sum, cat or loop, got {own!r}")
        self.own = own

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_weight: Tensor | None = None, edge_mask: Tensor | None = None
    ) -> Tensor:
        """The aggregated features.

        Raises:
            ValueError: "loop" with a pair.
        """
        source, target = ends(x, edge_index.num_dst)
        if self.own == "loop":
            if isinstance(x, tuple):
                raise ValueError("x: a pair has no loops; choose own='sum' or 'cat'")
            edge_index, loops, edges = edge_index.with_self_loops()
            edge_weight = _looped(edge_weight, loops, edges)
            edge_mask = _looped(edge_mask, loops, edges)
        out = self.propagate(edge_index, edge_weight, edge_mask, x=source)
        if self.own == "cat":
            return torch.cat([target, out], -1)
        return out + target if self.own == "sum" else out


def _looped(values: Tensor | None, loops: Tensor, edges: Tensor) -> Tensor | None:
    if values is None:
        return None
    ones = values.new_ones(loops.shape[0] + edges.shape[0])
    return ones.index_copy(0, edges, values)
