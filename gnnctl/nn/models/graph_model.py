"""Outputs of whole graphs: a model of their nodes, a readout of each graph's, and an MLP."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.aggr import Aggregation, aggregation
from gnnctl.nn.dropout import Dropout
from gnnctl.nn.linear import Linear
from gnnctl.nn.models.build import build_model
from gnnctl.nn.models.encoder import RowNorm, activation_of
from gnnctl.nn.models.gnn import GNN
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.over_nodes import OverNodes
from gnnctl.nn.models.registry import models
from gnnctl.nn.models.steps import run_layers
from gnnctl.nn.typed import module_name


class GraphModel(OverNodes):
    """A graph's output: its nodes' representations, aggregated by type, side by side with its own features, and an MLP.

    The model of the nodes is the one that ``options`` names, ``options.hidden`` wide. Nodes without features have one
    vector per type: a node of a graph is not met in another.

    Args:
        options: the architecture; ``readout`` None is sum for GIN, which counts ("How Powerful are Graph Neural
            Networks?", Xu et al., 2019), else mean.
        schema: of a data set of many graphs.
        out_channels: width of the outputs.

    Raises:
        UsageError: one graph, or a model that does not go with many.
    """

    whole_graphs = True

    def __init__(self, options: ModelOptions, schema: GraphSchema, out_channels: int) -> None:
        if schema.graph_features is None:
            raise UsageError("this is one graph, not a set of graphs", fix="ingest it with [graphs]")
        if options.name == "embedding":
            raise UsageError("embedding has a vector a node, and graphs share no nodes", fix="choose another")
        if options.name == "linkx":
            raise UsageError("linkx learns who a node's neighbours are, and graphs share none", fix="choose another")
        encode = True if options.encode is None else options.encode
        super().__init__(_node_model(replace(options, encode=encode, embedding=0), schema))
        self.node_types = list(schema.nodes)
        readout = options.readout or ("sum" if options.name.startswith("gin") else "mean")
        self.readouts = nn.ModuleDict({module_name(t): aggregation(readout, options.hidden) for t in self.node_types})
        width = sum(self._readout(t).channels(options.hidden) for t in self.node_types)
        self.hidden = nn.Sequential(
            Linear(width + schema.graph_features, options.hidden),
            RowNorm(options.norm, options.hidden),
            activation_of(options.activation or "relu"),
            Dropout(options.dropout),
        )
        self.output = Linear(options.hidden, out_channels)

    def _readout(self, node_type: str) -> Aggregation:
        return cast(Aggregation, self.readouts[module_name(node_type)])

    def forward(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(B, out_channels) logits of the batch's B graphs.

        Args:
            batch: of whole graphs.
            edge_mask: by edge type (E,), multiplies every message on the edge in all layers.
        """
        return cast(Tensor, self.output(self.represent(batch, edge_mask)))

    def outputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B, out_channels) logits, and what enters the last Linear, (B, hidden)."""
        represented = self.represent(batch)
        return self.output(represented), represented

    def represent(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(B, hidden) of the graphs: what enters the last Linear.

        Raises:
            ValueError: a batch that is not of whole graphs.
        """
        if batch.ptr is None:
            raise ValueError("the model takes whole graphs: make the batch with graphs_batch")
        h = self._of_nodes(batch, edge_mask)
        parts = [self._readout(t)(h[t], batch.ptr[t]) for t in self.node_types]
        if batch.graph_x is not None:
            parts.append(batch.graph_x)
        return cast(Tensor, self.hidden(torch.cat(parts, 1)))

    def _of_nodes(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None) -> dict[str, Tensor]:
        if isinstance(self.nodes, GNN):
            return {t: self.nodes.head(h) for t, h in run_layers(self.nodes, batch, edge_mask).items()}
        only = self.node_types[0]
        return {only: self.nodes(replace(batch, node_type=only, num_seeds=batch.num_nodes(only)), edge_mask)}


def _node_model(options: ModelOptions, schema: GraphSchema) -> nn.Module:
    first, *others = schema.nodes
    known = models().get(options.name)
    if known is not None and known.path == f"{GNN.__module__}:{GNN.__qualname__}":
        return GNN(options, schema, first, options.hidden, towards=[first, *others])
    if others:
        raise UsageError(f"{options.name} gives outputs of one node type", fix="choose another model")
    return build_model(options, schema, first, options.hidden)
