"""One round of message passing over all edge types."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeSchema, EdgeType
from gnnctl.nn.conv import GATConv, GCNConv, GINConv, SAGEConv
from gnnctl.nn.models.encoder import RowNorm, activation_of
from gnnctl.nn.models.options import ModelOptions


@dataclass
class LayerEdges:
    """The edges of one layer and what they carry, by edge type; a type may be missing from any of them."""

    edge_index: dict[EdgeType, EdgeIndex]
    edge_weight: Mapping[EdgeType, Tensor | None] = field(default_factory=dict)
    edge_attr: Mapping[EdgeType, Tensor | None] = field(default_factory=dict)
    degree: Mapping[EdgeType, Degrees] = field(default_factory=dict)
    edge_mask: Mapping[EdgeType, Tensor] = field(default_factory=dict)


def module_name(name: str) -> str:
    """A type's name as a module's, which may hold no dot."""
    return name.replace(".", "%2E")


class TypedLayer(nn.Module):
    """A convolution per edge type, summed at each destination with a product of its own features.

    In a homogeneous graph the one convolution has the destination's own part as its paper has it; in a typed one that
    part is one Linear per node type.

    Args:
        options: the model's.
        edge_types: those that this layer follows.
        targets: node types whose output is wanted.
        in_channels: width of the input, the same for all types.
        out_channels: width of the output.
        homogeneous: one node type and one edge type.
        hidden: whether norm, activation and dropout follow (else this layer gives the outputs).
    """

    def __init__(
        self,
        options: ModelOptions,
        edge_types: Mapping[EdgeType, EdgeSchema],
        targets: list[str],
        in_channels: int,
        out_channels: int,
        *,
        homogeneous: bool,
        hidden: bool,
    ) -> None:
        super().__init__()
        self.options = options
        self.edge_types = list(edge_types)
        self.targets = targets
        self.homogeneous = homogeneous
        self.convs = nn.ModuleDict(
            {
                module_name(t.key): _conv(options, schema, in_channels, out_channels, homogeneous, hidden)
                for t, schema in edge_types.items()
            }
        )
        rooted = not homogeneous or options.name == "sage"
        self.roots = nn.ModuleDict(
            {module_name(t): nn.Linear(in_channels, out_channels) for t in targets} if rooted else {}
        )
        kind = options.activation or ("elu" if options.name == "gat" else "relu")
        mixed = options.feed_forward or options.name == "gin"
        self.mixers = nn.ModuleDict(
            {module_name(t): nn.Sequential(activation_of(kind), nn.Linear(out_channels, out_channels)) for t in targets}
            if mixed
            else {}
        )
        self.norms = nn.ModuleDict(
            {module_name(t): RowNorm(options.norm, out_channels) for t in targets} if hidden else {}
        )
        self.activation = activation_of(kind) if hidden else None
        self.dropout = nn.Dropout(options.dropout if hidden else 0.0)
        self.residual = options.residual and in_channels == out_channels

    def forward(self, h_src: dict[str, Tensor], h_dst: dict[str, Tensor], edges: LayerEdges) -> dict[str, Tensor]:
        """Output rows of the destinations, by node type.

        Args:
            h_src: (S, in_channels) rows by node type.
            h_dst: (D, in_channels) rows by node type, those to compute; in general other nodes than the sources.
            edges: from the former to the latter.
        """
        out: dict[str, Tensor] = {}
        for name in self.targets:
            if name in h_dst and module_name(name) in self.roots:
                out[name] = self.roots[module_name(name)](h_dst[name])
        for t in self.edge_types:
            index = edges.edge_index.get(t)
            if index is None or t.src not in h_src or t.dst not in h_dst:
                continue
            if not self.homogeneous and (index.num_edges == 0 or index.num_dst == 0):
                continue  # nothing arrives: without a bias the convolution would add zeros
            arrived = self._convolve(t, h_src[t.src], h_dst[t.dst], index, edges)
            out[t.dst] = out[t.dst] + arrived if t.dst in out else arrived
        return {name: self._finish(name, h, h_dst[name]) for name, h in out.items()}

    def _convolve(self, t: EdgeType, source: Tensor, target: Tensor, index: EdgeIndex, edges: LayerEdges) -> Tensor:
        conv = self.convs[module_name(t.key)]
        pair = (source, target)
        weight, mask, attr = edges.edge_weight.get(t), edges.edge_mask.get(t), edges.edge_attr.get(t)
        degree = edges.degree.get(t)
        if isinstance(conv, GCNConv):
            result = conv(pair, index, weight, mask, degree)
        elif isinstance(conv, GINConv):
            result = conv(pair, index, weight, mask, degree, attr)
        elif isinstance(conv, GATConv):
            result = conv(pair, index, weight, mask, attr)
        else:
            result = conv(pair, index, weight, mask)
        out: Tensor = result
        return out

    def _finish(self, name: str, h: Tensor, before: Tensor) -> Tensor:
        key = module_name(name)
        if key in self.mixers:
            h = self.mixers[key](h)
        if self.activation is None:
            return h
        h = self.dropout(self.activation(self.norms[key](h)))
        return h + before if self.residual else h


def _conv(
    options: ModelOptions,
    schema: EdgeSchema,
    in_channels: int,
    out_channels: int,
    homogeneous: bool,
    hidden: bool,
) -> nn.Module:
    if options.name == "sage":
        return SAGEConv(in_channels, out_channels, aggr=options.aggr, root=False, bias=False)
    if options.name == "gcn":
        return GCNConv(in_channels, out_channels, self_loops=homogeneous, bias=homogeneous)
    if options.name == "gin":
        network = nn.Linear(in_channels, out_channels, bias=homogeneous)
        return GINConv(network, edge_channels=schema.features, in_channels=in_channels, root=homogeneous)
    if options.name != "gat":
        raise ValueError(f"no such layer: {options.name}")
    heads = options.heads if hidden else options.output_heads
    width = out_channels // heads if hidden else out_channels
    return GATConv(
        in_channels if homogeneous else (in_channels, in_channels),
        width,
        heads=heads,
        concat=hidden,
        dropout=options.dropout if options.attention_dropout is None else options.attention_dropout,
        edge_channels=schema.features,
        self_loops=homogeneous,
        bias=homogeneous,
    )
