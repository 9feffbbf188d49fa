"""Adjacency matrices as layers multiply by them: edges, and a factor for each node where they are normalised."""

from typing import NamedTuple

import torch
from torch import Tensor

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.message_passing import Pair, masked
from gnnctl.nn.ops import segment_reduce, spmm


class Adjacency(NamedTuple):
    """The matrix ``diag(dst) A diag(src) + diag(own)``, D x S, where ``own`` stands for the loops that were added.

    ``edge_index`` with ``weight`` (E,) is A; ``src`` (S,), ``dst`` (D,), ``own`` (D,). None is a factor of one, and of
    ``own`` zero.
    """

    edge_index: EdgeIndex
    weight: Tensor | None = None
    src: Tensor | None = None
    dst: Tensor | None = None
    own: Tensor | None = None


def normalized(
    edge_index: EdgeIndex,
    edge_weight: Tensor | None = None,
    edge_mask: Tensor | None = None,
    degree: Degrees | None = None,
    *,
    self_loops: bool,
    homogeneous: bool = True,
    loop_weight: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> Adjacency:
    r""":math:`\hat D^{-1/2} \hat A \hat D^{-1/2}`, with :math:`\hat A = A + cI` or A itself, as GCN has it.

    With loops, a node that has an edge from itself keeps that one and gets no other; of several edges from itself all
    count. A destination whose in-edges were sampled has its sum scaled up by how many were left out, so that its
    expectation is the exact one. A node of degree 0 has a factor of 0.

    Args:
        edge_index: E edges.
        edge_weight: (E,), or None for ones.
        edge_mask: (E,) multiplies the messages, but counts in no degree.
        degree: in the whole graph; None takes the edges for the whole graph.
        self_loops: whether a node takes part in its own sum.
        homogeneous: whether sources and destinations are the same nodes, so that both have the in-degree; else a
            source has its out-degree.
        loop_weight: c, of the loops that are added.
        dtype: of the features; the factors are of this dtype, or float32 where it is narrower.
    """
    if degree is None:
        degree = own_degrees(edge_index, edge_weight, homogeneous=homogeneous, loops=self_loops)
    dtype = torch.promote_types(dtype, torch.float32)
    added_src, added_dst = (
        _added(part) * loop_weight if self_loops else 0.0 for part in (degree.src_loop, degree.dst_loop)
    )
    src = inverse_root(degree.src.to(dtype) + added_src)
    dst = inverse_root(degree.dst.to(dtype) + added_dst)
    own = dst.square() * added_dst if self_loops else None
    return Adjacency(
        edge_index, masked(edge_weight, edge_mask), src, dst * unsampled(degree, edge_index).to(dtype), own
    )


def adjacency(
    x: Pair,
    edge_index: EdgeIndex,
    edge_weight: Tensor | None = None,
    edge_mask: Tensor | None = None,
    degree: Degrees | None = None,
    *,
    self_loops: bool,
    normalize: bool = True,
    loop_weight: float = 1.0,
) -> Adjacency:
    """:func:`normalized` for the features x, or :func:`plain`; a pair without loops is taken for two types of nodes."""
    if not normalize:
        return plain(edge_index, edge_weight, edge_mask)
    return normalized(
        edge_index,
        edge_weight,
        edge_mask,
        degree,
        self_loops=self_loops,
        homogeneous=self_loops or not isinstance(x, tuple),
        loop_weight=loop_weight,
        dtype=x[0].dtype if isinstance(x, tuple) else x.dtype,
    )


def averaged(
    edge_index: EdgeIndex,
    edge_weight: Tensor | None = None,
    edge_mask: Tensor | None = None,
    degree: Degrees | None = None,
    *,
    diagonal: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Adjacency:
    r""":math:`\hat D^{-1} (A + I)`, the mean over the neighbours and the node itself; loops as in :func:`normalized`.

    Args:
        edge_index: E edges between the same nodes.
        edge_weight: (E,), or None for ones.
        edge_mask: (E,) multiplies the messages, but counts in no degree.
        degree: in the whole graph; None takes the edges for the whole graph.
        diagonal: this much of :math:`\hat D^{-1} I` is added.
        dtype: of the features; the factors are of this dtype, or float32 where it is narrower.
    """
    if degree is None:
        degree = own_degrees(edge_index, edge_weight, homogeneous=True, loops=True)
    dtype = torch.promote_types(dtype, torch.float32)
    added = _added(degree.dst_loop)
    dst = inverse(degree.dst.to(dtype) + added)
    return Adjacency(
        edge_index,
        masked(edge_weight, edge_mask),
        None,
        dst * unsampled(degree, edge_index).to(dtype),
        dst * (added + diagonal),
    )


def plain(edge_index: EdgeIndex, edge_weight: Tensor | None = None, edge_mask: Tensor | None = None) -> Adjacency:
    """The weighted edges as they are."""
    return Adjacency(edge_index, masked(edge_weight, edge_mask))


def times(matrix: Adjacency, source: Tensor, target: Tensor) -> Tensor:
    """(D, F): the matrix times the (S, F) sources, of which ``target`` (D, F) are the destinations' own rows.

    No message and no normalised edge weight is made: a product of rows by factors, and one SpMM.
    """
    if matrix.src is not None:
        source = source * matrix.src.to(source.dtype)[:, None]
    out = spmm(matrix.edge_index, source, matrix.weight)
    if matrix.dst is not None:
        out = out * matrix.dst.to(out.dtype)[:, None]
    return out if matrix.own is None else out + target * matrix.own.to(out.dtype)[:, None]


def own_degrees(
    edge_index: EdgeIndex, edge_weight: Tensor | None, *, homogeneous: bool, loops: bool = False
) -> Degrees:
    """Degrees of the edges themselves, for a graph that is given whole.

    Args:
        edge_index: E edges.
        edge_weight: (E,), or None for ones.
        homogeneous: sources and destinations are the same nodes, and both have the in-degree.
        loops: whether to look for edges from a node to itself.

    Raises:
        ValueError: homogeneous, and there are other sources than destinations.
    """
    in_edges = edge_index.in_degree().to(torch.float32)
    into = in_edges if edge_weight is None else segment_reduce(edge_index.colptr, edge_weight[:, None])[:, 0]
    if homogeneous:
        if edge_index.num_src != edge_index.num_dst:
            raise ValueError(
                f"degree: needed where {edge_index.num_dst} destinations are only some of {edge_index.num_src} nodes"
            )
        flags = edge_index.loop_flags() if loops else None
        return Degrees(into, into, in_edges, flags, flags)
    ones = torch.ones(edge_index.num_edges, device=edge_index.device) if edge_weight is None else edge_weight
    out = torch.zeros(edge_index.num_src, device=edge_index.device, dtype=ones.dtype)
    return Degrees(out.index_add(0, edge_index.row, ones), into, in_edges)


def unsampled(degree: Degrees, edge_index: EdgeIndex) -> Tensor:
    """(D,) float: edges of each destination in the whole graph over those that are here; exactly 1 where all are."""
    return degree.in_edges / edge_index.in_degree().clamp(min=1).to(degree.in_edges.dtype)


def inverse_root(degree: Tensor) -> Tensor:
    """The inverse square root, 0 where there is none."""
    return torch.where(degree > 0, degree, torch.ones_like(degree)).rsqrt() * (degree > 0)


def inverse(degree: Tensor) -> Tensor:
    """The inverse, 0 where there is none."""
    return torch.where(degree != 0, degree, torch.ones_like(degree)).reciprocal() * (degree != 0)


def _added(loop: Tensor | None) -> Tensor | float:
    return 1.0 if loop is None else 1 - loop
