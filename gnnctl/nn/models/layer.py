"""One round of message passing over typed edges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeSchema, EdgeType
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import MessagePassing
from gnnctl.nn.models.convolutions import ConvKind, Site, conv_of, make_conv
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

    def values(self, edge_type: EdgeType) -> dict[str, Any]:
        """What the edges of a type carry, by the names that layers give it; None where they carry it not."""
        return {
            "edge_weight": self.edge_weight.get(edge_type),
            "edge_attr": self.edge_attr.get(edge_type),
            "edge_mask": self.edge_mask.get(edge_type),
            "degree": self.degree.get(edge_type),
        }


def module_name(name: str) -> str:
    """A type's name as a module's, which may hold no dot."""
    return name.replace(".", "%2E")


class TypedLayer(nn.Module):
    """A convolution per edge type, summed at each destination with a product of its own features.

    In a homogeneous graph the one convolution has the destination's own part as its paper has it; in a typed one that
    part is one Linear per node type.

    Norm, activation and dropout follow the sum, and the layer's input is added to the result (``order`` post); or they
    come before it, and the input is added to the sum (``order`` pre; "DeepGCNs", Li et al., 2019).

    Args:
        options: the model's.
        edge_types: those that this layer follows.
        targets: node types whose output is wanted.
        in_channels: width of the input, the same for all types.
        out_channels: width of the output.
        homogeneous: one node type and one edge type.
        hidden: whether norm, activation and dropout belong to it (else this layer gives the outputs).
        number: of the layer, from 1.
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
        number: int,
    ) -> None:
        super().__init__()
        self.options = options
        self.edge_types = list(edge_types)
        self.targets = targets
        self.homogeneous = homogeneous
        kind = conv_of(options)
        site = partial(
            Site, options, in_channels=in_channels, out_channels=out_channels, homogeneous=homogeneous, hidden=hidden
        )
        self.convs = nn.ModuleDict(
            {module_name(t.key): _conv(kind, site(schema=schema, layer=number)) for t, schema in edge_types.items()}
        )
        self.roots = nn.ModuleDict(
            {} if homogeneous else {module_name(t): Linear(in_channels, out_channels) for t in targets}
        )
        activation = options.activation or kind.activation
        self.mixers = nn.ModuleDict()
        if options.feed_forward or kind.mixed:
            for t in targets:
                mixer = nn.Sequential(activation_of(activation), Linear(out_channels, out_channels))
                self.mixers[module_name(t)] = mixer
        self.pre = hidden and options.order == "pre"
        sources = [t.src for t in edge_types] if self.pre else []
        width = in_channels if self.pre else out_channels
        normed = dict.fromkeys([*targets, *sources]) if hidden else {}
        self.norms = nn.ModuleDict({module_name(t): RowNorm(options.norm, width) for t in normed})
        self.activation = activation_of(activation) if hidden else None
        self.dropout = nn.Dropout(options.dropout if hidden else 0.0)
        self.residual = options.residual and in_channels == out_channels

    def forward(
        self,
        h_src: dict[str, Tensor],
        h_dst: dict[str, Tensor],
        edges: LayerEdges,
        x_0: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Output rows of the destinations, by node type.

        Args:
            h_src: (S, in_channels) rows by node type.
            h_dst: (D, in_channels) rows by node type, those to compute; where their type is among the sources they are
                its first rows.
            edges: from the former to the latter.
            x_0: (D, in_channels) first representations of the destinations, for convolutions that ask for them.
        """
        before = h_dst
        if self.pre:
            h_src = {name: self._normed(name, h) for name, h in h_src.items() if module_name(name) in self.norms}
            h_dst = {
                name: h_src[name][: h.shape[0]] if name in h_src else self._normed(name, h)
                for name, h in h_dst.items()
                if module_name(name) in self.norms
            }
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
            given = edges.values(t)
            if x_0 is not None:
                given["x_0"] = x_0[t.dst]
            conv = cast(MessagePassing, self.convs[module_name(t.key)])
            arrived = conv((h_src[t.src], h_dst[t.dst]), edge_index=index, **_taken(conv, given))
            out[t.dst] = out[t.dst] + arrived if t.dst in out else arrived
        return {name: self._finish(name, h, before[name]) for name, h in out.items()}

    def _normed(self, name: str, h: Tensor) -> Tensor:
        assert self.activation is not None
        out: Tensor = self.dropout(self.activation(self.norms[module_name(name)](h)))
        return out

    def _finish(self, name: str, h: Tensor, before: Tensor) -> Tensor:
        key = module_name(name)
        if key in self.mixers:
            h = self.mixers[key](h)
        if self.activation is not None and not self.pre:
            h = self._normed(name, h)
        return h + before if self.residual and self.activation is not None else h


def _taken(conv: MessagePassing, given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in conv.inputs}


def _conv(kind: ConvKind, site: Site) -> nn.Module:
    return make_conv(kind, site) if kind.make is None else kind.make(kind, site)
