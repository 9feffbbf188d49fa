"""Several reductions of each destination's messages in one pass over the edges, as PNA needs them."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.native import _native
from gnnctl.nn.ops import device
from gnnctl.nn.ops.aggregate_gradient import aggregate_backward, aggregate_backward_weight, results_of
from gnnctl.nn.ops.checks import (
    array,
    array_or_none,
    as_float,
    check_messages,
    compute_dtype,
    native_edges,
    new_result,
)

# Of n messages m: their sum; sum / n; minimum; maximum; var = E[(m - E[m])^2], biased; std = sqrt(var), 0 where var is
# at most 1e-5 (torch_geometric.nn.aggr.StdAggregation). All are 0 without messages. Of equal extremes the first edge
# gets the gradient; a NaN is an extreme.
Reduce = Literal["sum", "mean", "min", "max", "var", "std"]
REDUCES: tuple[Reduce, ...] = get_args(Reduce)


def multi_aggregate(
    edge_index: EdgeIndex,
    x: Tensor,
    weight: Tensor | None = None,
    reduces: Sequence[Reduce] = ("mean", "min", "max", "std"),
) -> Tensor:
    """Aggregate source features along the edges in several ways, reading every message once.

    Args:
        edge_index: E edges from S sources to D destinations.
        x: (S, F) or (S, H, F) float.
        weight: (E,), or (E, H) for (S, H, F) features.
        reduces: R different reductions of the messages ``weight[e] * x[row[e]]``; see :data:`Reduce`.

    Returns:
        (D, R, F) or (D, R, H, F), in the order of ``reduces``; zero for a destination without edges.

    Raises:
        TypeError: not floating point.
        ValueError: shapes do not fit, or an unknown or repeated reduction.
    """
    return aggregate(edge_index, x, weight, reduces)


def aggregate(edge_index: EdgeIndex, x: Tensor, weight: Tensor | None, reduces: Sequence[Reduce]) -> Tensor:
    """:func:`multi_aggregate`, without defaults."""
    check_messages(edge_index, x, weight)
    check_names(reduces)
    rowptr, col, perm = edge_index.transposed_for(x)
    names, ranks = ",".join(reduces), _with_gradient(x, weight)
    out: Tensor = _aggregate(edge_index.colptr, edge_index.row, x, weight, rowptr, col, perm, names, ranks)[0]
    return out


def aggregate_segments(colptr: Tensor, values: Tensor, reduces: Sequence[Reduce]) -> Tensor:
    """(D, R, ...) of (E, ...) edge rows: the same over segments of rows."""
    check_names(reduces)
    names, ranks = ",".join(reduces), _with_gradient(values, None)
    out: Tensor = _aggregate(colptr, None, values, None, None, None, None, names, ranks)[0]
    return out


def _with_gradient(x: Tensor, weight: Tensor | None) -> bool:
    return torch.is_grad_enabled() and (x.requires_grad or (weight is not None and weight.requires_grad))


def check_names(reduces: Sequence[str]) -> None:
    """Check that reductions are known and differ.

    Raises:
        ValueError: they do not.
    """
    unknown = [name for name in reduces if name not in REDUCES]
    if unknown or not reduces or len(set(reduces)) < len(reduces):
        raise ValueError(f"reduce must be different ones of {', '.join(REDUCES)}, got {', '.join(reduces) or 'none'}")


@torch.library.custom_op("gnnctl::aggregate", mutates_args=())
def _aggregate(
    colptr: Tensor,
    row: Tensor | None,
    x: Tensor,
    weight: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    reduces: str,
    ranks: bool = True,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The reductions, (D, R, ...), and what the gradient needs, (D, ...) or empty where it does not.

    That is the unrounded mean for var and std; and for min and max, where ``ranks`` are wanted, int32, the rank of the
    chosen edge within its destination (the first of equals), or -1.
    """
    names = reduces.split(",")
    if device.elsewhere(x):
        return device.aggregate(colptr, row, x, weight, names, ranks)
    found = _outputs(colptr, x, names, new_result, ranks)
    x, factors = x.detach().contiguous(), as_float(weight, compute_dtype(x))
    edges = native_edges(colptr, row, x.shape[0])
    results = results_of(names, *found, ranks=ranks)
    _native.aggregate(edges, array(x), array_or_none(factors), results, torch.get_num_threads())
    return found


def _outputs(
    colptr: Tensor, x: Tensor, names: Sequence[str], empty: Callable[..., Tensor], ranks: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    width = (colptr.shape[0] - 1, *x.shape[1:])
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    return (
        empty((width[0], len(names), *width[1:]), dtype=x.dtype),
        empty(width if "var" in names or "std" in names else (0,), dtype=dtype),
        empty(width if "min" in names and ranks else (0,), dtype=torch.int32),
        empty(width if "max" in names and ranks else (0,), dtype=torch.int32),
    )


@_aggregate.register_fake
def _(
    colptr: Tensor,
    row: Tensor | None,
    x: Tensor,
    weight: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    reduces: str,
    ranks: bool = True,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _outputs(colptr, x, reduces.split(","), x.new_empty, ranks)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    *tensors, ctx.reduces, _ = inputs
    ctx.save_for_backward(*tensors, *output)
    ctx.mark_non_differentiable(*output[1:])


def _backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    colptr, row, x, weight, rowptr, col, perm, *saved = ctx.saved_tensors
    grad_x = grad_weight = None
    if ctx.needs_input_grad[2]:
        grad_x = aggregate_backward(colptr, row, grad, x, weight, *saved, rowptr, col, perm, ctx.reduces)
    if weight is not None and ctx.needs_input_grad[3]:
        grad_weight = aggregate_backward_weight(colptr, row, grad, x, weight, *saved, ctx.reduces)
    return None, None, grad_x, grad_weight, None, None, None, None, None


_aggregate.register_autograd(_backward, setup_context=_setup)
for _device in ("cpu", "cuda"):
    _aggregate.register_autocast(_device, torch.float32)
