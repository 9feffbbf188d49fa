"""The native engine: CPU code behind raw buffers, so that one build serves every torch release."""

from gnnctl.native._native import (
    Mapping,
    Sampler,
    csc_from_coo,
    gather_rows,
    number_nodes,
    random_gather_rate,
    stream_bandwidth,
)

__all__ = [
    "Mapping",
    "Sampler",
    "csc_from_coo",
    "gather_rows",
    "number_nodes",
    "random_gather_rate",
    "stream_bandwidth",
]
