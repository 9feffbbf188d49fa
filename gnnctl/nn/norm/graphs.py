"""Statistics of each graph of a batch, and back to its nodes."""

import torch
from torch import Tensor

from gnnctl.nn.aggr.groups import rows_as_edges
from gnnctl.nn.ops import gather_dst, segment_reduce


def graph_mean(x: Tensor, ptr: Tensor | None) -> Tensor:
    """(B, F): of (N, F) nodes the mean of each graph; all are one graph where there is no ``ptr``."""
    return x.mean(0, keepdim=True) if ptr is None else segment_reduce(ptr, x, "mean")


def graph_size(x: Tensor, ptr: Tensor | None) -> Tensor:
    """(B, 1) of x's dtype: nodes of each graph."""
    if ptr is None:
        return torch.full((1, 1), x.shape[0], dtype=x.dtype, device=x.device)
    return torch.diff(ptr).to(x.dtype)[:, None]


def to_nodes(values: Tensor, ptr: Tensor | None, num_nodes: int) -> Tensor:
    """(N, F), or (1, F) to be broadcast: of (B, F) values of graphs, that of each node's."""
    return values if ptr is None else gather_dst(rows_as_edges(ptr, num_nodes), values)


def scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """``weight * x + bias``, where they are there."""
    x = x if weight is None else x * weight
    return x if bias is None else x + bias
