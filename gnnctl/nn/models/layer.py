"""One round of message passing over typed edges."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.relations import RelationPairs, join_relations
from gnnctl.graph.types import EdgeSchema, EdgeType
from gnnctl.nn.conv.sage import SAGEConv
from gnnctl.nn.dropout import Dropout
from gnnctl.nn.hetero.grouped import LEAST_RELATIONS, GroupedRelations, alike
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import MessagePassing
from gnnctl.nn.models.convolutions import Site, conv_at, conv_of, make_round
from gnnctl.nn.models.encoder import RowNorm, activation_of
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.typed import module_name


@dataclass
class LayerEdges:
    """The edges of one layer and what they carry, by edge type; a type may be missing from any of them."""

    edge_index: dict[EdgeType, EdgeIndex]
    edge_weight: Mapping[EdgeType, Tensor | None] = field(default_factory=dict)
    edge_attr: Mapping[EdgeType, Tensor | None] = field(default_factory=dict)
    degree: Mapping[EdgeType, Degrees] = field(default_factory=dict)
    edge_mask: Mapping[EdgeType, Tensor] = field(default_factory=dict)
    pairs: RelationPairs | None = None  # of all edge types, where they were arranged ahead

    def values(self, edge_type: EdgeType) -> dict[str, Any]:
        """What the edges of a type carry, by the names that layers give it; None where they carry it not."""
        return {
            "edge_weight": self.edge_weight.get(edge_type),
            "edge_attr": self.edge_attr.get(edge_type),
            "edge_mask": self.edge_mask.get(edge_type),
            "degree": self.degree.get(edge_type),
        }


class TypedLayer(nn.Module):
    """A convolution per edge type, summed at each destination with a product of its own features.

    In a homogeneous graph the one convolution has the destination's own part as its paper has it; in a typed one that
    part is one Linear per node type.

    Where there are many edge types whose convolutions are of SAGE's form, one aggregation and one grouped product do
    for all of them, with the same numbers.

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
        self.own = kind.own
        site = partial(
            Site, options, in_channels=in_channels, out_channels=out_channels, homogeneous=homogeneous, hidden=hidden
        )
        followed = {} if kind.together else edge_types
        convs = {t: conv_at(kind, site(schema=schema, layer=number)) for t, schema in followed.items()}
        self.together: nn.Module | None = None
        if kind.together and edge_types:
            self.together = make_round(kind, options, self.edge_types, in_channels, out_channels)
        elif len(convs) >= LEAST_RELATIONS and not homogeneous and alike(list(convs.values())):
            self.together, convs = GroupedRelations.of(cast(dict[EdgeType, SAGEConv], convs)), {}
        self.convs = nn.ModuleDict({module_name(t.key): conv for t, conv in convs.items()})
        self.keeps = kind.together and not kind.rooted  # what a node type has, where nothing leads to it
        rooted = kind.rooted if kind.together else not homogeneous
        self.roots = nn.ModuleDict(
            {} if not rooted else {module_name(t): Linear(in_channels, out_channels) for t in targets}
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
        self.dropout = Dropout(options.dropout if hidden else 0.0)
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
        if self.together is not None:
            for name, arrived in self._all(h_src, h_dst, edges).items():
                out[name] = out[name] + arrived if name in out else arrived
        if self.keeps:
            out |= {name: h for name, h in h_dst.items() if name in self.targets and name not in out}
        for t in self.edge_types if self.together is None else ():
            index = edges.edge_index.get(t)
            if index is None or t.src not in h_src or t.dst not in h_dst:
                continue
            if not self.homogeneous and not self.own and (index.num_edges == 0 or index.num_dst == 0):
                continue  # nothing arrives: without a bias the convolution would add zeros
            given = edges.values(t)
            if x_0 is not None:
                given["x_0"] = x_0[t.dst]
            conv = cast(MessagePassing, self.convs[module_name(t.key)])
            arrived = conv((h_src[t.src], h_dst[t.dst]), edge_index=index, **_taken(conv, given))
            out[t.dst] = out[t.dst] + arrived if t.dst in out else arrived
        return {name: self._finish(name, h, before[name]) for name, h in out.items()}

    def convs_by_type(self) -> Iterator[tuple[EdgeType, nn.Module]]:
        """Each edge type with its convolution, where it has one of its own."""
        return ((t, self.convs[n]) for t in self.edge_types if (n := module_name(t.key)) in self.convs)

    def pairs(self, edge_index: Mapping[EdgeType, EdgeIndex]) -> RelationPairs | None:
        """What the layer needs of its edges' structure, for a loader to compute ahead; None where that is nothing."""
        if not isinstance(self.together, GroupedRelations) or not any(t in edge_index for t in self.edge_types):
            return None
        return join_relations({t: edge_index[t] for t in self.edge_types if t in edge_index}, self.edge_types)

    def _all(self, h_src: dict[str, Tensor], h_dst: dict[str, Tensor], edges: LayerEdges) -> dict[str, Tensor]:
        """What arrives over all edge types."""
        found: dict[str, Tensor]
        index = {t: e for t, e in edges.edge_index.items() if t in self.edge_types and t.dst in h_dst}
        if isinstance(self.together, GroupedRelations):
            ready = edges.pairs if all(t.src in h_src for t in index) else None
            found = self.together(h_src, index, edges.edge_weight, edges.edge_mask, ready)
        else:
            assert self.together is not None
            found = self.together(h_src, {t: h for t, h in h_dst.items() if t in self.targets}, index, edges.edge_mask)
        return found

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
