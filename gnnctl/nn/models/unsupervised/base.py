"""What models without labels share: an encoder, and a loss of their own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.models.build import build_model
from gnnctl.nn.models.options import ModelOptions

Seeds = tuple[GraphSchema, str]


class Unsupervised(nn.Module):
    """A model whose ``forward(batch)`` is its loss; ``encoder`` gives the embeddings, ``options.hidden`` wide.

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
        super().__init__()
        if options.name == "embedding":
            raise UsageError("--model embedding has no objective without labels but walks", fix="use node2vec")
        self.node_type = node_type
        self.channels = options.hidden
        self.encoder = build_model(options, schema, node_type, width or options.hidden)
        self.needs_degree = bool(getattr(self.encoder, "needs_degree", False))
        self.fit_degrees = getattr(self.encoder, "fit_degrees", None)

    def prepare(self, batch: Batch) -> Batch:
        """Compute ahead what the encoder needs of the batch's structure."""
        prepare = getattr(self.encoder, "prepare", None)
        return batch if prepare is None else cast(Batch, prepare(batch))

    def embed(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(num_seeds, width) of the encoder."""
        given: dict[str, Any] = {} if edge_mask is None else {"edge_mask": edge_mask}
        return cast(Tensor, self.encoder(batch, **given))

    def finish(self, encoded: Tensor) -> Tensor:
        """(n, channels) embeddings of what the encoder gives."""
        return encoded


def with_features(batch: Batch, x: Mapping[str, Tensor | None]) -> Batch:
    """The batch with other features."""
    return replace(batch, x=dict(x))


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
