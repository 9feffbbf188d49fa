"""Which kernels are measured: how ours is called, and what else computes the same."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gnnctl.bench.kernel_problem import (
    Kernel,
    Problem,
    Run,
    backward,
    backward_of_both,
    csr,
    edge_bytes,
    forward,
    gather_bytes,
    index_bytes,
    score_bytes,
    value_bytes,
)
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn import ops
from gnnctl.nn.ops.aggregate import Reduce

# -- the same by other means -------------------------------------------------------------------------------------------


def _scatter(reduce: str) -> Callable[[Problem, Tensor], Tensor]:
    """What message passing does without fused kernels: a row for each edge, then a scatter."""
    name = {"max": "amax", "min": "amin"}.get(reduce, reduce)

    def run(p: Problem, x: Tensor) -> Tensor:
        messages = x.index_select(0, p.row)
        out = x.new_zeros(p.edges.num_dst, x.shape[1])
        if reduce == "sum":
            return out.index_add(0, p.col, messages)
        index = p.col.unsqueeze(1).expand_as(messages)
        return out.scatter_reduce(0, index, messages, name, include_self=False)

    return run


def _weighted_scatter(p: Problem, x: Tensor, weight: Tensor) -> Tensor:
    out = x.new_zeros(p.edges.num_dst, x.shape[1])
    return out.index_add(0, p.col, x.index_select(0, p.row) * weight.unsqueeze(1))


def _sparse(reduce: str, weighted: bool = False) -> Callable[[Problem], Run]:
    def make(p: Problem) -> Run:
        matrix = p.csr(weighted)
        if reduce == "sum":
            return lambda: matrix @ p.x
        name = {"max": "amax", "min": "amin"}.get(reduce, reduce)
        return lambda: torch.sparse.mm(matrix, p.x, name)

    return make


def _sparse_backward(weighted: bool = False) -> Callable[[Problem], Run]:
    """The product with the transposed matrix, made beforehand."""

    def make(p: Problem) -> Run:
        rowptr, col, perm = p.edges.transposed()
        values = p.weight[perm] if weighted else torch.ones(len(perm))
        matrix = csr(rowptr, col.long(), values, (p.edges.num_src, p.edges.num_dst))
        return lambda: matrix @ p.grad

    return make


def _softmax(p: Problem, scores: Tensor) -> Tensor:
    index = p.col.unsqueeze(1).expand_as(scores)
    largest = scores.new_zeros(p.edges.num_dst, scores.shape[1]).scatter_reduce(
        0, index, scores.detach(), "amax", include_self=False
    )
    out = (scores - largest.index_select(0, p.col)).exp()
    total = out.new_zeros(p.edges.num_dst, scores.shape[1]).index_add(0, p.col, out)
    return out / total.index_select(0, p.col)


def _attention(p: Problem, src: Tensor) -> Tensor:
    scores = src.index_select(0, p.row) + p.dst.index_select(0, p.col)
    return _softmax(p, torch.nn.functional.leaky_relu(scores, 0.2))


def _segment(reduce: str) -> Callable[[Problem, Tensor], Tensor]:
    def run(p: Problem, values: Tensor) -> Tensor:
        return torch.segment_reduce(values, reduce, offsets=p.edges.colptr, axis=0)

    return run


def _peer_softmax(p: Problem) -> Run:
    from torch_geometric.utils import softmax

    return lambda: softmax(p.scores, ptr=p.edges.colptr)


def _peer_segment(reduce: str) -> Callable[[Problem], Run]:
    def make(p: Problem) -> Run:
        from torch_geometric.utils import segment

        return lambda: segment(p.values, p.edges.colptr, reduce)

    return make


def _torch_csc(p: Problem) -> Run:
    def run() -> Any:
        col, perm = torch.sort(p.coo[1], stable=True)
        colptr = torch.zeros(p.edges.num_dst + 1, dtype=torch.int64)
        colptr[1:] = torch.bincount(col, minlength=p.edges.num_dst).cumsum(0)
        return colptr, p.coo[0][perm], perm

    return run


def _torch_transposed(p: Problem) -> Run:
    def run() -> Any:
        perm = torch.argsort(p.edges.row, stable=True)
        return perm, p.edges.col()[perm], torch.bincount(p.edges.row, minlength=p.edges.num_src).cumsum(0)

    return run


def _transposed(p: Problem) -> Run:
    e = p.edges
    return lambda: EdgeIndex(e.colptr, e.row, e.num_src, e.num_dst, validate=False).transposed()


def _spmm(reduce: Reduce) -> list[Kernel]:
    def ours(p: Problem, x: Tensor) -> Tensor:
        return ops.spmm(p.edges, x, None, reduce)

    unfused, sparse = _scatter(reduce), {"torch.sparse": _sparse(reduce)}
    transposed: dict[str, Callable[[Problem], Run]] = {"torch.sparse": _sparse_backward()} if reduce == "sum" else {}
    return [
        Kernel(f"spmm {reduce}", forward(ours), edge_bytes, sparse | {"torch, unfused": forward(unfused)}),
        Kernel(
            f"spmm {reduce}, backward",
            backward(ours),
            edge_bytes,
            transposed | {"torch, unfused": backward(unfused)},
        ),
    ]


def _segment_kernel(reduce: Reduce) -> Kernel:
    return Kernel(
        f"segment {reduce}",
        forward(lambda p, values: ops.segment_reduce(p.edges.colptr, values, reduce), "values"),
        value_bytes,
        {"torch": forward(_segment(reduce), "values"), "torch-geometric": _peer_segment(reduce)},
    )


def _logsumexp(p: Problem, values: Tensor) -> Tensor:
    index = p.col.unsqueeze(1).expand_as(values)
    largest = values.new_zeros(p.edges.num_dst, values.shape[1]).scatter_reduce(
        0, index, values.detach(), "amax", include_self=False
    )
    shares = (values - largest.index_select(0, p.col)).exp()
    return largest.new_zeros(largest.shape).index_add(0, p.col, shares).log() + largest


def _median(p: Problem, values: Tensor) -> Tensor:
    """By two stable sorts: of the values, then of their destinations."""
    order = values.argsort(stable=True, dim=0)
    order = order.gather(0, p.col[order].argsort(stable=True, dim=0))
    first, count = p.edges.colptr[:-1], torch.diff(p.edges.colptr)
    middle = (first + (count - 1).clamp(min=0) // 2).clamp(max=len(values) - 1)
    return values.gather(0, order[middle]).where((count > 0).unsqueeze(1), 0.0)


def _both(name: str, ours: Any, torchs: Any, of: str, size: Any, **others: Any) -> list[Kernel]:
    return [
        Kernel(name, forward(ours, of), size, {"torch": forward(torchs, of), **others}),
        Kernel(f"{name}, backward", backward(ours, of), size, {"torch": backward(torchs, of)}),
    ]


def _multi(p: Problem, x: Tensor) -> Tensor:
    return torch.stack([_scatter(reduce)(p, x) for reduce in REDUCTIONS], 1)


NUM_MATRICES = 64


def _matrices(p: Problem) -> tuple[Tensor, Tensor]:
    """Rows of sources cut into equal types, and a square matrix for each."""
    ptr = torch.linspace(0, len(p.x), NUM_MATRICES + 1).long()
    width = p.x.shape[1]
    return ptr, torch.rand(NUM_MATRICES, width, width, generator=torch.Generator().manual_seed(2))


def _segment_matmul(p: Problem) -> Run:
    ptr, weight = _matrices(p)
    return lambda: ops.segment_matmul(p.x, ptr, weight)


def _matmul_loop(p: Problem) -> Run:
    ptr, weight = _matrices(p)
    bounds = ptr.tolist()
    parts = list(zip(bounds[:-1], bounds[1:], weight, strict=True))
    return lambda: torch.cat([p.x[first:last] @ matrix for first, last, matrix in parts])


REDUCTIONS: tuple[Reduce, ...] = ("sum", "mean", "max", "min")
KERNELS: tuple[Kernel, ...] = (
    *(kernel for reduce in REDUCTIONS for kernel in _spmm(reduce)),
    Kernel(
        "spmm sum, weighted",
        forward(lambda p, x: ops.spmm(p.edges, x, p.weight)),
        edge_bytes,
        {"torch.sparse": _sparse("sum", weighted=True)},
    ),
    Kernel(
        "spmm sum, weighted, backward",
        backward(lambda p, x: ops.spmm(p.edges, x, p.weight)),
        edge_bytes,
        {"torch.sparse": _sparse_backward(weighted=True)},
    ),
    Kernel(
        "spmm sum, weighted, backward of both",
        backward_of_both(lambda p, x, weight: ops.spmm(p.edges, x, weight)),
        lambda p: edge_bytes(p) + 4 * p.edges.num_edges,
        {"torch, unfused": backward_of_both(_weighted_scatter)},
    ),
    *(_segment_kernel(reduce) for reduce in REDUCTIONS),
    *_both(
        "edge softmax",
        lambda p, scores: ops.edge_softmax(p.edges, scores),
        _softmax,
        "scores",
        score_bytes,
        **{"torch-geometric": _peer_softmax},
    ),
    *_both(
        "segment softmax",
        lambda p, values: ops.segment_softmax(p.edges.colptr, values),
        _softmax,
        "values",
        gather_bytes,
    ),
    *_both(
        "segment log-sum-exp",
        lambda p, values: ops.segment_logsumexp(p.edges.colptr, values),
        _logsumexp,
        "values",
        value_bytes,
    ),
    *_both(
        "segment median",
        lambda p, values: ops.segment_reduce(p.edges.colptr, values, "median"),
        _median,
        "values",
        value_bytes,
    ),
    *_both("attention", lambda p, src: ops.attention(p.edges, src, p.dst), _attention, "src", score_bytes),
    *_both(
        "gather",
        lambda p, x: ops.gather_src(p.edges, x),
        lambda p, x: x.index_select(0, p.row),
        "x",
        gather_bytes,
    ),
    *_both(
        "multi-aggregation, four reductions",
        lambda p, x: ops.multi_aggregate(p.edges, x, None, REDUCTIONS),
        _multi,
        "x",
        lambda p: edge_bytes(p) + 12 * p.grad.numel(),
    ),
    Kernel(
        f"matrices of {NUM_MATRICES} types",
        _segment_matmul,
        lambda p: 4 * (2 * p.x.numel() + NUM_MATRICES * p.x.shape[1] ** 2),
        {"torch, a loop": _matmul_loop},
        lambda p: 2 * p.x.numel() * p.x.shape[1],
    ),
    Kernel(
        "edge dot products",
        forward(lambda p, x: ops.sddmm(p.edges, p.grad, x)),
        lambda p: 4 * (p.edges.num_edges * (p.x.shape[1] + 2) + p.grad.numel()),
        {"torch": forward(lambda p, x: (p.grad.index_select(0, p.col) * x.index_select(0, p.row)).sum(-1))},
    ),
    Kernel("transposed view", _transposed, index_bytes, {"torch": _torch_transposed}),
    Kernel(
        "csc build",
        lambda p: lambda: EdgeIndex.from_coo(p.coo, p.edges.num_src, p.edges.num_dst),
        index_bytes,
        {"torch": _torch_csc},
    ),
)
