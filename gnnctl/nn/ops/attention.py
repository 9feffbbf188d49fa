"""Softmax over each destination's edges, and additive attention fused with it."""

from typing import Any

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.native import _native
from gnnctl.nn.ops import device
from gnnctl.nn.ops.checks import (
    array,
    array_or_none,
    as_float,
    check_edges,
    check_floats,
    compute_dtype,
    native_edges,
    new_result,
)
from gnnctl.nn.ops.gather import sum_by_source


def edge_softmax(edge_index: EdgeIndex, scores: Tensor) -> Tensor:
    """Softmax of scores within each destination.

    Args:
        edge_index: E edges.
        scores: (E,) or (E, H) float.

    Returns:
        Probabilities, shaped like the scores.

    Raises:
        TypeError: scores are not floating point.
        ValueError: there is not one row for each edge.
    """
    check_floats(scores=scores)
    check_edges("scores", scores, edge_index.num_edges)
    flat = scores if scores.dim() == 2 else scores.unsqueeze(-1)
    return softmax_rows(edge_index.colptr, flat).view_as(scores)


def softmax_rows(colptr: Tensor, rows: Tensor) -> Tensor:
    """(E, H): of (E, H) rows, the softmax within each destination."""
    prob: Tensor = _attention(colptr, None, None, None, rows, None, None, 1.0)
    return prob


def attention(
    edge_index: EdgeIndex, src: Tensor, dst: Tensor, edge: Tensor | None = None, negative_slope: float = 0.2
) -> Tensor:
    """Attention coefficients of GAT: the softmax of ``leaky_relu(src[row] + dst[col] + edge)``.

    Args:
        edge_index: E edges from S sources to D destinations.
        src: (S, H) scores of sources.
        dst: (D, H) scores of destinations.
        edge: (E, H) scores of edges, or None.
        negative_slope: of the leaky ReLU.

    Returns:
        (E, H), summing to one over each destination's edges.

    Raises:
        TypeError: scores are not floating point.
        ValueError: their shapes do not fit.
    """
    check_floats(src=src, dst=dst, edge=edge)
    if src.dim() != 2 or src.shape[0] != edge_index.num_src:
        raise ValueError(f"src {tuple(src.shape)} has not one row for each of {edge_index.num_src} sources")
    rowptr, _, perm = edge_index.transposed_for(src)
    colptr, row = edge_index.colptr, edge_index.row
    prob: Tensor = _attention(colptr, row, src, dst, edge, rowptr, perm, negative_slope)
    return prob


@torch.library.custom_op("gnnctl::attention", mutates_args=())
def _attention(
    colptr: Tensor,
    row: Tensor | None,
    src: Tensor | None,
    dst: Tensor | None,
    edge: Tensor | None,
    rowptr: Tensor | None,
    perm: Tensor | None,
    negative_slope: float,
) -> Tensor:
    given = next(t for t in (edge, src, dst) if t is not None)
    num_edges = _num_edges(row, edge)
    heads = _check_heads(num_edges, src, dst, edge, colptr.shape[0] - 1)
    if device.elsewhere(given):
        return device.attention(colptr, row, (src, dst, edge), negative_slope, num_edges)
    dtype = compute_dtype(given)
    edges = native_edges(colptr, row, num_edges if src is None else src.shape[0])
    out = new_result((num_edges, heads), dtype)
    _native.attention(
        edges, _native_scores((src, dst, edge), dtype, negative_slope), array(out), torch.get_num_threads()
    )
    return out.to(given.dtype)


def _num_edges(row: Tensor | None, edge: Tensor | None) -> int:
    rows = edge if row is None else row
    if rows is None:
        raise ValueError("edge scores are needed where row is missing")
    return rows.shape[0]


def _native_scores(parts: tuple[Tensor | None, ...], dtype: torch.dtype, slope: float) -> _native.Scores:
    src, dst, edge = (array_or_none(as_float(part, dtype)) for part in parts)
    return _native.Scores(src, dst, edge, slope)


def _check_heads(num_edges: int, src: Tensor | None, dst: Tensor | None, edge: Tensor | None, num_dst: int) -> int:
    check_edges("edge", edge, num_edges)
    if dst is not None and (dst.dim() != 2 or dst.shape[0] != num_dst):
        raise ValueError(f"dst {tuple(dst.shape)} has not one row for each of {num_dst} destinations")
    shapes = {name: t.shape for name, t in (("src", src), ("dst", dst), ("edge", edge)) if t is not None}
    if any(len(shape) != 2 for shape in shapes.values()) or len({shape[1] for shape in shapes.values()}) != 1:
        listed = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise ValueError(f"scores must all be (., H) with the same H, got {listed}")
    return int(next(iter(shapes.values()))[1])


@_attention.register_fake
def _(
    colptr: Tensor,
    row: Tensor | None,
    src: Tensor | None,
    dst: Tensor | None,
    edge: Tensor | None,
    rowptr: Tensor | None,
    perm: Tensor | None,
    negative_slope: float,
) -> Tensor:
    given = next(t for t in (edge, src, dst) if t is not None)
    return given.new_empty((_num_edges(row, edge), given.shape[1]))


@torch.library.custom_op("gnnctl::attention_backward", mutates_args=())
def _attention_backward(
    colptr: Tensor,
    row: Tensor | None,
    src: Tensor | None,
    dst: Tensor | None,
    edge: Tensor | None,
    prob: Tensor,
    grad: Tensor,
    negative_slope: float,
) -> tuple[Tensor, Tensor]:
    """Gradients of each edge's score before leaky_relu, (E, H), and of its sum per destination, (D, H)."""
    num_dst, heads = colptr.shape[0] - 1, prob.shape[1]
    if device.elsewhere(prob):
        return device.attention_backward(colptr, row, (src, dst, edge), prob, grad, negative_slope)
    dtype = compute_dtype(prob)
    edges = native_edges(colptr, row, prob.shape[0] if src is None else src.shape[0])
    out = new_result(prob.shape, dtype)
    grad_dst = torch.empty((num_dst, heads), dtype=dtype)
    _native.attention_backward(
        edges,
        _native_scores((src, dst, edge), dtype, negative_slope),
        array(prob.to(dtype).contiguous()),
        array(grad.to(dtype).contiguous()),
        array(out),
        array(grad_dst),
        torch.get_num_threads(),
    )
    return out.to(prob.dtype), grad_dst.to(prob.dtype)


@_attention_backward.register_fake
def _(
    colptr: Tensor,
    row: Tensor | None,
    src: Tensor | None,
    dst: Tensor | None,
    edge: Tensor | None,
    prob: Tensor,
    grad: Tensor,
    negative_slope: float,
) -> tuple[Tensor, Tensor]:
    return prob.new_empty(prob.shape), prob.new_empty((colptr.shape[0] - 1, prob.shape[1]))


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.negative_slope = inputs
    ctx.save_for_backward(*tensors, output)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    colptr, row, src, dst, edge, rowptr, perm, prob = ctx.saved_tensors
    by_edge, by_dst = _attention_backward(colptr, row, src, dst, edge, prob, grad, ctx.negative_slope)
    by_src = None
    if src is not None and ctx.needs_input_grad[2]:
        by_src = sum_by_source(by_edge, row, rowptr, perm, src.shape[0])
    return (
        None,
        None,
        by_src,
        by_dst if dst is not None and ctx.needs_input_grad[3] else None,
        by_edge if edge is not None and ctx.needs_input_grad[4] else None,
        None,
        None,
        None,
    )


_attention.register_autograd(_backward, setup_context=_setup)
for _device in ("cpu", "cuda"):
    _attention.register_autocast(_device, torch.float32)
