"""Graph U-Nets over nodes of one type."""

from collections.abc import Mapping
from typing import Literal, cast

from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.dropout import Dropout
from gnnctl.nn.message_passing import masked
from gnnctl.nn.models.encoder import NodeEmbedding, activation_of
from gnnctl.nn.models.graph_unet import GraphUNet
from gnnctl.nn.models.options import ModelOptions


class GraphUNetModel(nn.Module):
    """:class:`~gnnctl.nn.models.GraphUNet` of a whole graph, or of each graph of a batch by itself.

    Args:
        options: ``layers`` is the number of levels; ``hidden``, ``dropout`` (of the features), ``activation`` and
            ``embedding`` are used; parameters ``ratio`` of the nodes that a level keeps, and ``join``, sum or cat.
        schema: one node type and one edge type.
        node_type: whose nodes get outputs.
        out_channels: width of the outputs.

    Raises:
        UsageError: a graph of several types, or parameters out of range.
    """

    whole_graph = True
    needs_degree = False

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> None:
        super().__init__()
        if not schema.is_homogeneous:
            raise UsageError("graph-unet needs one node type and one edge type", fix="choose another model")
        ratio, join = float(options.parameters.get("ratio", 0.5)), str(options.parameters.get("join", "sum"))
        if not 0 < ratio <= 1:
            raise UsageError(f"--model graph-unet: ratio {ratio} is outside (0, 1]", fix="pass ratio=0.5")
        if join not in ("sum", "cat"):
            raise UsageError(f"--model graph-unet: join cannot be '{join}'", fix="pass join=sum or join=cat")
        node = schema.nodes[node_type]
        self.node_type, self.edge_type = node_type, next(iter(schema.edges))
        self.out_channels, self.num_layers = out_channels, options.layers
        self.embedding = None if node.features else NodeEmbedding(node.num_nodes, options.embedding, options.hidden)
        self.dropout = Dropout(options.dropout if options.input_dropout is None else options.input_dropout)
        self.unet = GraphUNet(
            node.features or options.hidden,
            options.hidden,
            out_channels,
            depth=options.layers,
            ratio=ratio,
            join=cast(Literal["sum", "cat"], join),
            activation=activation_of(options.activation or "relu"),
        )

    def first_parameters(self) -> list[str]:
        """Names of the parameters of the embedding and of the first convolution."""
        return [name for name, _ in self.named_parameters() if name.startswith(("embedding.", "unet.down.0."))]

    def forward(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(num_seeds, out_channels) logits; ``edge_mask`` by edge type (E,) multiplies an edge's weight."""
        x = batch.x.get(self.node_type)
        if self.embedding is not None:
            x = self.embedding(batch.node_id[self.node_type])
        if x is None:
            raise ValueError(f"the model takes features of '{self.node_type}', the batch has none")
        t, ptr = self.edge_type, None if batch.ptr is None else batch.ptr[self.node_type]
        weight = masked(batch.edge_weight.get(t), (edge_mask or {}).get(t))
        return batch.seeds_of(self.unet(self.dropout(x), batch.edge_index[t], ptr, weight))
