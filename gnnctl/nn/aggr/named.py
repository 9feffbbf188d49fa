"""The aggregations that have a name, and what each is made of."""

from collections.abc import Callable

from torch import nn

from gnnctl.nn.aggr.attentional import AttentionalAggregation
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.deep_sets import DeepSetsAggregation
from gnnctl.nn.aggr.equilibrium import EquilibriumAggregation
from gnnctl.nn.aggr.lcm import LCMAggregation
from gnnctl.nn.aggr.mlp import MLPAggregation
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
from gnnctl.nn.aggr.set2set import Set2Set
from gnnctl.nn.aggr.set_transformer import GraphMultisetTransformer, SetTransformerAggregation
from gnnctl.nn.aggr.softmax import SoftmaxAggregation
from gnnctl.nn.aggr.sort import SortAggregation
from gnnctl.nn.aggr.variance_preserving import VariancePreservingAggregation

# Below, 0 stands for a hidden width like that of the rows, and for no bound on the rows of a group.


def _lstm(in_channels: int, hidden: int = 0, max_group: int = 0) -> Aggregation:
    return LSTMAggregation(in_channels, hidden or in_channels, max_group or None)


def _gru(in_channels: int, hidden: int = 0, max_group: int = 0) -> Aggregation:
    return GRUAggregation(in_channels, hidden or in_channels, max_group or None)


def _lcm(in_channels: int, hidden: int = 0, max_group: int = 0) -> Aggregation:
    return LCMAggregation(in_channels, hidden or in_channels, max_group=max_group or None)


def _attentional(in_channels: int, per_feature: bool = False) -> Aggregation:
    return AttentionalAggregation(nn.Linear(in_channels, in_channels if per_feature else 1))


def _deep_sets(in_channels: int, hidden: int = 0) -> Aggregation:
    width = hidden or in_channels
    phi = nn.Sequential(nn.Linear(in_channels, width), nn.ReLU(), nn.Linear(width, width))
    return DeepSetsAggregation(phi, nn.Sequential(nn.ReLU(), nn.Linear(width, in_channels)), in_channels)


def _set_transformer(
    in_channels: int,
    num_seeds: int = 1,
    num_encoders: int = 1,
    num_decoders: int = 1,
    heads: int = 1,
    concat: bool = True,
    layer_norm: bool = False,
    dropout: float = 0.0,
    max_group: int = 0,
) -> Aggregation:
    return SetTransformerAggregation(
        in_channels, num_seeds, num_encoders, num_decoders, heads, concat, layer_norm, dropout, max_group or None
    )


def _gmt(
    in_channels: int,
    k: int = 8,
    num_encoders: int = 1,
    heads: int = 1,
    layer_norm: bool = False,
    dropout: float = 0.0,
    max_group: int = 0,
) -> Aggregation:
    return GraphMultisetTransformer(in_channels, k, num_encoders, heads, layer_norm, dropout, max_group or None)


def _mlp(in_channels: int, max_group: int = 16, hidden: int = 0) -> Aggregation:
    return MLPAggregation(in_channels, in_channels, max_group, (hidden or in_channels,))


def _equilibrium(in_channels: int, hidden: int = 0, steps: int = 5, regularisation: float = 0.1) -> Aggregation:
    return EquilibriumAggregation(in_channels, in_channels, (hidden or in_channels,), steps, regularisation)


def _patch_transformer(
    in_channels: int,
    patch_size: int = 4,
    hidden: int = 32,
    num_blocks: int = 1,
    heads: int = 1,
    dropout: float = 0.0,
    max_group: int = 0,
) -> Aggregation:
    return PatchTransformerAggregation(
        in_channels, in_channels, patch_size, hidden, num_blocks, heads, dropout, max_group=max_group or None
    )


# What makes each; a first parameter `in_channels` is the width of the rows, all others have plain defaults.
AGGREGATIONS: dict[str, Callable[..., Aggregation]] = {
    "sum": SumAggregation,
    "mean": MeanAggregation,
    "min": MinAggregation,
    "max": MaxAggregation,
    "mul": MulAggregation,
    "var": VarAggregation,
    "std": StdAggregation,
    "median": MedianAggregation,
    "quantile": QuantileAggregation,
    "softmax": SoftmaxAggregation,
    "power-mean": PowerMeanAggregation,
    "variance-preserving": VariancePreservingAggregation,
    "sort": SortAggregation,
    "lstm": _lstm,
    "gru": _gru,
    "lcm": _lcm,
    "set2set": Set2Set,
    "attentional": _attentional,
    "deep-sets": _deep_sets,
    "mlp": _mlp,
    "equilibrium": _equilibrium,
    "set-transformer": _set_transformer,
    "gmt": _gmt,
    "patch-transformer": _patch_transformer,
}
