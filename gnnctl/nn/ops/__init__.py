"""Differentiable operations over the edges of an :class:`~gnnctl.graph.edge_index.EdgeIndex`.

On the CPU they run the native kernels, on CUDA devices those of :mod:`gnnctl.nn.ops.device` (float64, products and
quantiles of segments: torch operations), on other devices torch operations. All are torch custom operators
(``gnnctl::*``), so they stand in compiled graphs without a break. Under autocast they compute in float32.

Shapes: E edges, S sources, D destinations, H heads, F features, R reductions.
"""

from gnnctl.nn.ops.aggregate import Reduce, multi_aggregate
from gnnctl.nn.ops.attend import attend
from gnnctl.nn.ops.attention import attention, edge_softmax
from gnnctl.nn.ops.gather import gather_dst, gather_src
from gnnctl.nn.ops.matmul import grouped_matmul, linear, segment_matmul
from gnnctl.nn.ops.quantile import segment_quantile
from gnnctl.nn.ops.sddmm import sddmm
from gnnctl.nn.ops.segment import segment_logsumexp, segment_multi_reduce, segment_reduce, segment_softmax
from gnnctl.nn.ops.spmm import spmm

__all__ = [
    "Reduce",
    "attend",
    "attention",
    "edge_softmax",
    "gather_dst",
    "gather_src",
    "grouped_matmul",
    "linear",
    "multi_aggregate",
    "sddmm",
    "segment_logsumexp",
    "segment_matmul",
    "segment_multi_reduce",
    "segment_quantile",
    "segment_reduce",
    "segment_softmax",
    "spmm",
]
