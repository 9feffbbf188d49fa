"""Nodes that agree with a summary of what they were seen with."""

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Batch
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models.deep_graph_infomax import DeepGraphInfomax, Infomax, mean_summary
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.unsupervised.base import Unsupervised, shuffled_nodes


class InfomaxModel(Unsupervised):
    """Deep Graph Infomax over batches: the summary is of the batch's seeds, corruption shuffles the nodes of each type.

    Embeddings pass a PReLU, as in the paper: shuffling leaves the mean of a linear encoder's where it was, so that
    nothing could be told by them. See :class:`~gnnctl.nn.models.deep_graph_infomax.DeepGraphInfomax`.
    """

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str) -> None:
        super().__init__(options, schema, node_type)
        self.activation = nn.PReLU(self.channels)
        self.infomax = DeepGraphInfomax(torch.nn.Identity(), self.channels)

    def finish(self, encoded: Tensor) -> Tensor:
        """(n, channels)."""
        found: Tensor = self.activation(encoded)
        return found

    def forward(self, batch: Batch) -> Tensor:
        """The loss."""
        real = self.finish(self.embed(batch))
        corrupted = self.finish(self.embed(shuffled_nodes(batch)))
        return self.infomax.loss(Infomax(real, corrupted, mean_summary(real)))
