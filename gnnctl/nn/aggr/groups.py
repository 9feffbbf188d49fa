"""Groups of rows, seen in the ways that operators want them."""

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex, Transposed


def group_of_rows(ptr: Tensor, num_rows: int) -> Tensor:
    """(E,) int64: of each row the group, for (D + 1,) bounds."""
    groups = torch.arange(ptr.shape[0] - 1, device=ptr.device)
    return torch.repeat_interleave(groups, torch.diff(ptr), output_size=num_rows)


def rows_as_edges(ptr: Tensor, num_rows: int) -> EdgeIndex:
    """Each row as the source of one edge, to its group: what weighs rows and adds them up is then an SpMM."""
    rows = torch.arange(num_rows, device=ptr.device)
    edges = EdgeIndex(ptr, rows, num_rows, ptr.shape[0] - 1, validate=False)
    edges._transposed = Transposed(torch.arange(num_rows + 1, device=ptr.device), group_of_rows(ptr, num_rows), rows)
    return edges
