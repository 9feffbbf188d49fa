"""LINKX: features and adjacency, each through an MLP, joined late."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.conv.normalization import unsampled
from gnnctl.nn.dropout import Dropout
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import masked
from gnnctl.nn.models.encoder import RowNorm, activation_of
from gnnctl.nn.models.layer import LayerEdges
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.steps import LayeredModel
from gnnctl.nn.ops import spmm


class LINKX(LayeredModel):
    r"""The model of "Large Scale Learning on Non-Homophilous Graphs" (Lim et al., 2021).

    .. math::
        a_i = \sum_{j \to i} w_{ji} E_j + b, \quad h_i = \mathrm{MLP}_x(x_i), \quad
        z_i = a_i + C_1 a_i + h_i + C_2 h_i, \quad y_i = \mathrm{MLP}(\mathrm{ReLU}(z_i))

    E has a learned row for each node: who the neighbours are counts, not what they are like, so nodes that training
    never saw add nothing as neighbours. A destination whose in-edges were sampled has its sum scaled up by how many
    were left out.

    Args:
        options: ``hidden``, ``dropout``, ``norm`` and ``activation`` are used; ``layers`` is 1, for one hop.
        schema: one node type with features, one edge type.
        node_type: whose nodes get outputs.
        out_channels: width of the outputs.

    Raises:
        UsageError: another graph, or more layers.
    """

    exact_layers = True
    looks_up_nodes = True
    needs_degree = True

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> None:
        super().__init__()
        if not schema.is_homogeneous or not schema.nodes[node_type].features:
            raise UsageError("linkx needs one node type with features and one edge type", fix="choose another model")
        if options.layers != 1:
            raise UsageError(f"linkx looks one hop far, not {options.layers}", fix="pass --layers 1 and one fan-out")
        node, hidden = schema.nodes[node_type], options.hidden
        self.num_layers, self.out_channels = 1, out_channels
        self.node_type, self.edge_type = node_type, next(iter(schema.edges))
        self.hidden, self.num_nodes = hidden, node.num_nodes
        self.rows = nn.Parameter(torch.empty(node.num_nodes, hidden))
        self.bias = nn.Parameter(torch.zeros(hidden))
        bound = max(1, node.num_nodes) ** -0.5
        nn.init.uniform_(self.rows, -bound, bound)
        self.activation = activation_of(options.activation or "relu")
        self.features = self._mlp(options, node.features, hidden)
        self.mix_edges, self.mix_features = Linear(hidden, hidden), Linear(hidden, hidden)
        self.final = self._mlp(options, hidden, out_channels)

    def _mlp(self, options: ModelOptions, width: int, out: int) -> nn.Sequential:
        hidden = options.hidden
        between = (RowNorm(options.norm, hidden), self.activation, Dropout(options.dropout))
        return nn.Sequential(Linear(width, hidden), *between, Linear(hidden, out))

    def first_parameters(self) -> list[str]:
        """Names of the parameters that nodes and their features enter by."""
        return [name for name, _ in self.named_parameters() if name.startswith(("rows", "features.0."))]

    def encode(self, x: Mapping[str, Tensor | None], node_id: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(n, 2 hidden): each node's row of E, and the MLP of its features."""
        features, ids = x.get(self.node_type), node_id[self.node_type]
        if features is None:
            raise ValueError(f"the model takes features of '{self.node_type}', the batch has none")
        known = (ids >= 0) & (ids < self.num_nodes)
        rows = self.rows.index_select(0, torch.where(known, ids, 0)) * known[:, None]
        return {self.node_type: torch.cat([rows, self.features(features)], 1)}

    def layer(
        self, index: int, h_src: dict[str, Tensor], h_dst: dict[str, Tensor], edges: LayerEdges
    ) -> dict[str, Tensor]:
        """(n, hidden) z of the destinations."""
        t, edge_index = self.edge_type, edges.edge_index[self.edge_type]
        a = spmm(
            edge_index,
            h_src[self.node_type][:, : self.hidden],
            masked(edges.edge_weight.get(t), edges.edge_mask.get(t)),
        )
        if t in edges.degree:
            a = a * unsampled(edges.degree[t], edge_index).to(a.dtype)[:, None]
        a, h = a + self.bias, h_dst[self.node_type][:, self.hidden :]
        return {self.node_type: a + self.mix_edges(a) + h + self.mix_features(h)}

    def head(self, h: Tensor) -> Tensor:
        """(n, out_channels) logits."""
        out: Tensor = self.final(self.activation(h))
        return out
