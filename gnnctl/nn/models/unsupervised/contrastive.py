"""Two views of a graph, in which each node is to be found again."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.linear import Linear
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.unsupervised.base import Unsupervised


class ContrastiveModel(Unsupervised):
    r"""The objective of "Deep Graph Contrastive Representation Learning" (GRACE; Zhu et al., 2020).

    .. math::
        \ell(u_i, v_i) = -\log \frac{e^{\theta(u_i, v_i) / \tau}}
        {\sum_k e^{\theta(u_i, v_k) / \tau} + \sum_{k \ne i} e^{\theta(u_i, u_k) / \tau}}

    with u and v two views' embeddings behind an MLP, theta their cosine; the mean over both orders of the views. A view
    drops edges, and whole columns of features.

    Args:
        temperature: tau.
        drop_edges: share of the edges that a view does without.
        drop_features: share of the columns that a view does without.
        anchors: nodes compared with each other, at most; memory is its square.

    Raises:
        ValueError: a share outside [0, 1), or a temperature that is not positive.
    """

    def __init__(
        self,
        options: ModelOptions,
        schema: GraphSchema,
        node_type: str,
        *,
        temperature: float = 0.5,
        drop_edges: float = 0.3,
        drop_features: float = 0.3,
        anchors: int = 2048,
    ) -> None:
        super().__init__(options, schema, node_type)
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        for name, share in (("drop_edges", drop_edges), ("drop_features", drop_features)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} must be in [0, 1), got {share}")
        if anchors < 2:
            raise ValueError(f"anchors must be 2 or more, got {anchors}")
        self.temperature, self.anchors = temperature, anchors
        self.drop_edges, self.drop_features = drop_edges, drop_features
        width = self.channels
        self.projection = nn.Sequential(Linear(width, width), nn.ELU(), Linear(width, width))

    def forward(self, batch: Batch) -> Tensor:
        """The loss."""
        one, other = (self.projection(self.embed(*self.view(batch))) for _ in range(2))
        if one.shape[0] > self.anchors:
            chosen = torch.randperm(one.shape[0], device=one.device)[: self.anchors]
            one, other = one.index_select(0, chosen), other.index_select(0, chosen)
        return (info_nce(one, other, self.temperature) + info_nce(other, one, self.temperature)) / 2

    def view(self, batch: Batch) -> tuple[Batch, Mapping[EdgeType, Tensor]]:
        """The batch with some columns of zeros, and a mask of 0 and 1 over its edges; drawn from torch's generator."""
        x = {t: None if v is None else v * self._kept(v[0], self.drop_features) for t, v in batch.x.items()}
        masks = {t: self._kept(edges.row, self.drop_edges) for t, edges in batch.edge_index.items()}
        return replace(batch, x=x), masks

    @staticmethod
    def _kept(like: Tensor, share: float) -> Tensor:
        return (torch.rand(like.shape, device=like.device) >= share).float()


def info_nce(u: Tensor, v: Tensor, temperature: float) -> Tensor:
    """Mean of l(u_i, v_i) over the rows of u and v, (n, F) each."""
    u, v = normalize(u, dim=1), normalize(v, dim=1)
    among = (u @ u.t() / temperature).masked_fill(torch.eye(len(u), dtype=torch.bool, device=u.device), -torch.inf)
    logits = torch.cat([u @ v.t() / temperature, among], 1)
    return cross_entropy(logits, torch.arange(len(u), device=u.device))
