"""The native engine: CPU code behind raw buffers, so that one build serves every torch release."""

from gnnctl.native._native import (
    Mapping,
    SampledEdgeType,
    Sampler,
    SamplerRules,
    csc_from_coo,
    gather_rows,
    number_nodes,
    random_gather_rate,
    stream_bandwidth,
)

__all__ = [
    "Mapping",
    "SampledEdgeType",
    "Sampler",
    "SamplerRules",
    "csc_from_coo",
    "gather_rows",
    "number_nodes",
    "random_gather_rate",
    "stream_bandwidth",
]
