"""Several aggregations of the same rows."""

from collections.abc import Callable, Sequence
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr.attention_block import Attention
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.resolve import AggregationLike, aggregation
from gnnctl.nn.ops import Reduce, multi_aggregate, segment_multi_reduce

Combine = Literal["cat", "sum", "mean", "max", "min", "logsumexp", "var", "std", "project", "attention"]
# (aggregations, D, ..., width) -> (D, ..., width); variances are those of a sample, as torch has them
_COMBINED: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda stacked: stacked.sum(0),
    "mean": lambda stacked: stacked.mean(0),
    "max": lambda stacked: stacked.amax(0),
    "min": lambda stacked: stacked.amin(0),
    "logsumexp": lambda stacked: stacked.logsumexp(0),
    "var": lambda stacked: _variance(stacked),
    "std": lambda stacked: _root(_variance(stacked)),
}


def _variance(stacked: Tensor) -> Tensor:
    return (stacked - stacked.mean(0)).square().sum(0) / (stacked.shape[0] - 1)


def _root(variance: Tensor) -> Tensor:  # without a gradient where all are equal, as they are of a group without rows
    return torch.where(variance > 0, variance, 1).sqrt() * (variance > 0)


class MultiAggregation(Aggregation):
    """Several aggregations side by side, or combined; reductions among them read the rows once, together.

    Args:
        aggrs: the aggregations, or their names; at least one.
        combine: ``cat`` puts the results side by side, in order. ``project`` multiplies that by a matrix;
            ``attention`` projects each result, lets the results of a group attend to each other and averages them
            (both need the widths). The others reduce the results, which need equal widths.
        in_channels: width of the rows.
        out_channels: width of the result of ``project`` and ``attention``; None: ``in_channels``.
        heads: of ``attention``.

    Raises:
        ValueError: no aggregations, an unknown way to combine them, or a width that is needed and missing.
    """

    def __init__(
        self,
        aggrs: Sequence[AggregationLike],
        combine: Combine = "cat",
        *,
        in_channels: int | None = None,
        out_channels: int | None = None,
        heads: int = 1,
    ) -> None:
        super().__init__()
        if not aggrs:
            raise ValueError("aggrs is empty")
        if combine not in get_args(Combine):
            raise ValueError(f"combine must be {', '.join(get_args(Combine))}, got {combine!r}")
        self.aggrs = nn.ModuleList(aggregation(a, in_channels) for a in aggrs)
        self.combine = combine
        self.linear = combine in ("sum", "mean") and all(a.linear for a in self._members())
        found = dict.fromkeys(a.reduce for a in self._members() if a.reduce is not None)
        self._together = cast(tuple[Reduce, ...], tuple(found)) if len(found) > 1 else ()
        self.out_channels = in_channels if out_channels is None else out_channels
        self.projections = nn.ModuleList()
        self.attention: Attention | None = None
        if combine in ("project", "attention"):
            if in_channels is None or self.out_channels is None:
                raise ValueError(f"in_channels is needed to combine by {combine}")
            widths = [a.channels(in_channels) for a in self._members()]
            widths = [sum(widths)] if combine == "project" else widths
            self.projections.extend(nn.Linear(width, self.out_channels) for width in widths)
            self.attention = Attention(self.out_channels, heads) if combine == "attention" else None

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
        if self.combine == "project":
            return cast(Tensor, self.projections[0](torch.cat(results, dim=-1)))
        if self.attention is not None:
            projected = [project(r) for project, r in zip(self.projections, results, strict=True)]
            tokens = torch.stack(projected, dim=1)
            return cast(Tensor, self.attention(tokens, tokens)).mean(1)
        return results[0] if len(results) == 1 else _COMBINED[self.combine](torch.stack(results))

    def channels(self, in_channels: int) -> int:
        """The sum of the widths, or the one width where they are combined."""
        if self.combine in ("project", "attention") and self.out_channels is not None:
            return self.out_channels
        widths = [a.channels(in_channels) for a in self._members()]
        return sum(widths) if self.combine == "cat" else widths[0]

    def reset_parameters(self) -> None:
        """Draw the weights of all of them anew."""
        for aggr in self._members():
            aggr.reset_parameters()
        for project in self.projections:
            cast(nn.Linear, project).reset_parameters()
        if self.attention is not None:
            self.attention.reset_parameters()
