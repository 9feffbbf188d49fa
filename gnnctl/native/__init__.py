"""The native engine: CPU code behind raw buffers, so that one build serves every torch release."""

from gnnctl.native._native import (
    Mapping,
    SampledEdgeType,
    Sampler,
    SamplerRules,
    TypedCsc,
    csc_from_coo,
    gather_rows,
    induced_edges,
    most_visited,
    node2vec,
    number_nodes,
    personalized_pagerank,
    random_gather_rate,
    random_walk,
    stream_bandwidth,
    with_opposite,
)

__all__ = [
    "Mapping",
    "SampledEdgeType",
    "Sampler",
    "SamplerRules",
    "TypedCsc",
    "csc_from_coo",
    "gather_rows",
    "induced_edges",
    "most_visited",
    "node2vec",
    "number_nodes",
    "personalized_pagerank",
    "random_gather_rate",
    "random_walk",
    "stream_bandwidth",
    "with_opposite",
]
