"""One vector for every node and nothing else: the encoder of a decoder that stands alone."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.typed import module_name


class Embedding(nn.Module):
    """A learnt vector for every node of some types; features and edges play no part.

    For links: a node that training never saw keeps its first vector, and one that the graph did not have gets zeros.

    Args:
        options: ``hidden`` is not used: the vectors are ``out_channels`` wide.
        schema: numbers of nodes.
        node_type: whose nodes get vectors.
        out_channels: width of the vectors.
        towards: all node types that get vectors, where those are several.
        std: standard deviation of the first vectors; 0 leaves the choice to the decoder.

    Raises:
        UsageError: an unknown node type, or a deviation that is negative.
    """

    exact_layers = True
    needs_degree = False
    num_layers = 0

    def __init__(
        self,
        options: ModelOptions,
        schema: GraphSchema,
        node_type: str,
        out_channels: int,
        towards: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.node_type = node_type
        self.out_channels = out_channels
        self.std = float(options.parameters.get("std", 0.0))
        if self.std < 0:
            raise UsageError(f"--model embedding: std {self.std} is negative", fix="pass e.g. std=0.1")
        self.own = nn.ModuleDict()
        for name in towards or [node_type]:
            if name not in schema.nodes:
                raise UsageError(f"the graph has no node type '{name}'", fix=f"it has {', '.join(schema.nodes)}")
            self.own[module_name(name)] = nn.Embedding(schema.nodes[name].num_nodes, out_channels)
        for weight in self.parameters():
            nn.init.normal_(weight, std=self.std or out_channels**-0.5)

    def table(self, node_type: str) -> Tensor:
        """(N, out_channels): the vectors of all nodes of a type."""
        return cast(nn.Embedding, self.own[module_name(node_type)]).weight

    def of(self, batch: Batch, node_type: str) -> Tensor:
        """(n, out_channels) of the nodes of a whole graph, or of the seeds of a sampled part of it."""
        if batch.node_counts is None:
            return self.table(node_type)
        return self._rows(node_type, batch.node_id[node_type][: batch.node_counts[node_type][0]])

    def forward(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(num_seeds, out_channels)."""
        return self._rows(self.node_type, batch.seeds_of(batch.node_id[self.node_type]))

    def prepare(self, batch: Batch) -> Batch:
        """The batch as it is: edges play no part."""
        return batch

    def first_parameters(self) -> list[str]:
        """Names of all vectors."""
        return [name for name, _ in self.named_parameters()]

    def encode(self, x: Mapping[str, Tensor | None], node_id: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(n, out_channels) by node type; types without vectors are left out."""
        return {t: self._rows(t, rows) for t, rows in node_id.items() if module_name(t) in self.own}

    def head(self, h: Tensor) -> Tensor:
        """The vectors as they are."""
        return h

    def _rows(self, node_type: str, node_id: Tensor) -> Tensor:
        table = self.table(node_type)
        known = (node_id >= 0) & (node_id < len(table))
        return table.index_select(0, torch.where(known, node_id, 0)) * known[:, None].to(table.dtype)
