"""Features that are hidden, to be told from the neighbourhood."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.linear import Linear
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.unsupervised.base import Unsupervised


class MaskedFeaturesModel(Unsupervised):
    r"""Masking and error of "GraphMAE: Self-Supervised Masked Graph Autoencoders" (Hou et al., 2022).

    .. math:: L = \frac{1}{|M|} \sum_{i \in M} (1 - \cos(x_i, \hat x_i))^\gamma

    over the seeds M that were masked, whose features are one learned vector instead; the decoder is one Linear.

    Args:
        rate: share of the nodes of the embedded type that are masked.
        power: gamma.

    Raises:
        UsageError: nodes without features. ValueError: a rate outside (0, 1), or a power below 1.
    """

    def __init__(
        self, options: ModelOptions, schema: GraphSchema, node_type: str, *, rate: float = 0.5, power: float = 2.0
    ) -> None:
        width = schema.nodes[node_type].features
        if not width:
            raise UsageError(f"{node_type} nodes have no features to mask", fix="choose another --objective")
        if not 0 < rate < 1:
            raise ValueError(f"rate must be in (0, 1), got {rate}")
        if power < 1:
            raise ValueError(f"power must be 1 or more, got {power}")
        super().__init__(options, schema, node_type)
        self.rate, self.power = rate, power
        self.token = nn.Parameter(torch.zeros(width))
        self.decoder = Linear(self.channels, width)

    def forward(self, batch: Batch) -> Tensor:
        """The loss; 0 where no seed was masked."""
        x = batch.x[self.node_type]
        assert x is not None
        masked = torch.rand(x.shape[0], device=x.device) < self.rate
        hidden = torch.where(masked[:, None], self.token.to(x.dtype), x)
        found = self.decoder(self.embed(replace(batch, x={**batch.x, self.node_type: hidden})))
        error = (1 - cosine_similarity(batch.seeds_of(x), found, dim=1)) ** self.power
        chosen = batch.seeds_of(masked)
        return (error * chosen).sum() / chosen.sum().clamp(min=1)
