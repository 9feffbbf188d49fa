"""The model over typed graphs, of which a homogeneous one is the case of one type."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.aggr.degree_scaler import DegreeScalerAggregation
from gnnctl.nn.dropout import Dropout
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import MessagePassing
from gnnctl.nn.models.convolutions import conv_of
from gnnctl.nn.models.encoder import NodeEmbedding, RowNorm, activation_of
from gnnctl.nn.models.jump import Jump
from gnnctl.nn.models.layer import LayerEdges, TypedLayer
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.steps import LayeredModel
from gnnctl.nn.typed import module_name


class GNN(LayeredModel):
    """Rounds of message passing towards one node type.

    Only node and edge types from which the target can still be reached are computed, and of a sampled batch only
    the nodes that a later layer uses.

    What enters a layer has a row for each node: its representation, and beside it what a later layer or the output
    must remember of earlier ones (the first representation for convolutions that ask for ``x_0``, all of them for
    ``jump``), so that layers can be computed one after the other for any part of the graph.

    Args:
        options: the architecture.
        schema: types and widths of the graph.
        node_type: whose nodes get outputs.
        out_channels: width of the outputs.
        towards: all node types whose representations are wanted, where those are several.

    Raises:
        UsageError: the target is unknown, or options do not fit the graph.
    """

    exact_layers = True

    def __init__(
        self,
        options: ModelOptions,
        schema: GraphSchema,
        node_type: str,
        out_channels: int,
        towards: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if node_type not in schema.nodes:
            raise UsageError(f"the graph has no node type '{node_type}'", fix=f"it has {', '.join(schema.nodes)}")
        kind = conv_of(options)
        if kind.attends and options.hidden % options.heads:
            raise UsageError(
                f"hidden {options.hidden} cannot be shared by {options.heads} heads",
                fix=f"make it a multiple of {options.heads}, or change heads",
            )
        self.options = options
        self.node_type = node_type
        self.num_layers = options.layers
        self.out_channels = out_channels
        homogeneous = schema.is_homogeneous
        if not homogeneous and not kind.typed:
            raise UsageError(f"{options.name} needs one node type and one edge type", fix="choose another model")
        bare = homogeneous and schema.nodes[node_type].features > 0
        self.remembers_first = "x_0" in kind.takes
        same_widths = kind.encoded or self.remembers_first or options.order == "pre"
        self.encoded = not bare or same_widths if options.encode is None else options.encode
        if not self.encoded and (not bare or same_widths):
            what = f"{options.name} needs one" if same_widths else "nodes of many types or without features need one"
            raise UsageError(f"encode false: {what}", fix="leave the option away")
        jumps = options.jump != "none"

        # From the outputs backwards: the node types whose representation each layer's input must have.
        self.needed: list[list[str]] = [list(towards or [node_type])]
        followed: list[dict[EdgeType, int]] = []
        for _ in range(options.layers):
            used = [t for t in schema.edges if t.dst in self.needed[0]]
            followed.insert(0, dict.fromkeys(used, 0))
            sources = {t.src for t in used} | set(self.needed[0])
            self.needed.insert(0, [name for name in schema.nodes if name in sources])

        self.encoders = nn.ModuleDict()
        if self.encoded:
            for name in self.needed[0]:
                node = schema.nodes[name]
                self.encoders[module_name(name)] = (
                    Linear(node.features, options.hidden)
                    if node.features
                    else NodeEmbedding(node.num_nodes, options.embedding, options.hidden)
                )
        self.activation = activation_of(options.activation or kind.activation)
        self.first_dropout = Dropout(_first_dropout(options, self.encoded))
        self.hidden_dropout = Dropout(options.dropout if self.encoded else 0.0)
        self.widths = [options.hidden] * (options.layers + 1)
        if not self.encoded:
            self.widths[0] = schema.nodes[node_type].features
            self.widths[-1] = options.hidden if jumps else out_channels
        self.layers = nn.ModuleList(
            TypedLayer(
                options,
                {t: schema.edges[t] for t in followed[i]},
                self.needed[i + 1],
                self.widths[i],
                self.widths[i + 1],
                homogeneous=homogeneous,
                hidden=self.encoded or jumps or i + 1 < options.layers,
                number=i + 1,
            )
            for i in range(options.layers)
        )
        self.needs_degree = "degree" in kind.takes
        self.adds_self_loops = any(isinstance(m, MessagePassing) and m.adds_loops for m in self.modules())
        self.jump = Jump(options.jump, options.hidden, options.layers) if jumps else None
        ends = options.hidden if self.jump is None else self.jump.out_channels
        self.last_norm = RowNorm(options.norm, ends) if options.order == "pre" else None
        self.output = Linear(ends, out_channels) if self.encoded or jumps else None

    def first_parameters(self) -> list[str]:
        """Names of the parameters of the encoders and of the first layer."""
        return [name for name, _ in self.named_parameters() if name.startswith(("encoders.", "layers.0."))]

    def fit_degrees(self, degrees: Callable[[EdgeType], Tensor]) -> None:
        """Take the training graph's degrees, where aggregations are scaled by them; before training.

        Args:
            degrees: of an edge type (K,) integers, how many destinations have 0, 1, ... K - 1 in-edges.
        """
        for layer in self.layers:
            for t, conv in cast(TypedLayer, layer).convs_by_type():
                for part in conv.modules():
                    if isinstance(part, DegreeScalerAggregation):
                        part.fit(degrees(t))

    def prepare(self, batch: Batch) -> Batch:
        """Compute ahead what this model's forward and backward need of the batch's structure."""
        if batch.layers:
            return batch
        found = {
            i: cast(TypedLayer, layer).pairs(batch.trimmed(i, self.num_layers)) for i, layer in enumerate(self.layers)
        }
        batch.pairs = {i: pairs.transposed() for i, pairs in found.items() if pairs is not None}
        return batch.prepare(
            self.num_layers, first=self.encoded, self_loops=self.adds_self_loops, grouped=batch.pairs.keys()
        )

    # -- layer by layer, for exact inference --------------------------------------------------------------------------

    def encode(self, x: Mapping[str, Tensor | None], node_id: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """First representations (n, width), by node type; types that are never needed are left out.

        Args:
            x: by node type (n, F) features, None for types without.
            node_id: by node type (n,) int64 rows in the graph.
        """
        found: dict[str, Tensor] = {}
        for name in self.needed[0]:
            if name not in node_id:
                continue
            features = x.get(name)
            if not self.encoded:
                if features is None:
                    raise ValueError(f"the model takes features of '{name}', the batch has none")
                found[name] = self.first_dropout(features)
                continue
            encoder = self.encoders[module_name(name)]
            if isinstance(encoder, NodeEmbedding):
                h = encoder(node_id[name])
            elif features is None:
                raise ValueError(f"the model takes features of '{name}', the batch has none")
            else:
                h = encoder(self.first_dropout(features))
            found[name] = self.hidden_dropout(self.activation(h))
        return found

    def layer(
        self, index: int, h_src: dict[str, Tensor], h_dst: dict[str, Tensor], edges: LayerEdges
    ) -> dict[str, Tensor]:
        """What enters layer ``index + 1``, or the head: rows of the destinations, by node type.

        Args:
            index: of the layer.
            h_src, h_dst: what enters this one; where a destination type is among the sources, it is its first rows.
            edges: from the former to the latter.
        """
        layer, width = cast(TypedLayer, self.layers[index]), self.widths[index]
        if not self.remembers_first and self.jump is None:
            out: dict[str, Tensor] = layer(h_src, h_dst, edges)
            return out
        # Newest first, so that the representation to work on is the first columns; the very first is the last ones.
        first = {t: h[:, -self.widths[0] :] for t, h in h_dst.items()} if self.remembers_first else None
        now = {t: h[:, :width] for t, h in h_dst.items()}
        found = layer({t: h[:, :width] for t, h in h_src.items()}, now, edges, first)
        memory: Mapping[str, Tensor] = first or {}
        if self.jump is not None and (index or self.remembers_first):
            memory = h_dst
        return {t: torch.cat([h, memory[t]], 1) if t in memory else h for t, h in found.items()}

    def head(self, h: Tensor) -> Tensor:
        """(n, out_channels) logits of what the last layer gives."""
        if self.jump is not None:
            layers = torch.split(h, self.options.hidden, dim=1)[: self.num_layers]
            h = self.jump(list(layers[::-1]))
        elif self.remembers_first:
            h = h[:, : self.widths[-1]]
        if self.last_norm is not None:
            h = self.hidden_dropout(self.activation(self.last_norm(h)))
        return h if self.output is None else self.output(h)


def _first_dropout(options: ModelOptions, encoded: bool) -> float:
    if options.input_dropout is not None:
        return options.input_dropout
    return 0.0 if encoded else options.dropout
