"""Attention fused with the sum that it weighs."""

from typing import Any

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import device
from gnnctl.nn.ops.attention import attention
from gnnctl.nn.ops.checks import check_floats
from gnnctl.nn.ops.gather import sum_by_source
from gnnctl.nn.ops.spmm import _spmm_backward, segment_sum, spmm


def attend(
    edge_index: EdgeIndex, src: Tensor, dst: Tensor, x: Tensor, edge: Tensor | None = None, negative_slope: float = 0.2
) -> Tensor:
    """The sum over each destination's edges of ``x[row]`` weighed by :func:`~gnnctl.nn.ops.attention.attention`.

    The same as ``spmm(edge_index, x, attention(edge_index, src, dst, edge))``. On a GPU one pass over the edges does
    it, and nothing is kept for an edge: the softmax's largest score and sum are updated as edges come (Milakov and
    Gimelshein 2018, https://arxiv.org/abs/1805.02867), backward computes the coefficients again.

    Args:
        edge_index: E edges from S sources to D destinations.
        src: (S, H) scores of sources.
        dst: (D, H) scores of destinations.
        x: (S, H, F) float.
        edge: (E, H) scores of edges, or None.
        negative_slope: of the leaky ReLU.

    Returns:
        (D, H, F); zero for a destination without edges.

    Raises:
        TypeError: not floating point.
        ValueError: shapes do not fit.
    """
    check_floats(src=src, dst=dst, x=x, edge=edge)
    if x.dim() != 3 or x.shape[:2] != src.shape or x.shape[0] != edge_index.num_src:
        raise ValueError(f"x {tuple(x.shape)} is not ({edge_index.num_src}, H, F) for src {tuple(src.shape)}")
    if dst.shape != (edge_index.num_dst, x.shape[1]):
        raise ValueError(f"dst {tuple(dst.shape)} is not ({edge_index.num_dst}, {x.shape[1]})")
    if edge is not None and edge.shape != (edge_index.num_edges, x.shape[1]):
        raise ValueError(f"edge {tuple(edge.shape)} is not ({edge_index.num_edges}, {x.shape[1]})")
    if not device.elsewhere(x) or x.numel() == 0 or device.kernels_for(x) is None:
        prob = attention(edge_index, src, dst, edge, negative_slope)
        return spmm(edge_index, x, prob.to(x.dtype))
    rowptr, col, perm = edge_index.transposed_for(x)
    colptr, row = edge_index.colptr, edge_index.row
    out: Tensor = _attend(colptr, row, src, dst, x, edge, rowptr, col, perm, negative_slope)[0]
    return out


@torch.library.custom_op("gnnctl::attend", mutates_args=())
def _attend(
    colptr: Tensor,
    row: Tensor,
    src: Tensor,
    dst: Tensor,
    x: Tensor,
    edge: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    negative_slope: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The sum; (D, H) largest scores and scales of the softmax, for the gradient."""
    kernels = _kernels(x)
    return device.attend(kernels, colptr, row, _like(x, src, dst, edge), x, negative_slope)


def _kernels(x: Tensor) -> device.Kernels:
    kernels = device.kernels_for(x)
    if kernels is None:
        raise RuntimeError(f"there is no kernel for {x.dtype} on {x.device}")
    return kernels


def _like(x: Tensor, *parts: Tensor | None) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    src, dst, edge = (None if part is None else part.to(x.dtype) for part in parts)
    return src, dst, edge


@_attend.register_fake
def _(
    colptr: Tensor,
    row: Tensor,
    src: Tensor,
    dst: Tensor,
    x: Tensor,
    edge: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    negative_slope: float,
) -> tuple[Tensor, Tensor, Tensor]:
    rows = (colptr.shape[0] - 1, x.shape[1])
    peak, scale = (x.new_empty(rows, dtype=torch.float32) for _ in range(2))
    return x.new_empty((*rows, x.shape[2])), peak, scale


@torch.library.custom_op("gnnctl::attend_backward", mutates_args=())
def _attend_backward(
    colptr: Tensor,
    row: Tensor,
    src: Tensor,
    dst: Tensor,
    x: Tensor,
    edge: Tensor | None,
    out: Tensor,
    peak: Tensor,
    scale: Tensor,
    grad: Tensor,
    negative_slope: float,
) -> tuple[Tensor, Tensor]:
    """(E, H) float32: the coefficients, and the gradients of scores before leaky_relu."""
    parts = _like(x, src, dst, edge)
    return device.attend_backward(_kernels(x), colptr, row, parts, x, (out, peak, scale), grad, negative_slope)


@_attend_backward.register_fake
def _(
    colptr: Tensor,
    row: Tensor,
    src: Tensor,
    dst: Tensor,
    x: Tensor,
    edge: Tensor | None,
    out: Tensor,
    peak: Tensor,
    scale: Tensor,
    grad: Tensor,
    negative_slope: float,
) -> tuple[Tensor, Tensor]:
    first, second = (x.new_empty((row.shape[0], x.shape[1]), dtype=torch.float32) for _ in range(2))
    return first, second


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    *tensors, ctx.negative_slope = inputs
    ctx.save_for_backward(*tensors, *output)
    ctx.mark_non_differentiable(*output[1:])


def _backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    colptr, row, src, dst, x, edge, rowptr, col, perm, *saved = ctx.saved_tensors
    grad = grad.contiguous()
    prob, by_score = _attend_backward(colptr, row, src, dst, x, edge, *saved, grad, ctx.negative_slope)
    by_src = by_dst = by_edge = by_x = None
    if ctx.needs_input_grad[2]:
        by_src = sum_by_source(by_score, row, rowptr, perm, x.shape[0]).to(src.dtype)
    if ctx.needs_input_grad[3]:
        by_dst = segment_sum(colptr, by_score).to(dst.dtype)
    if ctx.needs_input_grad[4]:
        by_x = _spmm_backward(colptr, row, grad, prob, rowptr, col, perm, x.shape[0], False)
    if edge is not None and ctx.needs_input_grad[5]:
        by_edge = by_score.to(edge.dtype)
    return None, None, by_src, by_dst, by_x, by_edge, None, None, None, None


_attend.register_autograd(_backward, setup_context=_setup)
for _device in ("cpu", "cuda"):
    _attend.register_autocast(_device, torch.float32)
