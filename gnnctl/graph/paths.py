"""Paths of two edges: what a product of sparse matrices, and angles between bonds, are made of."""

from typing import NamedTuple

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex


class Paths(NamedTuple):
    """P paths k -> j -> i, in the order of their second edge, then of their first.

    ``first`` (P,) int64 positions of the edges k -> j; ``second`` (P,) int64 of j -> i.
    """

    first: Tensor
    second: Tensor


def two_step_paths(first: EdgeIndex, second: EdgeIndex) -> Paths:
    """All paths along an edge of ``first`` and then one of ``second``.

    Args:
        first: edges to D nodes.
        second: edges from these D nodes.

    Raises:
        ValueError: the nodes between are not the same.
    """
    if first.num_dst != second.num_src:
        raise ValueError(f"the first edges lead to {first.num_dst} nodes, the second ones leave {second.num_src}")
    middle = second.row.long()
    counts = first.in_degree()[middle]
    edges = torch.arange(second.num_edges, device=second.device)
    along = torch.repeat_interleave(edges, counts)
    within = torch.arange(along.shape[0], device=second.device) - (counts.cumsum(0) - counts)[along]
    return Paths(first.colptr[middle[along]] + within, along)
