"""Aggregations of grouped rows: messages at a destination, nodes of a graph."""

from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.multi import MultiAggregation
from gnnctl.nn.aggr.reduction import (
    MaxAggregation,
    MeanAggregation,
    MedianAggregation,
    MinAggregation,
    MulAggregation,
    QuantileAggregation,
    StdAggregation,
    SumAggregation,
    VarAggregation,
)
from gnnctl.nn.aggr.resolve import AGGREGATIONS, AggregationLike, aggregation

__all__ = [
    "AGGREGATIONS",
    "Aggregation",
    "AggregationLike",
    "MaxAggregation",
    "MeanAggregation",
    "MedianAggregation",
    "MinAggregation",
    "MulAggregation",
    "MultiAggregation",
    "QuantileAggregation",
    "StdAggregation",
    "SumAggregation",
    "VarAggregation",
    "aggregation",
]
