"""One loop for every node, in place of those that the graph has."""

from typing import NamedTuple

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import segment_reduce


class Looped(NamedTuple):
    """Edges with one more loop at each destination. Loops that were there stay, so that no size depends on contents.

    Attributes:
        edge_index: E + D edges.
        loops: (D,) int64 positions of the loops.
        edges: (E,) int64 positions of the edges that were there before.
        replaced: (E + D,) bool, true for loops that were there before and must not count; None where there are none.
    """

    edge_index: EdgeIndex
    loops: Tensor
    edges: Tensor
    replaced: Tensor | None

    def values(self, values: Tensor | None, fill: Tensor | None = None) -> Tensor | None:
        """(E + D, ...) of values (E, ...) of the edges; the loops have ``fill`` (D, ...), or ones."""
        if values is None:
            return None
        count = self.loops.shape[0]
        rows = values.new_ones(count, *values.shape[1:]) if fill is None else fill.to(values.dtype)
        out = values.new_empty(count + self.edges.shape[0], *values.shape[1:])
        return out.index_copy(0, self.loops, rows).index_copy(0, self.edges, values)

    def scores(self, scores: Tensor) -> Tensor:
        """(E + D, ...) scores of which a softmax leaves nothing to the loops that were replaced."""
        if self.replaced is None:
            return scores
        # Finite: a softmax that meets such a score first subtracts it from itself.
        least = torch.finfo(scores.dtype).min / 2
        return scores.masked_fill(self.replaced.view(-1, *[1] * (scores.dim() - 1)), least)


def looped(edge_index: EdgeIndex) -> Looped:
    """The edges with a loop at each destination, which must be the first sources.

    Raises:
        ValueError: there are more destinations than sources.
    """
    edges, loops, others = edge_index.with_self_loops()
    same = edge_index.is_loop()
    if same is not None:
        same = same.new_zeros(edges.num_edges).index_copy(0, others, same)
    return Looped(edges, loops, others, same)


def mean_of_edges(edge_index: EdgeIndex, values: Tensor) -> Tensor:
    """(D, ...): the mean of values (E, ...) over each destination's edges that are no loops; zero without any."""
    same = edge_index.is_loop()
    if same is None:
        return segment_reduce(edge_index.colptr, values, "mean")
    counted = (~same).to(values.dtype)[:, None]
    count = segment_reduce(edge_index.colptr, counted)
    return segment_reduce(edge_index.colptr, values * counted) / count.clamp(min=1)
