"""Softmax over each destination's edges on a device, and attention fused with the sum that it weighs."""

from typing import Any

import torch
from torch import Tensor

from gnnctl.nn.ops import fallback
from gnnctl.nn.ops.device.kernels import Kernels, factors, kernels_for, ready

Parts = tuple[Tensor | None, Tensor | None, Tensor | None]  # scores of sources, of destinations, of edges


def attention(colptr: Tensor, row: Tensor | None, parts: Parts, slope: float, num_edges: int) -> Tensor:
    """(E, H): the softmax of ``leaky_relu`` of the parts' sum within each destination."""
    given = next(part for part in parts if part is not None)
    kernels = kernels_for(given)
    if kernels is None:
        scores = fallback.attention_scores(colptr, row, *parts, num_edges)
        return fallback.softmax(colptr, torch.nn.functional.leaky_relu(scores, slope))
    out = given.new_empty((num_edges, given.shape[1]))
    scores, _ = _scores(kernels, colptr, row, parts, slope, num_edges)
    kernels.module.softmax(kernels.place(given), scores, kernels.array(out))
    return out


def attention_backward(
    colptr: Tensor, row: Tensor | None, parts: Parts, prob: Tensor, grad: Tensor, slope: float
) -> tuple[Tensor, Tensor]:
    """Gradients of each edge's score before leaky_relu, (E, H), and of its sum per destination, (D, H)."""
    kernels = kernels_for(prob)
    if kernels is None:
        by_edge = fallback.softmax_backward(colptr, prob, grad)
        if slope != 1.0:
            scores = fallback.attention_scores(colptr, row, *parts, prob.shape[0])
            by_edge = torch.where(scores > 0, by_edge, by_edge * slope)
        return by_edge, fallback.spmm(colptr, None, by_edge, None, False)
    out, by_dst = torch.empty_like(prob), prob.new_empty((colptr.shape[0] - 1, prob.shape[1]))
    scores, _ = _scores(kernels, colptr, row, parts, slope, prob.shape[0])
    given = (kernels.array(tensor) for tensor in (ready(prob), ready(grad.to(prob.dtype)), out, by_dst))
    kernels.module.softmax_backward(kernels.place(prob), scores, *given)
    return out, by_dst


def attend(
    kernels: Kernels, colptr: Tensor, row: Tensor, parts: Parts, x: Tensor, slope: float
) -> tuple[Tensor, Tensor, Tensor]:
    """(D, H, F) sums of ``x`` (S, H, F) weighed by :func:`attention`; (D, H) largest scores, softmax scales."""
    x, shape = ready(x), (colptr.shape[0] - 1, x.shape[1])
    out = x.new_empty((*shape, x.shape[2]))
    peak, scale = (x.new_empty(shape, dtype=torch.float32) for _ in range(2))
    scores, edges = _scores(kernels, colptr, row, parts, slope, row.shape[0], x.shape[0])
    given = (kernels.array(tensor) for tensor in (x, out, peak, scale))
    kernels.module.attend(kernels.place(x), edges, scores, *given)
    return out, peak, scale


def attend_backward(
    kernels: Kernels,
    colptr: Tensor,
    row: Tensor,
    parts: Parts,
    x: Tensor,
    saved: tuple[Tensor, Tensor, Tensor],
    grad: Tensor,
    slope: float,
) -> tuple[Tensor, Tensor]:
    """(E, H) float32: the probabilities again, and the gradient of each edge's score before leaky_relu."""
    out, peak, scale = saved
    x = ready(x)
    prob, by_score = (x.new_empty((row.shape[0], x.shape[1]), dtype=torch.float32) for _ in range(2))
    scores, edges = _scores(kernels, colptr, row, parts, slope, row.shape[0], x.shape[0])
    given = (kernels.array(tensor) for tensor in (x, out, ready(grad), peak, scale, prob, by_score))
    kernels.module.attend_backward(kernels.place(x), edges, scores, *given)
    return prob, by_score


def _scores(
    kernels: Kernels,
    colptr: Tensor,
    row: Tensor | None,
    parts: Parts,
    slope: float,
    num_edges: int,
    num_src: int | None = None,
) -> tuple[Any, Any]:
    dtype = next(part.dtype for part in parts if part is not None)
    src, dst, edge = (factors(None if part is None else part.to(dtype)) for part in parts)
    if num_src is None:
        num_src = num_edges if src is None else src.shape[0]
    edges = kernels.edges(colptr, row, num_src)
    return kernels.module.Scores(edges, *(kernels.maybe(part) for part in (src, dst, edge)), slope), edges
