"""Graphs of a batch side by side, padded to one size."""

from typing import cast

import torch
from torch import Tensor


def to_dense_batch(x: Tensor, ptr: Tensor | None = None, max_nodes: int | None = None) -> tuple[Tensor, Tensor]:
    """Rows of contiguous graphs as one array, padded with zeros.

    Args:
        x: (N, F) rows.
        ptr: (B + 1,) int64, graph b has the rows ``ptr[b]:ptr[b + 1]``; None: one graph.
        max_nodes: the largest graph; None: looked up, which breaks a compiled graph.

    Returns:
        (B, max_nodes, F), and (B, max_nodes) bool: where there is a row.

    Raises:
        ValueError: a graph is larger than ``max_nodes`` (not looked for in a compiled graph).
    """
    if ptr is None:
        return x[None], torch.ones(1, x.shape[0], dtype=torch.bool, device=x.device)
    count = torch.diff(ptr)
    if torch.compiler.is_exporting() and max_nodes is None:
        # A size that the data decide; of at least two, because operators ask whether it is one.
        max_nodes = cast(int, torch.cat([count, count.new_full((1,), 2)]).max().item())
        torch._check(max_nodes >= 2)  # type: ignore[no-untyped-call]  # torch gives it no types
    elif not torch.compiler.is_compiling() or max_nodes is None:
        largest = int(count.max()) if count.numel() else 0
        if max_nodes is not None and largest > max_nodes:
            raise ValueError(f"max_nodes is {max_nodes}, a graph has {largest}")
        max_nodes = largest if max_nodes is None else max_nodes
    mask = torch.arange(max_nodes, device=x.device) < count[:, None]
    place = (ptr[:-1, None] + torch.arange(max_nodes, device=x.device)).clamp(max=max(x.shape[0] - 1, 0))
    if x.shape[0] == 0:
        return x.new_zeros(count.shape[0], max_nodes, x.shape[1]), mask
    rows = x.index_select(0, place.flatten()).view(*place.shape, x.shape[1])
    return rows * mask[:, :, None], mask


def from_dense_batch(values: Tensor, ptr: Tensor | None, num_rows: int) -> Tensor:
    """(N, F) rows of (B, max_nodes, F), the padding left out."""
    if ptr is None:
        return values[0]
    graph = torch.repeat_interleave(torch.diff(ptr), output_size=num_rows)
    within = torch.arange(num_rows, device=values.device) - ptr.index_select(0, graph)
    return values.flatten(0, 1).index_select(0, graph * values.shape[1] + within)
