"""What poolings by a soft assignment of nodes to clusters have in common."""

from typing import NamedTuple

import torch
from torch import Tensor

_LEAST = 1e-15


class DensePooled(NamedTuple):
    """``x`` (B, K, F); ``adj`` (B, K, K); ``assignment`` (B, N, K), zero for missing nodes; ``losses`` by name, to be
    added to the task's."""

    x: Tensor
    adj: Tensor
    assignment: Tensor
    losses: dict[str, Tensor]


def pool_by(assignment: Tensor, x: Tensor, adj: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Features (B, K, F) and edges (B, K, K) of clusters, and the assignment (B, N, K) without missing nodes."""
    if mask is not None:
        assignment = assignment * mask[:, :, None].to(assignment.dtype)
        x = x * mask[:, :, None].to(x.dtype)
    transposed = assignment.transpose(1, 2)
    return transposed @ x, transposed @ adj @ assignment, assignment


def normalized(adj: Tensor) -> Tensor:
    """(B, K, K): without the diagonal, divided by the roots of both ends' degrees."""
    adj = adj * (1 - torch.eye(adj.shape[-1], dtype=adj.dtype, device=adj.device))
    root = adj.sum(-1).sqrt() + _LEAST
    return adj / root[:, :, None] / root[:, None, :]


def orthogonality(assignment: Tensor) -> Tensor:
    """How far S^T S is from clusters of equal size that share no node; the mean over graphs."""
    gram = assignment.transpose(1, 2) @ assignment
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    apart = gram / torch.linalg.matrix_norm(gram, keepdim=True) - eye / gram.shape[-1] ** 0.5
    out: Tensor = torch.linalg.matrix_norm(apart).mean()
    return out
