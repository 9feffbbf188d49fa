"""The operators in plain torch operations, for devices without native kernels (and as a check of those)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def destinations(colptr: Tensor, num_edges: int) -> Tensor:
    """(E,) int64 destination of each edge."""
    count = torch.diff(colptr)
    return torch.repeat_interleave(torch.arange(count.shape[0], device=colptr.device), count, output_size=num_edges)


def _times(values: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return values
    return values * weight.reshape(*weight.shape, *[1] * (values.dim() - weight.dim()))


def _segment(colptr: Tensor, values: Tensor, reduce: str) -> Tensor:
    if values.shape[0] == 0 or values.numel() == 0:
        return values.new_zeros((colptr.shape[0] - 1, *values.shape[1:]))
    flat = values.reshape(values.shape[0], values.shape[1:].numel()).contiguous()
    out = torch.segment_reduce(flat, reduce, offsets=colptr, axis=0, initial=0 if reduce == "sum" else None)
    return out.reshape(colptr.shape[0] - 1, *values.shape[1:])


def expand(colptr: Tensor, values: Tensor, num_edges: int) -> Tensor:
    """(E, ...): each destination's row repeated for its edges."""
    return values.index_select(0, destinations(colptr, num_edges))


def spmm(colptr: Tensor, row: Tensor | None, x: Tensor, weight: Tensor | None, mean: bool) -> Tensor:
    """Sum or mean of ``weight * x[row]`` per destination."""
    out = _segment(colptr, _times(x if row is None else x.index_select(0, row), weight), "sum")
    if mean:
        degree = torch.diff(colptr).clamp(min=1).to(out.dtype)
        out = out / degree.view(-1, *[1] * (out.dim() - 1))
    return out.to(x.dtype)


def _scale_mean(colptr: Tensor, grad: Tensor) -> Tensor:
    return grad / torch.diff(colptr).clamp(min=1).to(grad.dtype).view(-1, *[1] * (grad.dim() - 1))


def _sum_by_source(messages: Tensor, row: Tensor, num_src: int) -> Tensor:
    """Edges are brought into source order, so that no atomics are needed."""
    order = torch.argsort(row, stable=True)
    rowptr = torch.zeros(num_src + 1, dtype=torch.int64, device=row.device)
    rowptr[1:] = torch.bincount(row, minlength=num_src).cumsum(0)
    return _segment(rowptr, messages.index_select(0, order), "sum")


def spmm_backward(
    colptr: Tensor, row: Tensor | None, grad: Tensor, weight: Tensor | None, num_src: int, mean: bool
) -> Tensor:
    """Gradient of the sum or mean for x."""
    messages = expand(colptr, _scale_mean(colptr, grad) if mean else grad, num_src if row is None else row.shape[0])
    return messages if row is None else _sum_by_source(_times(messages, weight), row, num_src).to(grad.dtype)


def sddmm(colptr: Tensor, row: Tensor, grad: Tensor, x: Tensor, weight: Tensor, mean: bool) -> Tensor:
    """Gradient of the sum or mean for the weights, shaped like them."""
    messages = expand(colptr, _scale_mean(colptr, grad) if mean else grad, row.shape[0])
    return (messages * x.index_select(0, row)).flatten(weight.dim()).sum(-1).to(weight.dtype)


def aggregate(
    colptr: Tensor, row: Tensor | None, x: Tensor, weight: Tensor | None, reduces: list[str], ranks: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Several reductions, (D, R, ...); the mean, and, if wanted, the ranks of the edges that the extremes chose."""
    messages = _times(x if row is None else x.index_select(0, row), weight)
    total = _segment(colptr, messages, "sum")
    average = _scale_mean(colptr, total)
    found = {"sum": total, "mean": average}
    # An operator's results may not share memory, not even none.
    least, most = (average.new_empty((0,), dtype=torch.int32) for _ in range(2))
    if "min" in reduces:
        found["min"], least = extremum(colptr, messages, True)
    if "max" in reduces:
        found["max"], most = extremum(colptr, messages, False)
    if "var" in reduces or "std" in reduces:
        away = messages - expand(colptr, average, messages.shape[0])
        found["var"] = _scale_mean(colptr, _segment(colptr, away * away, "sum"))
        found["std"] = torch.where(found["var"] <= 1e-5, 0.0, found["var"].clamp(min=1e-5).sqrt())
    else:
        average = average.new_empty((0,))
    if not ranks:
        least, most = (average.new_empty((0,), dtype=torch.int32) for _ in range(2))
    return torch.stack([found[name] for name in reduces], 1).to(x.dtype), average, least, most


def aggregate_backward(
    colptr: Tensor,
    row: Tensor | None,
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    saved: tuple[Tensor, Tensor, Tensor, Tensor],
    reduces: list[str],
) -> tuple[Tensor, Tensor]:
    """Gradients of :func:`aggregate` for x and for the weights."""
    out, average, least, most = saved
    features = x if row is None else x.index_select(0, row)
    messages, num_edges = _times(features, weight), features.shape[0]
    rank = (torch.arange(num_edges, device=x.device) - expand(colptr, colptr[:-1], num_edges)).view(
        -1, *[1] * (x.dim() - 1)
    )
    by_message = torch.zeros_like(messages)
    for i, name in enumerate(reduces):
        part = grad[:, i]
        if name == "std":
            part = torch.where(out[:, i] > 0, part / (2 * out[:, i]), 0.0)
        if name in ("mean", "var", "std"):
            part = _scale_mean(colptr, part)
        part = expand(colptr, part, num_edges)
        if name in ("var", "std"):
            part = 2 * part * (messages - expand(colptr, average, num_edges))
        if name in ("min", "max"):
            part = part * (expand(colptr, least if name == "min" else most, num_edges) == rank)
        by_message = by_message + part
    if row is None:
        return by_message.to(x.dtype), x.new_empty((0,))
    by_source = _sum_by_source(_times(by_message, weight), row, x.shape[0]).to(x.dtype)
    if weight is None:
        return by_source, x.new_empty((0,))
    return by_source, (by_message * features).flatten(weight.dim()).sum(-1).to(weight.dtype)


def extremum(colptr: Tensor, messages: Tensor, minimum: bool) -> tuple[Tensor, Tensor]:
    """Maximum or minimum per destination, and the rank of the first edge that reaches it (-1 without edges)."""
    num_dst, num_edges = colptr.shape[0] - 1, messages.shape[0]
    shape = (num_dst, *messages.shape[1:])
    if num_edges == 0 or messages.numel() == 0:
        return messages.new_zeros(shape), torch.full(shape, -1, dtype=torch.int32, device=messages.device)
    target = destinations(colptr, num_edges)
    index = target.view(-1, *[1] * (messages.dim() - 1)).expand_as(messages)
    worst = torch.full(shape, float("inf") if minimum else -float("inf"), dtype=messages.dtype, device=messages.device)
    best = worst.scatter_reduce(0, index, messages, "amin" if minimum else "amax")
    rank = torch.arange(num_edges, device=messages.device) - colptr.index_select(0, target)
    reached = best.index_select(0, target)
    reached = (messages == reached) | (messages.isnan() & reached.isnan())
    chosen = torch.where(reached, rank.view(-1, *[1] * (messages.dim() - 1)), num_edges)
    arg = torch.full(shape, num_edges, device=messages.device).scatter_reduce(0, index, chosen, "amin")
    empty = (torch.diff(colptr) == 0).view(-1, *[1] * (messages.dim() - 1))
    return best.masked_fill(empty, 0), arg.masked_fill(empty, -1).to(torch.int32)


def attention_scores(
    colptr: Tensor, row: Tensor | None, src: Tensor | None, dst: Tensor | None, edge: Tensor | None, num_edges: int
) -> Tensor:
    """(E, H) sum of the source's, the destination's and the edge's score."""
    parts = [] if edge is None else [edge]
    if src is not None and row is not None:
        parts.append(src.index_select(0, row))
    if dst is not None:
        parts.append(expand(colptr, dst, num_edges))
    return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]


def softmax(colptr: Tensor, scores: Tensor) -> Tensor:
    """Softmax of (E, H) scores within each destination."""
    if scores.shape[0] == 0:
        return scores.clone()
    target = destinations(colptr, scores.shape[0])
    index = target[:, None].expand_as(scores)
    shape = (colptr.shape[0] - 1, scores.shape[1])
    most = torch.full(shape, -float("inf"), dtype=scores.dtype, device=scores.device)
    most = most.scatter_reduce(0, index, scores, "amax")
    value = (scores - most.index_select(0, target)).exp()
    return value / _segment(colptr, value, "sum").index_select(0, target)


def softmax_backward(colptr: Tensor, prob: Tensor, grad: Tensor) -> Tensor:
    """Gradient of :func:`softmax` for the scores."""
    mixed = _segment(colptr, prob * grad, "sum")
    return prob * (grad - expand(colptr, mixed, prob.shape[0]))


def logsumexp(colptr: Tensor, values: Tensor) -> Tensor:
    """Log of the sum of exponentials per destination, minus infinity without edges."""
    most, _ = extremum(colptr, values, False)
    shift = torch.where(most.isfinite(), most, 0.0)
    total = _segment(colptr, (values - expand(colptr, shift, values.shape[0])).exp(), "sum")
    return total.log() + shift


def logsumexp_backward(colptr: Tensor, values: Tensor, result: Tensor, grad: Tensor) -> Tensor:
    """Gradient of :func:`logsumexp` for the values."""
    share = (values - expand(colptr, result, values.shape[0])).exp()
    return expand(colptr, grad, values.shape[0]) * share.masked_fill(values == -float("inf"), 0)


def product(colptr: Tensor, values: Tensor) -> Tensor:
    """Product per destination, one without edges."""
    target = destinations(colptr, values.shape[0]).view(-1, *[1] * (values.dim() - 1)).expand_as(values)
    ones = values.new_ones((colptr.shape[0] - 1, *values.shape[1:]))
    return ones.scatter_reduce(0, target, values, "prod")


def product_backward(colptr: Tensor, values: Tensor, grad: Tensor) -> Tensor:
    """Gradient of :func:`product`: the product of a destination's other values, by which of them are zero."""
    num_edges = values.shape[0]
    zero = values == 0
    zeros = expand(colptr, _segment(colptr, zero.to(values.dtype), "sum"), num_edges)
    others = expand(colptr, product(colptr, values.masked_fill(zero, 1)), num_edges)
    others = torch.where(zero, others, others / values.masked_fill(zero, 1))
    return expand(colptr, grad, num_edges) * others.masked_fill(zeros - zero.to(values.dtype) > 0, 0)


def _between(count: Tensor, q: float, interpolation: str) -> tuple[Tensor, Tensor, Tensor]:
    point = q * (count - 1).clamp(min=0).double()
    low, high = point.floor(), point.ceil()
    if interpolation == "nearest":
        low = high = point.round()
    elif interpolation == "lower":
        high = low
    elif interpolation == "higher":
        low = high
    share = (high > low) * 0.5 if interpolation == "midpoint" else torch.where(high > low, point - low, 0.0)
    return low.long(), high.long(), share


def quantile(colptr: Tensor, values: Tensor, q: Sequence[float], interpolation: str) -> tuple[Tensor, Tensor]:
    """Quantiles per destination, (D, Q, ...), and the rows they lie between, (D, Q, 2, ...), -1 without edges."""
    count, shape = torch.diff(colptr), (colptr.shape[0] - 1, len(q))
    if values.numel() == 0:
        rank = torch.full((*shape, 2, *values.shape[1:]), -1, dtype=torch.int32, device=values.device)
        return values.new_zeros((*shape, *values.shape[1:])), rank
    target = destinations(colptr, values.shape[0])
    order = values.argsort(dim=0, stable=True)
    order = order.gather(
        0, target.view(-1, *[1] * (values.dim() - 1)).expand_as(values).gather(0, order).argsort(dim=0, stable=True)
    )
    empty, out, ranks = (count == 0).view(-1, *[1] * (values.dim() - 1)), [], []
    for one in q:
        low, high, share = _between(count, one, interpolation)
        first, second = (order[(colptr[:-1] + at).clamp(max=values.shape[0] - 1)] for at in (low, high))
        a, b = values.gather(0, first), values.gather(0, second)
        share = share.to(values.dtype).view_as(empty)
        out.append(torch.where(share > 0, a + (b - a) * share, a).masked_fill(empty, 0))
        start = colptr[:-1].view_as(empty)
        ranks.append(torch.stack([(at - start).masked_fill(empty, -1) for at in (first, second)], 1))
    return torch.stack(out, 1), torch.stack(ranks, 1).to(torch.int32)


def quantile_backward(
    colptr: Tensor, grad: Tensor, rank: Tensor, q: Sequence[float], interpolation: str, num_edges: int
) -> Tensor:
    """Gradient of :func:`quantile` for the values."""
    out, count = grad.new_zeros((num_edges, *grad.shape[2:])), torch.diff(colptr)
    if out.numel() == 0:
        return out
    start = colptr[:-1].view(-1, *[1] * (out.dim() - 1))
    for i, one in enumerate(q):
        share = _between(count, one, interpolation)[2].to(grad.dtype).view_as(start)
        for side, weight in enumerate((1 - share, share)):
            at = rank[:, i, side].long()
            out.scatter_add_(0, (start + at).clamp(0, num_edges - 1), torch.where(at >= 0, grad[:, i] * weight, 0))
    return out
