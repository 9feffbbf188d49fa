"""What dense layers have in common."""

import torch
from torch import Tensor


def present(out: Tensor, mask: Tensor | None) -> Tensor:
    """(B, N, F) with zeros for the nodes that ``mask`` (B, N) leaves out."""
    return out if mask is None else out * mask[:, :, None].to(out.dtype)


def with_loops(adj: Tensor, weight: float = 1.0) -> Tensor:
    """(B, N, N) with ``weight`` on the diagonal, whatever was there."""
    eye = torch.eye(adj.shape[-1], dtype=adj.dtype, device=adj.device)
    return adj * (1 - eye) + weight * eye
