"""Reductions over segments of rows: (E, ...) rows sorted by destination become (D, ...), or (E, ...) again."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from gnnctl.native import _native
from gnnctl.nn.ops import device, fallback
from gnnctl.nn.ops.aggregate import REDUCES, Reduce, aggregate_segments
from gnnctl.nn.ops.attention import softmax_rows
from gnnctl.nn.ops.checks import array, as_float, check_rows, compute_dtype, native_edges, new_result
from gnnctl.nn.ops.quantile import segment_quantile
from gnnctl.nn.ops.spmm import segment_sum

SegmentReduce = Literal[Reduce, "mul", "median"]


def segment_reduce(colptr: Tensor, values: Tensor, reduce: SegmentReduce = "sum") -> Tensor:
    """Aggregate one row per edge by destination.

    Args:
        colptr: (D + 1,) int64.
        values: (E, ...) float, in edge order.
        reduce: how a destination's rows become one: see :data:`~gnnctl.nn.ops.aggregate.Reduce`; or mul, their
            product; or median, the lower one of two in the middle.

    Returns:
        (D, ...); zero for a destination without edges, one for mul. As ``torch_geometric.nn.aggr``, except that
        minimum and maximum give the gradient of equals to the first.

    Raises:
        TypeError: not floating point.
        ValueError: sizes do not fit, or an unknown reduction.
    """
    check_rows(colptr, values)
    if reduce in ("sum", "mean"):
        return segment_sum(colptr, values, reduce == "mean")
    if reduce == "median":
        return segment_quantile(colptr, values, 0.5, "lower")
    if reduce == "mul":
        out: Tensor = _product(colptr, values)
        return out
    if reduce not in REDUCES:
        raise ValueError(f"reduce must be one of {', '.join(REDUCES)}, mul and median, got {reduce!r}")
    return aggregate_segments(colptr, values, (reduce,)).squeeze(1)


def segment_multi_reduce(colptr: Tensor, values: Tensor, reduces: Sequence[Reduce]) -> Tensor:
    """:func:`segment_reduce` in R ways, reading every row once.

    Args:
        colptr: (D + 1,) int64.
        values: (E, ...) float, in edge order.
        reduces: R different ones of :data:`~gnnctl.nn.ops.aggregate.Reduce`.

    Returns:
        (D, R, ...), in the order of ``reduces``.
    """
    check_rows(colptr, values)
    return aggregate_segments(colptr, values, reduces)


def segment_softmax(colptr: Tensor, values: Tensor) -> Tensor:
    """Softmax over each destination's rows, feature by feature: ``exp(x - max) / sum exp(x - max)``.

    Args:
        colptr: (D + 1,) int64.
        values: (E, ...) float, in edge order.

    Returns:
        (E, ...).
    """
    check_rows(colptr, values)
    width = values.shape[1:].numel()
    flat = values.reshape(values.shape[0], width)
    return values.clone() if width == 0 else softmax_rows(colptr, flat).view(values.shape)


def segment_logsumexp(colptr: Tensor, values: Tensor) -> Tensor:
    """``log sum exp`` of each destination's rows, the largest taken out first.

    Args:
        colptr: (D + 1,) int64.
        values: (E, ...) float, in edge order.

    Returns:
        (D, ...); minus infinity for a destination without edges, as ``torch.logsumexp`` of nothing.
    """
    check_rows(colptr, values)
    out: Tensor = _logsumexp(colptr, values)
    return out


@torch.library.custom_op("gnnctl::segment_logsumexp", mutates_args=())
def _logsumexp(colptr: Tensor, values: Tensor) -> Tensor:
    if device.elsewhere(values):
        return device.logsumexp(colptr, values)
    values = values.detach().contiguous()
    out = new_result((colptr.shape[0] - 1, *values.shape[1:]), values.dtype)
    edges = native_edges(colptr, None, values.shape[0])
    _native.logsumexp(edges, array(values), array(out), torch.get_num_threads())
    return out


@torch.library.custom_op("gnnctl::segment_logsumexp_backward", mutates_args=())
def _logsumexp_backward(colptr: Tensor, values: Tensor, result: Tensor, grad: Tensor) -> Tensor:
    if device.elsewhere(values):
        return device.logsumexp_backward(colptr, values, result, grad)
    values, grad = values.detach().contiguous(), grad.contiguous()
    out = new_result(values.shape, values.dtype)
    edges = native_edges(colptr, None, values.shape[0])
    _native.logsumexp_backward(edges, array(values), array(result), array(grad), array(out), torch.get_num_threads())
    return out


@torch.library.custom_op("gnnctl::segment_mul", mutates_args=())
def _product(colptr: Tensor, values: Tensor) -> Tensor:
    if values.device.type != "cpu":
        return fallback.product(colptr, values)
    values = values.detach().contiguous()
    out = new_result((colptr.shape[0] - 1, *values.shape[1:]), values.dtype)
    edges = native_edges(colptr, None, values.shape[0])
    _native.aggregate(edges, array(values), None, _native.Aggregates(["mul"], array(out)), torch.get_num_threads())
    return out


@torch.library.custom_op("gnnctl::segment_mul_backward", mutates_args=())
def _product_backward(colptr: Tensor, values: Tensor, result: Tensor, grad: Tensor) -> Tensor:
    if values.device.type != "cpu":
        return fallback.product_backward(colptr, values, grad)
    rows = _computed(values)
    out = new_result(values.shape, rows.dtype)
    edges = native_edges(colptr, None, values.shape[0])
    result, grad = result.to(rows.dtype).contiguous(), grad.to(rows.dtype).contiguous()
    _native.product_backward(edges, array(rows), array(result), array(grad), array(out), torch.get_num_threads())
    return out.to(values.dtype)


def _computed(values: Tensor) -> Tensor:
    rows = as_float(values, compute_dtype(values))
    assert rows is not None
    return rows


def _by_destination(colptr: Tensor, values: Tensor) -> Tensor:
    return values.new_empty((colptr.shape[0] - 1, *values.shape[1:]))


def _by_edge(colptr: Tensor, values: Tensor, result: Tensor, grad: Tensor) -> Tensor:
    return values.new_empty(values.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs, output)


for _op, _gradient in ((_logsumexp, _logsumexp_backward), (_product, _product_backward)):
    _op.register_fake(_by_destination)
    _gradient.register_fake(_by_edge)
    _op.register_autograd(
        lambda ctx, grad, gradient=_gradient: (None, gradient(*ctx.saved_tensors, grad)), setup_context=_setup
    )
    for _device in ("cpu", "cuda"):
        _op.register_autocast(_device, torch.float32)
