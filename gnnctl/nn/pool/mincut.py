"""Minimum cut pooling."""

import torch
from torch import Tensor

from gnnctl.nn.pool.assignment import DensePooled, normalized, orthogonality, pool_by


def mincut_pool(
    x: Tensor, adj: Tensor, scores: Tensor, mask: Tensor | None = None, *, temperature: float = 1.0
) -> DensePooled:
    r"""The pooling of "Spectral Clustering with Graph Neural Networks for Graph Pooling" (Bianchi et al., 2020).

    .. math:: S = \mathrm{softmax}(\mathrm{scores} / \tau), \quad X' = S^\top X, \quad A' = S^\top A S

    A' loses its diagonal and is normalised by degrees. Losses: ``mincut``,
    :math:`-\mathrm{tr}(S^\top A S) / \mathrm{tr}(S^\top D S)`, and ``orthogonality``.

    Args:
        x: (B, N, F) features.
        adj: (B, N, N) symmetric adjacency; each graph has an edge.
        scores: (B, N, K) of the clusters, before the softmax.
        mask: (B, N) bool, which nodes there are; None: all.
        temperature: tau.
    """
    out, coarse, assignment = pool_by(torch.softmax(scores / temperature, dim=-1), x, adj, mask)
    inside = coarse.diagonal(dim1=1, dim2=2).sum(-1)
    volume = (adj.sum(-1)[:, :, None] * assignment.square()).sum((1, 2))
    losses = {"mincut": -(inside / volume).mean(), "orthogonality": orthogonality(assignment)}
    return DensePooled(out, normalized(coarse), assignment, losses)
