"""GPS: message passing and attention over whole graphs, layer by layer."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeSchema, EdgeType, GraphSchema
from gnnctl.nn.aggr.degree_scaler import DegreeScalerAggregation
from gnnctl.nn.conv.gin import GINConv
from gnnctl.nn.conv.gps import GPSConv
from gnnctl.nn.encodings import laplacian_encoding, random_walk_encoding
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import MessagePassing
from gnnctl.nn.models.convolutions import CONVS, Site, conv_at
from gnnctl.nn.models.encoder import NodeEmbedding, activation_of
from gnnctl.nn.models.options import ModelOptions

NO_LOCAL = "none"
ENCODINGS = {"random-walk": random_walk_encoding, "laplacian": laplacian_encoding}


class GPS(nn.Module):
    """The model of "Recipe for a General, Powerful, Scalable Graph Transformer" (Rampasek et al., 2022).

    A Linear, layers of :class:`~gnnctl.nn.conv.GPSConv`, and a Linear. All nodes of a graph attend to each other: a
    sampled part of one gives other numbers, so that graphs are taken whole.

    Args:
        options: ``hidden``, ``layers``, ``heads``, ``dropout``, ``activation`` and ``embedding`` are used; parameters
            ``local``, a convolution of :data:`~gnnctl.nn.models.convolutions.CONVS` with its own defaults, or ``none``
            for attention alone; ``batch_norm``, whether normalisation follows each part of a layer; ``encoding``, what
            is known of a node's place (random-walk, laplacian or none), mapped and added to what the first layer gets,
            and ``encoding_size``, how many numbers of it. Signs of eigenvectors are drawn anew in each training step.
        schema: one node type and one edge type.
        node_type: whose nodes get outputs.
        out_channels: width of the outputs.

    Raises:
        UsageError: a graph of several types, heads that do not share the width, or another local convolution.
    """

    whole_graph = True
    needs_degree = False

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> None:
        super().__init__()
        if not schema.is_homogeneous:
            raise UsageError("gps needs one node type and one edge type", fix="choose another model")
        if options.hidden % options.heads:
            raise UsageError(
                f"hidden {options.hidden} cannot be shared by {options.heads} heads",
                fix=f"make it a multiple of {options.heads}, or change heads",
            )
        node, hidden = schema.nodes[node_type], options.hidden
        self.node_type, self.edge_type = node_type, next(iter(schema.edges))
        self.out_channels, self.num_layers = out_channels, options.layers
        self.encoder: nn.Module = (
            Linear(node.features, hidden) if node.features else NodeEmbedding(node.num_nodes, options.embedding, hidden)
        )
        self.encoding = str(options.parameters.get("encoding", NO_LOCAL))
        if self.encoding not in (NO_LOCAL, *ENCODINGS):
            raise UsageError(
                f"--model gps: there is no encoding '{self.encoding}'", fix=f"choose {NO_LOCAL}, {', '.join(ENCODINGS)}"
            )
        self.place: nn.Module | None = None
        self.encoding_size = int(options.parameters.get("encoding_size", 20))
        if self.encoding_size < 1:
            raise UsageError(f"--model gps: encoding_size {self.encoding_size} is below 1", fix="pass e.g. 20")
        if self.encoding != NO_LOCAL:
            self.place = nn.Sequential(nn.BatchNorm1d(self.encoding_size), Linear(self.encoding_size, hidden))
        local = str(options.parameters.get("local", "gin"))
        self.layers = nn.ModuleList(
            GPSConv(
                hidden,
                None if local == NO_LOCAL else _local(local, options, schema.edges[self.edge_type], number),
                heads=options.heads,
                dropout=options.dropout,
                norm=bool(options.parameters.get("batch_norm", True)),
            )
            for number in range(1, options.layers + 1)
        )
        self.output = Linear(hidden, out_channels)

    def first_parameters(self) -> list[str]:
        """Names of the parameters of the encoder and of the first layer."""
        return [name for name, _ in self.named_parameters() if name.startswith(("encoder.", "place.", "layers.0."))]

    def fit_degrees(self, degrees: Callable[[EdgeType], Tensor]) -> None:
        """As :meth:`gnnctl.nn.models.GNN.fit_degrees`."""
        for part in self.modules():
            if isinstance(part, DegreeScalerAggregation):
                part.fit(degrees(self.edge_type))

    def prepare(self, batch: Batch) -> Batch:
        """Compute ahead where the nodes stand, which is kept in the batch as a column."""
        if self.place is not None:
            batch.columns.setdefault(self.node_type, {})[self._column] = self._found(batch)
        return batch

    @property
    def _column(self) -> str:
        return f"{self.encoding}:{self.encoding_size}"

    def _found(self, batch: Batch) -> Tensor:
        ptr = None if batch.ptr is None else batch.ptr[self.node_type]
        return ENCODINGS[self.encoding](batch.edge_index[self.edge_type], self.encoding_size, ptr)

    def _places(self, batch: Batch) -> Tensor:
        """(n, encoding_size): what :meth:`prepare` left in the batch, else computed now, outside of compiled graphs."""
        kept = batch.columns.get(self.node_type, {}).get(self._column)
        if kept is not None:
            return kept
        if torch.compiler.is_exporting():
            raise ValueError(f"encoding={self.encoding} is computed outside of compiled code")
        if torch.compiler.is_compiling():
            outside: Any = torch.compiler.disable
            return cast(Tensor, outside(self._found, reason="the batch was not prepared with its encodings")(batch))
        return self._found(batch)

    def forward(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(num_seeds, out_channels) logits; ``edge_mask`` by edge type (E,) multiplies every message."""
        return cast(Tensor, self.output(self.represent(batch, edge_mask)))

    def represent(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(num_seeds, hidden): what enters the last Linear."""
        t = self.edge_type
        if isinstance(self.encoder, NodeEmbedding):
            h = self.encoder(batch.node_id[self.node_type])
        elif (x := batch.x.get(self.node_type)) is None:
            raise ValueError(f"the model takes features of '{self.node_type}', the batch has none")
        else:
            h = self.encoder(x)
        if self.place is not None:
            places = self._places(batch)
            if self.training and self.encoding == "laplacian":
                places = places * (torch.randint(0, 2, places.shape[1:], device=places.device) * 2 - 1)
            h = h + self.place(places)
        values: dict[str, Any] = {
            "edge_weight": batch.edge_weight.get(t),
            "edge_attr": batch.edge_attr.get(t),
            "edge_mask": (edge_mask or {}).get(t),
            "x_0": h,
        }
        ptr = None if batch.ptr is None else batch.ptr[self.node_type]
        largest = None if batch.largest is None else batch.largest[self.node_type]
        for layer in self.layers:
            conv = cast(GPSConv, layer).conv
            taken = {} if conv is None else {name: value for name, value in values.items() if name in conv.inputs}
            h = layer(h, batch.edge_index[t], ptr, largest, **taken)
        return batch.seeds_of(h)


def _local(name: str, options: ModelOptions, schema: EdgeSchema, number: int) -> MessagePassing:
    kind = CONVS.get(name)
    if kind is None or kind.together:
        fits = ", ".join(other for other, one in CONVS.items() if not one.together)
        raise UsageError(f"--model gps: there is no local convolution '{name}'", fix=f"choose {NO_LOCAL}, {fits}")
    defaults = {key: value for key, value in kind.parameters().items() if value is not None}
    own = replace(options, name=name, parameters=defaults)
    conv = conv_at(kind, Site(own, schema, options.hidden, options.hidden, True, True, number))
    if isinstance(conv, GINConv):  # a Linear alone would not tell multisets apart
        activation = activation_of(options.activation or "relu")
        conv.network = nn.Sequential(conv.network, activation, Linear(options.hidden, options.hidden))
    return cast(MessagePassing, conv)
