"""Messages of a destination to itself, beside those of its edges."""

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex


def with_own_message(edge_index: EdgeIndex, messages: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Put each destination's own message after those of its edges.

    Args:
        edge_index: E edges to D destinations.
        messages: (E, ...) in edge order.
        own: (D, ...).

    Returns:
        (E + D, ...) messages, and (D + 1,) where those of each destination begin.
    """
    colptr = edge_index.colptr + torch.arange(edge_index.num_dst + 1, device=own.device)
    edges = torch.arange(edge_index.num_edges, device=own.device) + edge_index.col()
    out = messages.new_empty(messages.shape[0] + own.shape[0], *own.shape[1:])
    return out.index_copy(0, edges, messages).index_copy(0, colptr[1:] - 1, own.to(out.dtype)), colptr
