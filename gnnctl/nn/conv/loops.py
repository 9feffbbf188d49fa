"""One loop for every node, in place of those that the graph has."""

from collections.abc import Callable
from typing import Literal, NamedTuple, cast, get_args

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import segment_reduce

# What a loop has for features: a number, (F,) numbers, or a reduction of those of the destination's edges.
FillValue = float | Tensor | str
Reduction = Literal["mean", "sum", "min", "max", "mul"]
REDUCTIONS = get_args(Reduction)


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


def read_fill(fill: FillValue) -> FillValue:
    """``fill`` with text that is a number read as one, as the command line passes it.

    Raises:
        ValueError: text that is neither a number nor one of :data:`REDUCTIONS`.
    """
    if not isinstance(fill, str) or fill in REDUCTIONS:
        return fill
    try:
        return float(fill)
    except ValueError:
        raise ValueError(f"fill_value must be a number or among {', '.join(REDUCTIONS)}, got {fill!r}") from None


def fill_of_loops(
    edge_index: EdgeIndex, edge_attr: Tensor, mapped: Tensor, fill: FillValue, linear: Callable[[Tensor], Tensor]
) -> Tensor:
    """(D, W): what the features of each destination's loop are mapped to.

    Args:
        edge_index: the edges; of the loops among them, which are replaced, nothing counts.
        edge_attr: (E, F) their features.
        mapped: (E, W) what those are mapped to.
        fill: see :data:`FillValue`, as :func:`read_fill` gives it.
        linear: the map, without a constant part.
    """
    if isinstance(fill, str):
        reduction = cast(Reduction, fill)
        if reduction in ("mean", "sum"):  # which the map may follow or precede
            return _of_edges(edge_index, mapped, reduction)
        return linear(_of_edges(edge_index, edge_attr, reduction))
    row = fill.to(edge_attr).view(1, -1) if isinstance(fill, Tensor) else edge_attr.new_full((1, 1), fill)
    return linear(row.expand(1, edge_attr.shape[1])).expand(edge_index.num_dst, -1)


def _of_edges(edge_index: EdgeIndex, values: Tensor, reduction: Reduction) -> Tensor:
    """(D, ...): values (E, ...) over each destination's edges that are no loops; without any zero, a product one."""
    same = edge_index.is_loop()
    if same is None:
        return segment_reduce(edge_index.colptr, values, reduction)
    if reduction == "mul":
        return segment_reduce(edge_index.colptr, values.masked_fill(same[:, None], 1), "mul")
    counted = (~same).to(values.dtype)[:, None]
    count = segment_reduce(edge_index.colptr, counted)
    if reduction in ("min", "max"):
        worst = torch.inf if reduction == "min" else -torch.inf
        found = segment_reduce(edge_index.colptr, values.masked_fill(same[:, None], worst), reduction)
        return found.masked_fill(count == 0, 0)
    total = segment_reduce(edge_index.colptr, values * counted)
    return total if reduction == "sum" else total / count.clamp(min=1)
