"""A kernel's line in the benchmark: the problem it is given, the bytes that must pass, and what is measured of it.

A kernel's bytes are what it reads and writes when nothing stays in the caches: a source row for each edge, indices,
and the output. A graph whose features fit the caches may therefore come out above the machine's stream bandwidth.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.graph import Graph

Run = Callable[[], Any]


@dataclass(frozen=True)
class Problem:
    """One edge type and random values; shapes as in :mod:`gnnctl.nn.ops`."""

    edges: EdgeIndex
    row: Tensor  # (E,) int64, as torch's own operators want it
    col: Tensor
    coo: Tensor
    x: Tensor
    weight: Tensor
    values: Tensor
    scores: Tensor
    src: Tensor
    dst: Tensor
    grad: Tensor

    @classmethod
    def of(cls, graph: Graph, width: int, heads: int, seed: int) -> "Problem":
        """The graph's edge type with most edges; float32."""
        edge_type, store = max(graph.edges.items(), key=lambda item: item[1].num_edges)
        num_src, num_dst = graph.num_nodes(edge_type.src), graph.num_nodes(edge_type.dst)
        colptr, row = (torch.from_numpy(np.array(a)) for a in (store.colptr, store.row))
        edges = EdgeIndex(colptr, row, num_src, num_dst)
        edges.transposed()
        edges.col()
        generator = torch.Generator().manual_seed(seed)
        rand = partial(torch.rand, generator=generator)
        shuffled = edges.coo()[:, torch.randperm(edges.num_edges, generator=generator)].contiguous()
        return cls(
            edges=edges,
            row=edges.row.long(),
            col=edges.col().long(),
            coo=shuffled,
            x=rand(num_src, width),
            weight=rand(edges.num_edges),
            values=rand(edges.num_edges, width),
            scores=rand(edges.num_edges, heads),
            src=rand(num_src, heads),
            dst=rand(num_dst, heads),
            grad=rand(num_dst, width),
        )

    def csr(self, weighted: bool = False) -> Tensor:
        """(D, S), as torch.sparse has it."""
        values = self.weight if weighted else torch.ones(self.edges.num_edges)
        size = (self.edges.num_dst, self.edges.num_src)
        return csr(self.edges.colptr, self.row, values, size)


@dataclass(frozen=True)
class Kernel:
    """One line of the table. Making a side (outside the measurement) gives the function that is measured.

    ``operations``: multiplications and additions of a matrix product; None for what memory bounds.
    """

    name: str
    ours: Callable[[Problem], Run]
    bytes: Callable[[Problem], int]
    others: dict[str, Callable[[Problem], Run]] = field(default_factory=dict)
    operations: Callable[[Problem], int] | None = None


def csr(rowptr: Tensor, col: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(rowptr, col, values, size, check_invariants=True)


def edge_bytes(p: Problem) -> int:
    """Rows of sources along the edges, indices, and rows of destinations."""
    width = p.x.shape[1]
    return 4 * (p.edges.num_edges * (width + 1) + p.edges.num_dst * (width + 2))


def value_bytes(p: Problem) -> int:
    return 4 * (p.values.numel() + p.edges.num_dst * (p.values.shape[1] + 2))


def score_bytes(p: Problem) -> int:
    return 4 * (2 * p.scores.numel() + 2 * p.edges.num_dst)


def index_bytes(p: Problem) -> int:
    return 8 * (2 * p.edges.num_edges) + 12 * p.edges.num_edges


def gather_bytes(p: Problem) -> int:
    return 4 * (2 * p.values.numel() + p.edges.num_edges)


def backward(forward: Callable[[Problem, Tensor], Tensor], of: str = "x") -> Callable[[Problem], Run]:
    """The backward pass alone, for the input ``of``; the graph of the forward pass is kept."""

    def make(p: Problem) -> Run:
        given = getattr(p, of).clone().requires_grad_()
        out = forward(p, given)
        seeded = torch.Generator().manual_seed(1)
        gradient = p.grad if out.shape == p.grad.shape else torch.rand(out.shape, generator=seeded)
        return lambda: torch.autograd.grad(out, given, gradient, retain_graph=True)

    return make


def backward_of_both(forward: Callable[[Problem, Tensor, Tensor], Tensor]) -> Callable[[Problem], Run]:
    """The backward pass alone, for the features and the edge weights."""

    def make(p: Problem) -> Run:
        x, weight = p.x.clone().requires_grad_(), p.weight.clone().requires_grad_()
        out = forward(p, x, weight)
        return lambda: torch.autograd.grad(out, (x, weight), p.grad, retain_graph=True)

    return make


def forward(forward: Callable[[Problem, Tensor], Tensor], of: str = "x") -> Callable[[Problem], Run]:
    return lambda p: lambda: forward(p, getattr(p, of))
