"""Points of one cell of a grid."""

from collections.abc import Sequence

import torch
from torch import Tensor


def voxel_grid(pos: Tensor, size: float | Sequence[float], *, start: float | Sequence[float] | None = None) -> Tensor:
    """Labels of points by the cell of a regular grid that they lie in.

    Args:
        pos: (N, F) float positions.
        size: of a cell, in the unit of the positions, or one for each dimension; above zero.
        start: where the grid begins; None: at the least coordinates of all points.

    Returns:
        (N,) int64, for :func:`~gnnctl.nn.pool.clusters.clusters_of`, which keeps graphs apart.

    Raises:
        ValueError: a size that is not above zero.
    """
    if pos.shape[0] == 0:
        return torch.empty(0, dtype=torch.int64, device=pos.device)
    edge = torch.as_tensor(size, dtype=pos.dtype, device=pos.device).expand(pos.shape[1])
    if not bool((edge > 0).all()):
        raise ValueError(f"size must be above zero, got {size}")
    least = pos.amin(0) if start is None else torch.as_tensor(start, dtype=pos.dtype, device=pos.device)
    cell = ((pos.detach() - least) / edge).floor().long()
    cell = cell - cell.amin(0)
    extent = cell.amax(0) + 1
    stride = torch.cat([extent.new_ones(1), extent[:-1].cumprod(0)])
    return (cell * stride).sum(1)
