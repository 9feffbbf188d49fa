"""The native engine: CPU code behind raw buffers, so that one build serves every torch release."""

from gnnctl.native._native import Mapping, random_gather_rate, stream_bandwidth

__all__ = ["Mapping", "random_gather_rate", "stream_bandwidth"]
