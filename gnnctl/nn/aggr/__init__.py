"""Aggregations of grouped rows: messages at a destination, nodes of a graph."""

from gnnctl.nn.aggr.attentional import AttentionalAggregation
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.deep_sets import DeepSetsAggregation
from gnnctl.nn.aggr.degree_scaler import DegreeScalerAggregation
from gnnctl.nn.aggr.equilibrium import EquilibriumAggregation
from gnnctl.nn.aggr.lcm import LCMAggregation
from gnnctl.nn.aggr.mlp import MLPAggregation
from gnnctl.nn.aggr.multi import MultiAggregation
from gnnctl.nn.aggr.named import AGGREGATIONS
from gnnctl.nn.aggr.patch_transformer import PatchTransformerAggregation
from gnnctl.nn.aggr.power_mean import PowerMeanAggregation
from gnnctl.nn.aggr.recurrent import GRUAggregation, LSTMAggregation
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
from gnnctl.nn.aggr.resolve import AggregationLike, aggregation, parse_aggregations
from gnnctl.nn.aggr.set2set import Set2Set
from gnnctl.nn.aggr.set_transformer import GraphMultisetTransformer, SetTransformerAggregation
from gnnctl.nn.aggr.softmax import SoftmaxAggregation
from gnnctl.nn.aggr.sort import SortAggregation
from gnnctl.nn.aggr.variance_preserving import VariancePreservingAggregation

__all__ = [
    "AGGREGATIONS",
    "Aggregation",
    "AggregationLike",
    "AttentionalAggregation",
    "DeepSetsAggregation",
    "DegreeScalerAggregation",
    "EquilibriumAggregation",
    "GRUAggregation",
    "GraphMultisetTransformer",
    "LCMAggregation",
    "LSTMAggregation",
    "MLPAggregation",
    "MaxAggregation",
    "MeanAggregation",
    "MedianAggregation",
    "MinAggregation",
    "MulAggregation",
    "MultiAggregation",
    "PatchTransformerAggregation",
    "PowerMeanAggregation",
    "QuantileAggregation",
    "Set2Set",
    "SetTransformerAggregation",
    "SoftmaxAggregation",
    "SortAggregation",
    "StdAggregation",
    "SumAggregation",
    "VarAggregation",
    "VariancePreservingAggregation",
    "aggregation",
    "parse_aggregations",
]
