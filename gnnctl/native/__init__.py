"""The native engine: CPU code behind raw buffers, so that one build serves every torch release."""

from gnnctl.native._native import Mapping

__all__ = ["Mapping"]
