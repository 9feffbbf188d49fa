"""Additive attention fused with the sum that it weighs: no coefficient is stored in the forward pass."""

from typing import Any

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.native import _native
from gnnctl.nn.ops import fallback
from gnnctl.nn.ops.checks import array, array_or_none, as_float, compute_dtype, native_edges, new_result
from gnnctl.nn.ops.gather import sum_by_source
from gnnctl.nn.ops.spmm import _spmm_backward


def attention_sum(
    edge_index: EdgeIndex,
    x: Tensor,
    src: Tensor,
    dst: Tensor,
    edge: Tensor | None = None,
    negative_slope: float = 0.2,
) -> Tensor:
    """The sum of GAT: :func:`~gnnctl.nn.ops.spmm` with the weights of :func:`~gnnctl.nn.ops.attention`, in one pass.

    For each destination d and head h, the sum over d's edges of
    ``softmax(leaky_relu(src[row[e]] + dst[d] + edge[e])) * x[row[e]]``, the softmax over d's edges.

    Args:
        edge_index: E edges from S sources to D destinations.
        x: (S, H, F) float.
        src: (S, H) scores of sources.
        dst: (D, H) scores of destinations.
        edge: (E, H) scores of edges, or None.
        negative_slope: of the leaky ReLU.

    Returns:
        (D, H, F) of x's dtype; zero for a destination without edges. Backward computes the coefficients again.

    Raises:
        TypeError: not floating point.
        ValueError: the shapes do not fit.
    """
    if x.dim() != 3 or x.shape[0] != edge_index.num_src or x.shape[1] == 0:
        raise ValueError(f"x {tuple(x.shape)} is not ({edge_index.num_src}, H, F)")
    rows = {"src": edge_index.num_src, "dst": edge_index.num_dst, "edge": edge_index.num_edges}
    for name, part in (("src", src), ("dst", dst), ("edge", edge)):
        if part is None:
            continue
        if part.shape != (rows[name], x.shape[1]):
            raise ValueError(f"{name} {tuple(part.shape)} is not ({rows[name]}, {x.shape[1]})")
        if not part.is_floating_point():
            raise TypeError(f"{name} must be floating point, got {part.dtype}")
    compute_dtype(x)
    needs = src if src.requires_grad else x
    rowptr, col, perm = edge_index.transposed_for(needs)
    out, _ = _attention_sum(
        edge_index.colptr, edge_index.row, x, src, dst, edge, rowptr, col, perm, float(negative_slope)
    )
    result: Tensor = out
    return result


@torch.library.custom_op("gnnctl::attention_sum", mutates_args=())
def _attention_sum(
    colptr: Tensor,
    row: Tensor,
    x: Tensor,
    src: Tensor,
    dst: Tensor,
    edge: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    negative_slope: float,
) -> tuple[Tensor, Tensor]:
    """Also (D, 2, H): the largest score, and one over the sum of exponentials; empty where torch does the work."""
    dtype = compute_dtype(x)
    if x.device.type != "cpu":
        prob = _probabilities(colptr, row, src, dst, edge, negative_slope)
        return fallback.spmm(colptr, row, x, prob.to(x.dtype), False), x.new_zeros(_stats(colptr, x), dtype=dtype)
    values, attended = _attended(x, src, dst, edge, negative_slope)
    out = new_result((colptr.shape[0] - 1, *x.shape[1:]), x.dtype)
    stats = torch.empty(_stats(colptr, x), dtype=dtype)
    edges = native_edges(colptr, row, values.shape[0])
    _native.attention_sum(edges, attended, array(out), array(stats), torch.get_num_threads())
    return out, stats


def _stats(colptr: Tensor, x: Tensor) -> tuple[int, int, int]:
    return colptr.shape[0] - 1, 2, x.shape[1]


def _probabilities(
    colptr: Tensor, row: Tensor, src: Tensor, dst: Tensor, edge: Tensor | None, negative_slope: float
) -> Tensor:
    scores = fallback.attention_scores(colptr, row, src, dst, edge, row.shape[0])
    return fallback.softmax(colptr, torch.nn.functional.leaky_relu(scores, negative_slope))


def _attended(
    x: Tensor, src: Tensor, dst: Tensor, edge: Tensor | None, negative_slope: float
) -> tuple[Tensor, _native.Attended]:
    values = x.detach().contiguous()
    parts = [array_or_none(as_float(t, compute_dtype(x))) for t in (src, dst, edge)]
    return values, _native.Attended(array(values), parts[0], parts[1], parts[2], negative_slope)


@_attention_sum.register_fake
def _(
    colptr: Tensor,
    row: Tensor,
    x: Tensor,
    src: Tensor,
    dst: Tensor,
    edge: Tensor | None,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
    negative_slope: float,
) -> tuple[Tensor, Tensor]:
    stats = x.new_empty(_stats(colptr, x), dtype=compute_dtype(x))
    return x.new_empty((colptr.shape[0] - 1, *x.shape[1:])), stats


@torch.library.custom_op("gnnctl::attention_sum_backward", mutates_args=())
def _attention_sum_backward(
    colptr: Tensor,
    row: Tensor,
    x: Tensor,
    src: Tensor,
    dst: Tensor,
    edge: Tensor | None,
    stats: Tensor,
    grad: Tensor,
    negative_slope: float,
) -> tuple[Tensor, Tensor]:
    """(2, E, H): probabilities, and gradients of the scores before leaky_relu; (D, H): sums of those."""
    if x.device.type != "cpu":
        prob = _probabilities(colptr, row, src, dst, edge, negative_slope)
        by_prob = fallback.sddmm(colptr, row, grad, x, prob, False)
        by_edge = fallback.softmax_backward(colptr, prob, by_prob)
        scores = fallback.attention_scores(colptr, row, src, dst, edge, row.shape[0])
        by_edge = torch.where(scores > 0, by_edge, by_edge * negative_slope)
        return torch.stack([prob, by_edge]), fallback.spmm(colptr, None, by_edge, None, False)
    dtype = compute_dtype(x)
    values, attended = _attended(x, src, dst, edge, negative_slope)
    arriving = grad.detach().to(x.dtype).contiguous()
    both = new_result((2, row.shape[0], x.shape[1]), dtype)
    by_dst = torch.empty((colptr.shape[0] - 1, x.shape[1]), dtype=dtype)
    edges = native_edges(colptr, row, values.shape[0])
    results = array(both), array(by_dst)
    _native.attention_sum_backward(edges, attended, array(arriving), array(stats), *results, torch.get_num_threads())
    return both, by_dst


@_attention_sum_backward.register_fake
def _(
    colptr: Tensor,
    row: Tensor,
    x: Tensor,
    src: Tensor,
    dst: Tensor,
    edge: Tensor | None,
    stats: Tensor,
    grad: Tensor,
    negative_slope: float,
) -> tuple[Tensor, Tensor]:
    dtype = compute_dtype(x)
    both = x.new_empty((2, row.shape[0], x.shape[1]), dtype=dtype)
    return both, x.new_empty((colptr.shape[0] - 1, x.shape[1]), dtype=dtype)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.negative_slope = inputs
    ctx.save_for_backward(*tensors, output[1])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
    colptr, row, x, src, dst, edge, rowptr, col, perm, stats = ctx.saved_tensors
    needs = ctx.needs_input_grad
    both, by_dst = _attention_sum_backward(colptr, row, x, src, dst, edge, stats, grad, ctx.negative_slope)
    of_x = of_src = None
    if needs[2]:
        of_x = _spmm_backward(colptr, row, grad.to(x.dtype), both[0], rowptr, col, perm, x.shape[0], False)
    if needs[3]:
        of_src = sum_by_source(both[1], row, rowptr, perm, src.shape[0]).to(src.dtype)
    of_dst = by_dst.to(dst.dtype) if needs[4] else None
    of_edge = both[1].to(edge.dtype) if edge is not None and needs[5] else None
    return None, None, of_x, of_src, of_dst, of_edge, None, None, None, None


_attention_sum.register_autograd(_backward, setup_context=_setup)
for _device in ("cpu", "cuda"):
    _attention_sum.register_autocast(_device, torch.float32)
