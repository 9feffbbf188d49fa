"""What models without labels share: an encoder, and a loss of their own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.models.build import build_model
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.over_nodes import OverNodes


class Unsupervised(OverNodes):
    """A model whose ``forward(batch)`` is its loss; ``nodes`` gives the embeddings, ``options.hidden`` wide.

    Args:
        options: the encoder's architecture.
        schema: of the graph.
        node_type: whose nodes get embeddings.
        width: of what the encoder gives; None: ``options.hidden``.

    Raises:
        UsageError: options that do not fit the graph.
    """

    whole_graph = False  # whether it learns from the whole graph alone, not from samples

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str, width: int | None = None) -> None:
        if options.name == "embedding":
            raise UsageError("--model embedding has no objective without labels but walks", fix="use node2vec")
        super().__init__(build_model(options, schema, node_type, width or options.hidden))
        self.node_type = node_type
        self.channels = options.hidden

    def embed(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(num_seeds, width) of the encoder."""
        given: dict[str, Any] = {} if edge_mask is None else {"edge_mask": edge_mask}
        return cast(Tensor, self.nodes(batch, **given))

    def finish(self, encoded: Tensor) -> Tensor:
        """(n, channels) embeddings of what the encoder gives."""
        return encoded


def shuffled_nodes(batch: Batch) -> Batch:
    """Each node with the features of another of its type, or, without features, taken for another one."""
    x: dict[str, Tensor | None] = {}
    ids: dict[str, Tensor] = {}
    for t, rows in batch.node_id.items():
        order = torch.randperm(rows.shape[0], device=rows.device)
        values = batch.x.get(t)
        x[t] = None if values is None else values.index_select(0, order)
        ids[t] = rows.index_select(0, order)
    return replace(batch, x=x, node_id=ids)
