"""Aggregations by name."""

import inspect
from collections.abc import Sequence
from typing import NamedTuple

from gnnctl.errors import UsageError
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.named import AGGREGATIONS
from gnnctl.parameters import Value, defaults_of, read_parameters

# Text that parse_aggregations reads, a module, or several of any.
AggregationLike = str | Aggregation | Sequence["str | Aggregation"]


class NamedAggregation(NamedTuple):
    """A name of :data:`AGGREGATIONS`, and the parameters that were given."""

    name: str
    parameters: dict[str, Value]


def parse_aggregations(text: str) -> list[NamedAggregation]:
    """Read ``NAME[:parameter=value,...]``, several with commas between: ``mean,softmax:t=0.5,learn=true,std``.

    What holds a ``=`` is a parameter, of the name before it; what holds none is a name.

    Raises:
        ValueError: an unknown name or parameter, or a value of the wrong type.
    """
    given: list[tuple[str, list[str]]] = []
    for part in text.split(","):
        name, colon, parameter = (word.strip() for word in part.partition(":"))
        if "=" in name and given and not colon:
            given[-1][1].append(name)
            continue
        if name not in AGGREGATIONS:
            raise ValueError(f"aggr must be among {', '.join(AGGREGATIONS)}, got {name!r}")
        given.append((name, [parameter] if parameter else []))
    found = []
    for name, parameters in given:
        try:
            values = read_parameters(f"aggregation {name!r}", ",".join(parameters), _defaults(name))
        except UsageError as problem:
            raise ValueError(str(problem)) from None
        found.append(NamedAggregation(name, values))
    return found


def aggregation(aggr: AggregationLike, in_channels: int | None = None) -> Aggregation:
    """The aggregation that is meant.

    Args:
        aggr: an aggregation; text that :func:`parse_aggregations` reads; or a sequence of those. Several make a
            :class:`~gnnctl.nn.aggr.MultiAggregation`, side by side.
        in_channels: width of the rows, where it is known; those with weights need it.

    Raises:
        ValueError: an unknown name or parameter, or one that needs the width.
    """
    from gnnctl.nn.aggr.multi import MultiAggregation

    if isinstance(aggr, Aggregation):
        return aggr
    if not isinstance(aggr, str):
        return aggregation(aggr[0], in_channels) if len(aggr) == 1 else MultiAggregation(aggr, in_channels=in_channels)
    made = [_make(named, in_channels) for named in parse_aggregations(aggr)]
    return made[0] if len(made) == 1 else MultiAggregation(made)


def _make(named: NamedAggregation, in_channels: int | None) -> Aggregation:
    make = AGGREGATIONS[named.name]
    if not _needs_width(named.name):
        return make(**named.parameters)
    if in_channels is None:
        raise ValueError(f"aggregation {named.name!r} needs the width of the rows: give in_channels, or the module")
    return make(in_channels, **named.parameters)


def _needs_width(name: str) -> bool:
    return "in_channels" in inspect.signature(AGGREGATIONS[name]).parameters


def _defaults(name: str) -> dict[str, Value | None]:
    return defaults_of(AGGREGATIONS[name], ("in_channels",))
