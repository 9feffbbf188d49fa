"""Several aggregations of the same rows."""

from collections.abc import Callable, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.resolve import AggregationLike, aggregation
from gnnctl.nn.ops import Reduce, multi_aggregate, segment_multi_reduce

Combine = Literal["cat", "sum", "mean", "max", "min"]
_COMBINED: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda stacked: stacked.sum(0),
    "mean": lambda stacked: stacked.mean(0),
    "max": lambda stacked: stacked.amax(0),
    "min": lambda stacked: stacked.amin(0),
}


class MultiAggregation(Aggregation):
    """Several aggregations side by side, or combined; reductions among them read the rows once, together.

    Args:
        aggrs: the aggregations, or their names; at least one.
        combine: ``cat`` puts the results side by side, in order; the others reduce them and need equal widths.

    Raises:
        ValueError: no aggregations, or an unknown way to combine them.
    """

    def __init__(self, aggrs: Sequence[AggregationLike], combine: Combine = "cat") -> None:
        super().__init__()
        if not aggrs:
            raise ValueError("aggrs is empty")
        if combine != "cat" and combine not in _COMBINED:
            raise ValueError(f"combine must be cat, {', '.join(_COMBINED)}, got {combine!r}")
        self.aggrs = nn.ModuleList(aggregation(a) for a in aggrs)
        self.combine = combine
        self.linear = combine in ("sum", "mean") and all(a.linear for a in self._members())
        found = dict.fromkeys(a.reduce for a in self._members() if a.reduce is not None)
        self._together = cast(tuple[Reduce, ...], tuple(found)) if len(found) > 1 else ()

    def _members(self) -> list[Aggregation]:
        return [cast(Aggregation, a) for a in self.aggrs]

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, ..., sum of the widths) of (E, ..., F) rows, or (D, ..., width) where they are combined."""
        together = segment_multi_reduce(ptr, values, self._together) if self._together else None
        return self._combine(together, lambda aggr: cast(Tensor, aggr(values, ptr)))

    def along(self, edge_index: EdgeIndex, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """As :meth:`Aggregation.along`; the reductions together, in one pass over the edges."""
        together = multi_aggregate(edge_index, x, weight, self._together) if self._together else None
        return self._combine(together, lambda aggr: aggr.along(edge_index, x, weight))

    def _combine(self, together: Tensor | None, alone: Callable[[Aggregation], Tensor]) -> Tensor:
        results = []
        for aggr in self._members():
            if together is not None and aggr.reduce in self._together:
                results.append(together[:, self._together.index(aggr.reduce)])
            else:
                results.append(alone(aggr))
        if self.combine == "cat":
            return torch.cat(results, dim=-1)
        return _COMBINED[self.combine](torch.stack(results))

    def channels(self, in_channels: int) -> int:
        """The sum of the widths, or the one width where they are combined."""
        widths = [a.channels(in_channels) for a in self._members()]
        return sum(widths) if self.combine == "cat" else widths[0]

    def reset_parameters(self) -> None:
        """Draw the weights of all of them anew."""
        for aggr in self._members():
            aggr.reset_parameters()
