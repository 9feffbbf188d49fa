"""Reductions over segments of rows: (E, ...) rows sorted by destination become (D, ...)."""

from torch import Tensor

from gnnctl.nn.ops.aggregate import REDUCES, Reduce, aggregate_segments
from gnnctl.nn.ops.spmm import _spmm


def segment_reduce(colptr: Tensor, values: Tensor, reduce: Reduce = "sum") -> Tensor:
    """Aggregate one row per edge by destination.

    Args:
        colptr: (D + 1,) int64.
        values: (E, ...) float, in edge order.
        reduce: how a destination's rows become one.

    Returns:
        (D, ...); zero for a destination without edges.
    """
    if reduce in ("sum", "mean"):
        out: Tensor = _spmm(colptr, None, values, None, None, None, None, reduce == "mean")
        return out
    if reduce not in REDUCES:
        raise ValueError(f"reduce must be one of {', '.join(REDUCES)}, got {reduce!r}")
    return aggregate_segments(colptr, values, (reduce,)).squeeze(1)
