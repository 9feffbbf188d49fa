"""Aggregations by name."""

from collections.abc import Callable, Sequence

from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.reduction import (
    MaxAggregation,
    MeanAggregation,
    MedianAggregation,
    MinAggregation,
    MulAggregation,
    StdAggregation,
    SumAggregation,
    VarAggregation,
)

# A name, several names with commas between, a module, or several of any.
AggregationLike = str | Aggregation | Sequence["str | Aggregation"]

# Those that need to be told nothing.
AGGREGATIONS: dict[str, Callable[[], Aggregation]] = {
    "sum": SumAggregation,
    "mean": MeanAggregation,
    "min": MinAggregation,
    "max": MaxAggregation,
    "mul": MulAggregation,
    "var": VarAggregation,
    "std": StdAggregation,
    "median": MedianAggregation,
}


def aggregation(aggr: AggregationLike) -> Aggregation:
    """The aggregation that is meant.

    Args:
        aggr: an aggregation; a name of :data:`AGGREGATIONS`; several names with commas between, or a sequence:
            :class:`~gnnctl.nn.aggr.MultiAggregation`, side by side.

    Raises:
        ValueError: an unknown name.
    """
    from gnnctl.nn.aggr.multi import MultiAggregation

    if isinstance(aggr, Aggregation):
        return aggr
    names = [name.strip() for name in aggr.split(",")] if isinstance(aggr, str) else list(aggr)
    if len(names) > 1:
        return MultiAggregation(names)
    name = names[0] if names else ""
    if isinstance(name, Aggregation):
        return name
    if name not in AGGREGATIONS:
        raise ValueError(f"aggr must be among {', '.join(AGGREGATIONS)}, got {name!r}")
    return AGGREGATIONS[name]()
