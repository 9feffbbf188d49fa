"""DNA: a deep model whose layers look at what all earlier layers made of the neighbours."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.conv.dna import DNAConv
from gnnctl.nn.dropout import Dropout
from gnnctl.nn.linear import Linear
from gnnctl.nn.models.encoder import NodeEmbedding, activation_of
from gnnctl.nn.models.layer import LayerEdges
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.steps import LayeredModel


class DNA(LayeredModel):
    r"""The model of "Just Jump: Dynamic Neighborhood Aggregation in Graph Neural Networks" (Fey, 2019).

    .. math:: h^0 = \sigma(W_0 x), \quad h^{l+1} = \sigma(\mathrm{DNA}(h^0, \dots, h^l)), \quad y = W h^L

    with layers of :class:`~gnnctl.nn.conv.DNAConv`. What enters a layer is all representations so far side by side, so
    that memory grows with the square of the layers where gradients are kept.

    Args:
        options: ``hidden``, ``layers``, ``heads``, ``dropout`` (of what enters the first layer and the output),
            ``input_dropout``, ``attention_dropout``, ``activation`` and ``embedding`` are used; parameter ``groups`` of
            the maps, which divides ``hidden`` as the heads do.
        schema: one node type and one edge type.
        node_type: whose nodes get outputs.
        out_channels: width of the outputs.

    Raises:
        UsageError: a graph of several types, or heads or groups that do not divide the width.
    """

    exact_layers = True
    needs_degree = True

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> None:
        super().__init__()
        if not schema.is_homogeneous:
            raise UsageError("dna needs one node type and one edge type", fix="choose another model")
        node, hidden = schema.nodes[node_type], options.hidden
        self.node_type, self.edge_type = node_type, next(iter(schema.edges))
        self.num_layers, self.out_channels, self.width = options.layers, out_channels, hidden
        self.encoder: nn.Module = (
            Linear(node.features, hidden) if node.features else NodeEmbedding(node.num_nodes, options.embedding, hidden)
        )
        self.first_dropout = Dropout(options.input_dropout or 0.0)
        self.dropout = Dropout(options.dropout)
        self.activation = activation_of(options.activation or "relu")
        attention_dropout = options.dropout if options.attention_dropout is None else options.attention_dropout
        try:
            self.layers = nn.ModuleList(
                DNAConv(
                    hidden,
                    heads=options.heads,
                    groups=int(options.parameters.get("groups", 1)),
                    dropout=attention_dropout,
                )
                for _ in range(options.layers)
            )
        except ValueError as problem:
            raise UsageError(f"--model dna: {problem}", fix="change --hidden, --heads or groups=") from problem
        self.output = Linear(hidden, out_channels)

    def first_parameters(self) -> list[str]:
        """Names of the parameters of the encoder and of the first layer."""
        return [name for name, _ in self.named_parameters() if name.startswith(("encoder.", "layers.0."))]

    def encode(self, x: Mapping[str, Tensor | None], node_id: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """First representations (n, hidden), by node type."""
        features = x.get(self.node_type)
        if isinstance(self.encoder, NodeEmbedding):
            h = self.encoder(node_id[self.node_type])
        elif features is None:
            raise ValueError(f"the model takes features of '{self.node_type}', the batch has none")
        else:
            h = self.encoder(self.first_dropout(features))
        return {self.node_type: self.dropout(self.activation(h))}

    def layer(
        self, index: int, h_src: dict[str, Tensor], h_dst: dict[str, Tensor], edges: LayerEdges
    ) -> dict[str, Tensor]:
        """(n, (index + 2) * hidden): the destinations' representations so far, and the new one."""
        t, own = self.edge_type, h_dst[self.node_type]
        source = h_src[self.node_type]  # whose first rows are the destinations
        rows = source.view(source.shape[0], index + 1, self.width)
        conv = cast(DNAConv, self.layers[index])
        h = conv(rows, edges.edge_index[t], edges.edge_weight.get(t), edges.edge_mask.get(t), edges.degree.get(t))
        return {self.node_type: torch.cat([own, self.activation(h)], 1)}

    def head(self, h: Tensor) -> Tensor:
        """(n, out_channels) logits of all representations side by side."""
        out: Tensor = self.output(self.dropout(h[:, -self.width :]))
        return out
