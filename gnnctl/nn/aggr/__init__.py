"""Aggregations of grouped rows: messages at a destination, nodes of a graph."""

from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.multi import MultiAggregation
from gnnctl.nn.aggr.power_mean import PowerMeanAggregation
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
from gnnctl.nn.aggr.softmax import SoftmaxAggregation

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
    "PowerMeanAggregation",
    "QuantileAggregation",
    "SoftmaxAggregation",
    "StdAggregation",
    "SumAggregation",
    "VarAggregation",
    "aggregation",
]
