"""Normalisations of nodes; those over graphs take ``ptr`` (B + 1,), graph b being nodes ``ptr[b]:ptr[b + 1]``."""

from gnnctl.nn.norm.batch_norm import BatchNorm
from gnnctl.nn.norm.diff_group_norm import DiffGroupNorm
from gnnctl.nn.norm.graph_norm import GraphNorm
from gnnctl.nn.norm.graph_size_norm import GraphSizeNorm
from gnnctl.nn.norm.instance_norm import InstanceNorm
from gnnctl.nn.norm.layer_norm import LayerNorm
from gnnctl.nn.norm.mean_subtraction_norm import MeanSubtractionNorm
from gnnctl.nn.norm.message_norm import MessageNorm
from gnnctl.nn.norm.pair_norm import PairNorm
from gnnctl.nn.norm.typed_norm import TypedNorm

__all__ = [
    "BatchNorm",
    "DiffGroupNorm",
    "GraphNorm",
    "GraphSizeNorm",
    "InstanceNorm",
    "LayerNorm",
    "MeanSubtractionNorm",
    "MessageNorm",
    "PairNorm",
    "TypedNorm",
]
