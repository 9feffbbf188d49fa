"""The operators in plain torch operations, for devices without native kernels (and as a check of those)."""

import torch
from torch import Tensor


def destinations(colptr: Tensor, num_edges: int) -> Tensor:
    """(E,) int64 destination of each edge."""
    count = torch.diff(colptr)
    return torch.repeat_interleave(torch.arange(len(count), device=colptr.device), count, output_size=num_edges)


def _times(values: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return values
    return values * weight.reshape(*weight.shape, *[1] * (values.dim() - weight.dim()))


def _segment(colptr: Tensor, values: Tensor, reduce: str) -> Tensor:
    if values.shape[0] == 0 or values.numel() == 0:
        return values.new_zeros((colptr.shape[0] - 1, *values.shape[1:]))
    flat = values.reshape(values.shape[0], -1).contiguous()
    out = torch.segment_reduce(flat, reduce, offsets=colptr, axis=0, initial=0 if reduce == "sum" else None)
    return out.reshape(-1, *values.shape[1:])


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


def spmm_backward(colptr: Tensor, row: Tensor, grad: Tensor, weight: Tensor | None, num_src: int) -> Tensor:
    """Gradient of the sum for x; edges are brought into source order, so that no atomics are needed."""
    order = torch.argsort(row, stable=True)
    rowptr = torch.zeros(num_src + 1, dtype=torch.int64, device=row.device)
    rowptr[1:] = torch.bincount(row, minlength=num_src).cumsum(0)
    messages = _times(grad.index_select(0, destinations(colptr, row.shape[0])), weight)
    return _segment(rowptr, messages.index_select(0, order), "sum").to(grad.dtype)


def sddmm(
    colptr: Tensor, row: Tensor, grad: Tensor, x: Tensor, weight: Tensor, arg: Tensor | None, mean: bool
) -> Tensor:
    """Gradient of the aggregation for the weights, shaped like them."""
    target = destinations(colptr, row.shape[0])
    if mean:
        grad = grad / torch.diff(colptr).clamp(min=1).to(grad.dtype).view(-1, *[1] * (grad.dim() - 1))
    product = grad.index_select(0, target) * x.index_select(0, row)
    if arg is not None:
        rank = torch.arange(row.shape[0], device=row.device) - colptr.index_select(0, target)
        product = product * (arg.index_select(0, target) == rank.view(-1, *[1] * (arg.dim() - 1)))
    return product.flatten(weight.dim()).sum(-1).to(weight.dtype)


def extremum(
    colptr: Tensor, row: Tensor | None, x: Tensor, weight: Tensor | None, minimum: bool
) -> tuple[Tensor, Tensor]:
    """Maximum or minimum per destination, and the rank of the first edge that reaches it (-1 without edges)."""
    messages = _times(x if row is None else x.index_select(0, row), weight)
    num_dst, num_edges = colptr.shape[0] - 1, messages.shape[0]
    shape = (num_dst, *x.shape[1:])
    if num_edges == 0 or messages.numel() == 0:
        return x.new_zeros(shape), torch.full(shape, -1, dtype=torch.int32, device=x.device)
    target = destinations(colptr, num_edges)
    index = target.view(-1, *[1] * (messages.dim() - 1)).expand_as(messages)
    worst = torch.full(shape, float("inf") if minimum else -float("inf"), dtype=messages.dtype, device=x.device)
    best = worst.scatter_reduce(0, index, messages, "amin" if minimum else "amax")
    rank = torch.arange(num_edges, device=x.device) - colptr.index_select(0, target)
    chosen = torch.where(
        messages == best.index_select(0, target), rank.view(-1, *[1] * (messages.dim() - 1)), num_edges
    )
    arg = torch.full(shape, num_edges, device=x.device).scatter_reduce(0, index, chosen, "amin")
    empty = (torch.diff(colptr) == 0).view(-1, *[1] * (messages.dim() - 1))
    return best.masked_fill(empty, 0).to(x.dtype), arg.masked_fill(empty, -1).to(torch.int32)


def extremum_backward(
    colptr: Tensor, row: Tensor | None, grad: Tensor, arg: Tensor, weight: Tensor | None, num_src: int
) -> Tensor:
    """Gradient of the extremum for x: each destination's goes to the edge it chose."""
    num_edges = num_src if row is None else row.shape[0]
    if num_edges == 0:
        return grad.new_zeros((num_src, *grad.shape[1:]))
    position = (colptr[:-1].view(-1, *[1] * (grad.dim() - 1)) + arg).clamp(0, num_edges - 1)
    by_edge = grad.new_zeros((num_edges, *grad.shape[1:]))
    by_edge.scatter_add_(0, position, torch.where(arg >= 0, grad, 0))
    if row is None:
        return by_edge
    order = torch.argsort(row, stable=True)
    rowptr = torch.zeros(num_src + 1, dtype=torch.int64, device=row.device)
    rowptr[1:] = torch.bincount(row, minlength=num_src).cumsum(0)
    return _segment(rowptr, _times(by_edge, weight).index_select(0, order), "sum").to(grad.dtype)


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
