"""Deep modularity pooling."""

import torch
from torch import Tensor, nn

from gnnctl.nn.dropout import dropout
from gnnctl.nn.pool.assignment import DensePooled, normalized, orthogonality, pool_by


class DMoNPooling(nn.Module):
    r"""The pooling of "Graph Clustering with Graph Neural Networks" (Tsitsulin et al., 2023).

    .. math:: S = \mathrm{softmax}(\mathrm{MLP}(X)), \quad X' = \mathrm{SELU}(S^\top X), \quad A' = S^\top A S

    A' loses its diagonal and is normalised by degrees. Losses: ``spectral``, the negative modularity
    :math:`-\mathrm{tr}(S^\top (A - d d^\top / 2m) S) / 2m`; ``orthogonality``; and ``cluster``, how far the clusters
    are from equal sizes.

    Args:
        network: the MLP, from (B, N, F) to (B, N, K), e.g. ``nn.Linear(F, K)``.
        dropout: of what it gives, in training.
    """

    def __init__(self, network: nn.Module, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.network, self.dropout = network, dropout

    def forward(self, x: Tensor, adj: Tensor, mask: Tensor | None = None) -> DensePooled:
        """Pool x (B, N, F) with adj (B, N, N) symmetric, each graph having an edge; mask (B, N) bool."""
        scores = dropout(self.network(x), self.dropout, self.training)
        out, coarse, assignment = pool_by(torch.softmax(scores, dim=-1), x, adj, mask)
        present = x.new_ones(x.shape[:2]) if mask is None else mask.to(x.dtype)
        degree = adj.sum(-1) * present
        twice = degree.sum(1)
        volume = (degree[:, None] @ assignment)[:, 0]
        modularity = coarse.diagonal(dim1=1, dim2=2).sum(-1) - volume.square().sum(-1) / twice
        sizes = torch.linalg.vector_norm(assignment.sum(1), dim=1)
        losses = {
            "spectral": -(modularity / twice).mean(),
            "orthogonality": orthogonality(assignment),
            "cluster": (sizes[:, None] / present.sum(1)[:, None] * assignment.shape[-1] ** 0.5 - 1).mean(),
        }
        return DensePooled(nn.functional.selu(out), normalized(coarse), assignment, losses)
