"""The operators away from the CPU: CUDA kernels where there are some, else plain torch operations.

Each function computes what the operator of its name does; gradients are the operators' affair.
"""

from gnnctl.nn.ops.device.aggregate import (
    aggregate,
    aggregate_backward,
    aggregate_backward_weight,
    gather,
    sddmm,
    spmm,
    spmm_backward,
)
from gnnctl.nn.ops.device.attention import attend, attend_backward, attention, attention_backward
from gnnctl.nn.ops.device.kernels import Kernels, built, elsewhere, kernels_for, stand_in
from gnnctl.nn.ops.device.matmul import grouped_matmul, grouped_outer, segment_matmul, segment_outer
from gnnctl.nn.ops.device.segment import logsumexp, logsumexp_backward

__all__ = [
    "Kernels",
    "aggregate",
    "aggregate_backward",
    "aggregate_backward_weight",
    "attend",
    "attend_backward",
    "attention",
    "attention_backward",
    "built",
    "elsewhere",
    "gather",
    "grouped_matmul",
    "grouped_outer",
    "kernels_for",
    "logsumexp",
    "logsumexp_backward",
    "sddmm",
    "segment_matmul",
    "segment_outer",
    "spmm",
    "spmm_backward",
    "stand_in",
]
