"""Quantiles of the rows of each destination."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from gnnctl.native import _native
from gnnctl.nn.ops import fallback
from gnnctl.nn.ops.checks import array, check_rows, compute_dtype, native_edges, new_result

Interpolation = Literal["linear", "lower", "higher", "nearest", "midpoint"]


def segment_quantile(
    colptr: Tensor, values: Tensor, q: float | Sequence[float], interpolation: Interpolation = "linear"
) -> Tensor:
    """Quantiles of each destination's rows, feature by feature.

    Of n sorted rows the quantile q stands at ``p = q * (n - 1)``; between two rows, ``interpolation`` decides:
    ``linear`` weighs them by the distance of p, ``midpoint`` equally, ``nearest`` takes the closer one (at the same
    distance the even one), ``lower`` and ``higher`` one of them. NaN stands above all. The gradient goes to the rows
    that were taken; of equals, to the first.

    Args:
        colptr: (D + 1,) int64.
        values: (E, ...) float, in edge order.
        q: in [0, 1], or Q of them.
        interpolation: see above.

    Returns:
        (D, ...), or (D, Q, ...) for a sequence; zero for a destination without edges.

    Raises:
        TypeError: not floating point.
        ValueError: sizes do not fit, q is out of range, or an unknown interpolation.
    """
    check_rows(colptr, values)
    several = [float(q)] if isinstance(q, int | float) else [float(one) for one in q]
    out: Tensor = _quantile(colptr, values, several, interpolation)[0]
    return out.squeeze(1) if isinstance(q, int | float) else out


@torch.library.custom_op("gnnctl::segment_quantile", mutates_args=())
def _quantile(colptr: Tensor, values: Tensor, q: Sequence[float], interpolation: str) -> tuple[Tensor, Tensor]:
    """(D, Q, ...), and (D, Q, 2, ...) int32: between which of the destination's rows each lies, or -1."""
    wanted = _native.Quantiles(list(q), interpolation)
    if values.device.type != "cpu":
        return fallback.quantile(colptr, values, q, interpolation)
    values, num_dst = values.detach().contiguous(), colptr.shape[0] - 1
    out = new_result((num_dst, len(q), *values.shape[1:]), values.dtype)
    rank = new_result((num_dst, len(q), 2, *values.shape[1:]), torch.int32)
    edges = native_edges(colptr, None, values.shape[0])
    _native.quantile(edges, array(values), wanted, array(out), array(rank), torch.get_num_threads())
    return out, rank


@_quantile.register_fake
def _(colptr: Tensor, values: Tensor, q: Sequence[float], interpolation: str) -> tuple[Tensor, Tensor]:
    shape, rest = (colptr.shape[0] - 1, len(q)), values.shape[1:]
    return values.new_empty((*shape, *rest)), values.new_empty((*shape, 2, *rest), dtype=torch.int32)


@torch.library.custom_op("gnnctl::segment_quantile_backward", mutates_args=())
def _quantile_backward(
    colptr: Tensor, grad: Tensor, rank: Tensor, q: Sequence[float], interpolation: str, num_edges: int
) -> Tensor:
    if grad.device.type != "cpu":
        return fallback.quantile_backward(colptr, grad, rank, q, interpolation, num_edges)
    dtype = compute_dtype(grad)
    rows, wanted = grad.to(dtype).contiguous(), _native.Quantiles(list(q), interpolation)
    out = new_result((num_edges, *grad.shape[2:]), dtype)
    edges = native_edges(colptr, None, num_edges)
    _native.quantile_backward(edges, array(rows), wanted, array(rank), array(out), torch.get_num_threads())
    return out.to(grad.dtype)


@_quantile_backward.register_fake
def _(colptr: Tensor, grad: Tensor, rank: Tensor, q: Sequence[float], interpolation: str, num_edges: int) -> Tensor:
    return grad.new_empty((num_edges, *grad.shape[2:]))


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    colptr, values, ctx.q, ctx.interpolation = inputs
    ctx.num_edges = values.shape[0]
    ctx.save_for_backward(colptr, output[1])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    colptr, rank = ctx.saved_tensors
    return None, _quantile_backward(colptr, grad, rank, ctx.q, ctx.interpolation, ctx.num_edges), None, None


_quantile.register_autograd(_backward, setup_context=_setup)
for _device in ("cpu", "cuda"):
    _quantile.register_autocast(_device, torch.float32)
