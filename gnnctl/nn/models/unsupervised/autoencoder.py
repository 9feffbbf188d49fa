"""Embeddings from which a graph's edges can be told."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models.autoencoder import GAE, VGAE
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.unsupervised.base import Unsupervised

PAIRS = 1 << 16


class _Encoded(nn.Module):
    """Stands for an encoder whose outputs are there already."""

    def forward(self, *encoded: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What it is given."""
        return encoded if len(encoded) > 1 else encoded[0]


class AutoencoderModel(Unsupervised):
    """The graph autoencoder over a whole graph, of the edges between nodes of the embedded type.

    Positive pairs are edges into the batch's seeds, at most :data:`PAIRS` drawn anew each step; as many pairs of random
    nodes stand against them, of which a share as large as the graph is dense are edges.

    Args:
        variational: :class:`~gnnctl.nn.models.autoencoder.VGAE`.
    """

    whole_graph = True

    def __init__(
        self, options: ModelOptions, schema: GraphSchema, node_type: str, *, variational: bool = False
    ) -> None:
        edge_types = [t for t in schema.edges if t.src == t.dst == node_type]
        if not edge_types:
            raise UsageError(f"no edge type leads from {node_type} to {node_type}", fix="choose another --objective")
        super().__init__(options, schema, node_type, 2 * options.hidden if variational else None)
        self.edge_types = edge_types
        self.decoder = VGAE(_Encoded()) if variational else GAE(_Encoded())

    def finish(self, encoded: Tensor) -> Tensor:
        """(n, channels): of the variational one the means."""
        return encoded[:, : self.channels]

    def forward(self, batch: Batch) -> Tensor:
        """The loss; that of the variational one with the divergence over the number of nodes.

        Raises:
            ValueError: the batch is a sample.
        """
        if batch.node_counts is not None:
            raise ValueError("an autoencoder takes the whole graph, not a sample")
        encoded = self.embed(replace(batch, seed_rows=None, num_seeds=batch.num_nodes(self.node_type)))
        seeds = batch.seed_rows
        positive = torch.cat([self._edges(batch, i, seeds) for i in range(len(self.edge_types))], 1)
        if positive.shape[1] > PAIRS:
            positive = positive[:, torch.randint(positive.shape[1], (PAIRS,), device=positive.device)]
        negative = torch.randint(encoded.shape[0], (2, max(positive.shape[1], 1)), device=positive.device)
        if seeds is not None and len(seeds):
            negative[1] = seeds[torch.randint(len(seeds), negative.shape[1:], device=seeds.device)]
        if not isinstance(self.decoder, VGAE):
            return self._loss(encoded, positive, negative)
        mean, log_std = self.decoder.distribution(encoded[:, : self.channels], encoded[:, self.channels :])
        loss = self._loss(self.decoder.draw(mean, log_std), positive, negative)
        return loss + self.decoder.divergence(mean, log_std) / encoded.shape[0]

    def _loss(self, z: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        if positive.shape[1] == 0:
            return -torch.nn.functional.logsigmoid(-self.decoder.decoder(z, negative)).mean()
        return self.decoder.reconstruction_loss(z, positive, negative)

    def _edges(self, batch: Batch, i: int, seeds: Tensor | None) -> Tensor:
        pairs = batch.edge_index[self.edge_types[i]].coo()
        if seeds is None:
            return pairs
        chosen = torch.zeros(batch.num_nodes(self.node_type), dtype=torch.bool, device=pairs.device)
        chosen[seeds] = True
        return pairs[:, chosen[pairs[1]]]
