"""Differentiable pooling."""

import torch
from torch import Tensor

from gnnctl.nn.pool.assignment import DensePooled, pool_by


def diff_pool(
    x: Tensor, adj: Tensor, scores: Tensor, mask: Tensor | None = None, *, normalize: bool = True
) -> DensePooled:
    r"""The pooling of "Hierarchical Graph Representation Learning with Differentiable Pooling" (Ying et al., 2018).

    .. math:: S = \mathrm{softmax}(\mathrm{scores}), \quad X' = S^\top X, \quad A' = S^\top A S

    Losses: ``link``, the Frobenius norm of :math:`A - S S^\top` over the batch, and ``entropy``, the mean entropy of
    the assignment.

    Args:
        x: (B, N, F) features.
        adj: (B, N, N) adjacency.
        scores: (B, N, K) of the clusters, before the softmax.
        mask: (B, N) bool, which nodes there are; None: all.
        normalize: whether the link loss is divided by the number of pairs B * N * N.
    """
    out, coarse, assignment = pool_by(torch.softmax(scores, dim=-1), x, adj, mask)
    link = torch.linalg.vector_norm(adj - assignment @ assignment.transpose(1, 2))
    link = link / adj.numel() if normalize else link
    entropy = (-assignment * torch.log(assignment + 1e-15)).sum(-1).mean()
    return DensePooled(out, coarse, assignment, {"link": link, "entropy": entropy})
