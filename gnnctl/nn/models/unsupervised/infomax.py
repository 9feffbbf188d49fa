"""Nodes that agree with a summary of what they were seen with."""

import torch
from torch import Tensor

from gnnctl.graph.batch import Batch
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models.deep_graph_infomax import DeepGraphInfomax, Infomax, mean_summary
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.unsupervised.base import Unsupervised, shuffled_nodes


class InfomaxModel(Unsupervised):
    """Deep Graph Infomax over batches: the summary is of the batch's seeds, corruption shuffles the nodes of each type.

    See :class:`~gnnctl.nn.models.deep_graph_infomax.DeepGraphInfomax`.
    """

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str) -> None:
        super().__init__(options, schema, node_type)
        self.infomax = DeepGraphInfomax(torch.nn.Identity(), self.channels)

    def forward(self, batch: Batch) -> Tensor:
        """The loss."""
        real = self.embed(batch)
        return self.infomax.loss(Infomax(real, self.embed(shuffled_nodes(batch)), mean_summary(real)))
