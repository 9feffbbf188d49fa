"""The convolutions that the layers of a model can be made of, by name."""

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from gnnctl.errors import UsageError
from gnnctl.graph.types import EdgeSchema, EdgeType
from gnnctl.nn.linear import Linear
from gnnctl.nn.models.options import Activation, ModelOptions
from gnnctl.parameters import Value, defaults_of

# What the model's options decide, so that it is no parameter of the convolution's own.
_DECIDED = {
    "in_channels", "out_channels", "channels", "heads", "concat", "dropout", "edge_channels", "aggr", "aggrs",
    "scalers", "num_relations", "root", "residual", "self_loops", "bias", "layer", "network", "self", "edge_types",
}  # fmt: skip


# What layers of any convolution make use of.
_LAYERS_USE = (
    "hidden", "dropout", "input_dropout", "norm", "activation", "order", "residual", "jump", "encode", "embedding",
    "feed_forward",
)  # fmt: skip
NN_HIDDEN = 32  # width between edge features and the matrices that NNConv makes of them


@dataclass(frozen=True)
class Site:
    """Where a convolution stands: one edge type in one layer of a model.

    Attributes:
        options: the model's.
        schema: of the edge type.
        in_channels, out_channels: widths of the layer.
        homogeneous: the graph has one node type and one edge type, so the destination's own part is the
            convolution's; else each node type has a Linear for it.
        hidden: another layer or a Linear follows.
        layer: counted from 1.
    """

    options: ModelOptions
    schema: EdgeSchema
    in_channels: int
    out_channels: int
    homogeneous: bool
    hidden: bool
    layer: int


@dataclass(frozen=True)
class ConvKind:
    """A convolution as models use it.

    Attributes:
        path: ``module:Class``.
        summary: what it is for, in a few words.
        make: builds it; None: from its constructor's parameters, see :func:`make_conv`.
        activation: of the layers, unless the options name another.
        mixed: a hidden Linear and an activation follow each aggregation.
        fixed: constructor arguments that have no default, or another one here.
        encoded: a Linear comes before the first layer and after the last, whatever the graph.
        typed: whether it may stand between nodes of different types.
        needs_features: whether every edge type must have features.
        together: it is one layer for all edge types; see :func:`make_round`.
        rooted: of such a one, whether each node type has a Linear for the destination's own part.
        own: whether a destination without edges gets more than zeros from it, even between types.
    """

    path: str
    summary: str
    make: Callable[["ConvKind", Site], nn.Module] | None = None
    activation: Activation = "relu"
    mixed: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    encoded: bool = False
    typed: bool = True
    together: bool = False
    rooted: bool = True
    own: bool = False
    needs_features: bool = False

    @property
    def cls(self) -> type[nn.Module]:
        """The class; imported now."""
        module, _, name = self.path.partition(":")
        found: type[nn.Module] = getattr(importlib.import_module(module), name)
        return found

    @property
    def accepts(self) -> frozenset[str]:
        """Names of the constructor's parameters."""
        return frozenset(inspect.signature(self.cls.__init__).parameters)

    @property
    def takes(self) -> frozenset[str]:
        """Names of what its forward takes."""
        return frozenset(inspect.signature(self.cls.forward).parameters)

    @property
    def attends(self) -> bool:
        """Whether it has heads side by side."""
        return "heads" in self.accepts and ("concat" in self.accepts or self.together)

    @property
    def uses(self) -> tuple[str, ...]:
        """Fields of the model's options that layers of it make use of."""
        by_itself = {
            "heads": self.attends,
            "output_heads": self.attends and not self.together,
            "attention_dropout": "dropout" in self.accepts,
            "aggr": "aggr" in self.accepts,
        }
        return (*_LAYERS_USE, *(name for name, used in by_itself.items() if used))

    def parameters(self) -> dict[str, Value | None]:
        """Its own parameters with their defaults: ``--model NAME:parameter=value``."""
        decided = _DECIDED | self.fixed.keys() if self.attends else (_DECIDED - {"heads"}) | self.fixed.keys()
        own = {key: value for key, value in self.fixed.items() if isinstance(value, Value)}
        return defaults_of(self.cls.__init__, decided) | own


def conv_at(kind: ConvKind, site: Site) -> nn.Module:
    """The convolution for a site.

    Raises:
        UsageError: options that do not fit, or edges without the features that it needs.
    """
    if kind.needs_features and not site.schema.features:
        raise UsageError(f"{site.options.name} needs edge features", fix="ingest some, or choose another model")
    return make_conv(kind, site) if kind.make is None else kind.make(kind, site)


def make_conv(kind: ConvKind, site: Site) -> nn.Module:
    """The convolution for a site, its options taken from the model's wherever its constructor has them."""
    options, accepts = site.options, kind.accepts
    given: dict[str, Any] = {**kind.fixed, **options.parameters}
    width = site.out_channels
    if "layer" in accepts:
        given["layer"] = site.layer
    if kind.attends:
        given["heads"] = options.heads if site.hidden else options.output_heads
        given["concat"] = site.hidden
        width = width // given["heads"] if site.hidden else width
    if "dropout" in accepts:
        given["dropout"] = options.dropout if options.attention_dropout is None else options.attention_dropout
    if "edge_channels" in accepts:
        given["edge_channels"] = site.schema.features
    if "aggr" in accepts and options.aggr is not None:
        given["aggr"] = options.aggr
    if not site.homogeneous:
        given |= dict.fromkeys(accepts & {"root", "self_loops", "bias"}, False)
    widths: list[Any] = [_in_channels(kind, site)] if "in_channels" in accepts else []
    if accepts & {"out_channels", "channels"}:
        widths.append(width)
    try:
        return kind.cls(*widths, **given)
    except (TypeError, ValueError) as problem:
        raise UsageError(f"--model {options.name}: {problem}", fix="change its options") from problem


def make_round(
    kind: ConvKind, options: ModelOptions, edge_types: Sequence[EdgeType], in_channels: int, out_channels: int
) -> nn.Module:
    """The layer over all edge types, of a kind that is one; its options as :func:`make_conv` takes them."""
    given: dict[str, Any] = {**kind.fixed, **options.parameters}
    if "heads" in kind.accepts:
        given["heads"] = options.heads
    if "dropout" in kind.accepts:
        given["dropout"] = options.dropout if options.attention_dropout is None else options.attention_dropout
    if options.aggr is not None:
        given["aggr"] = options.aggr
    try:
        return kind.cls(in_channels, out_channels, edge_types, **given)
    except (TypeError, ValueError) as problem:
        raise UsageError(f"--model {options.name}: {problem}", fix="change its options") from problem


def _in_channels(kind: ConvKind, site: Site) -> int | tuple[int, int]:
    pairs = "tuple" in str(inspect.signature(kind.cls.__init__).parameters["in_channels"].annotation)
    return (site.in_channels, site.in_channels) if pairs and not site.homogeneous else site.in_channels


def _gin(kind: ConvKind, site: Site) -> nn.Module:
    network = Linear(site.in_channels, site.out_channels, bias=site.homogeneous)
    own = {"edge_channels": site.schema.features, "in_channels": site.in_channels, "root": site.homogeneous}
    return kind.cls(network, **own, **site.options.parameters)


def _edge(kind: ConvKind, site: Site) -> nn.Module:
    width = site.out_channels
    network = nn.Sequential(Linear(2 * site.in_channels, width), nn.ReLU(), Linear(width, width))
    return kind.cls(network, **_aggr(site), **site.options.parameters)


def _nn(kind: ConvKind, site: Site) -> nn.Module:
    product = site.in_channels * site.out_channels
    network = nn.Sequential(Linear(site.schema.features, NN_HIDDEN), nn.ReLU(), Linear(NN_HIDDEN, product))
    own = {"root": site.homogeneous, "bias": site.homogeneous}
    return kind.cls(_in_channels(kind, site), site.out_channels, network, **own, **_aggr(site))


def _aggr(site: Site) -> dict[str, Any]:
    return {} if site.options.aggr is None else {"aggr": site.options.aggr}


CONVS: dict[str, ConvKind] = {
    "sage": ConvKind("gnnctl.nn.conv:SAGEConv", "mean (or another aggregation) of neighbours; a good first choice"),
    "gcn": ConvKind("gnnctl.nn.conv:GCNConv", "normalised sum; citation-like graphs whose neighbours are alike"),
    "gat": ConvKind("gnnctl.nn.conv:GATConv", "attention that ranks neighbours, alike for all nodes", activation="elu"),
    "gatv2": ConvKind(
        "gnnctl.nn.conv:GATv2Conv", "attention that ranks neighbours anew for each node", activation="elu"
    ),
    "transformer": ConvKind(
        "gnnctl.nn.conv:TransformerConv", "dot-product attention, edge features in keys and values"
    ),
    "supergat": ConvKind("gnnctl.nn.conv:SuperGATConv", "attention by who looks like a neighbour", activation="elu"),
    "agnn": ConvKind("gnnctl.nn.conv:AGNNConv", "attention by likeness, one weight a layer", encoded=True),
    "feast": ConvKind("gnnctl.nn.conv:FeaStConv", "neighbours dealt softly to several matrices; meshes"),
    "gin": ConvKind("gnnctl.nn.conv:GINConv", "sum and an MLP; tells structures apart", make=_gin, mixed=True),
    "rgcn": ConvKind(
        "gnnctl.nn.models.rgcn:RGCNRound",
        "a matrix for each relation; graphs of many relations",
        together=True,
        encoded=True,
    ),
    "hgt": ConvKind(
        "gnnctl.nn.models.hgt:HGTRound",
        "transformer over typed edges; large graphs of few types",
        together=True,
        encoded=True,
        rooted=False,
    ),
    "han": ConvKind(
        "gnnctl.nn.models.han:HANRound",
        "attention over neighbours, then over relations",
        together=True,
        encoded=True,
        activation="elu",
    ),
    "graph": ConvKind("gnnctl.nn.conv:GraphConv", "weighted sum beside a node's own part; higher-order GNN's first"),
    "pna": ConvKind(
        "gnnctl.nn.conv:PNAConv",
        "mean, min, max and std, scaled by degree; regression on molecules and the like",
        fixed={"degrees": torch.tensor([0, 1])},  # replaced by the training graph's before training
        own=True,
    ),
    "film": ConvKind("gnnctl.nn.conv:FiLMConv", "messages that their destination scales and shifts", own=True),
    "res-gated": ConvKind("gnnctl.nn.conv:ResGatedGraphConv", "a gate on each feature of each edge; deep models"),
    "gen": ConvKind(
        "gnnctl.nn.conv:GENConv", "softmax aggregation and an MLP; with --order pre --residual, DeepGCN", own=True
    ),
    "general": ConvKind(
        "gnnctl.nn.conv:GeneralConv", "attention, direction and skip are options; to search architectures", own=True
    ),
    "edge": ConvKind("gnnctl.nn.conv:EdgeConv", "an MLP of both ends of each edge, the maximum taken", make=_edge),
    "cg": ConvKind("gnnctl.nn.conv:CGConv", "gated messages with edge features; crystals", encoded=True, own=True),
    "nn": ConvKind(
        "gnnctl.nn.conv:NNConv", "a matrix for each edge made of its features; molecules", make=_nn, needs_features=True
    ),
    "gmm": ConvKind(
        "gnnctl.nn.conv:GMMConv",
        "Gaussian kernels over edge features, as of pseudo-coordinates",
        fixed={"num_kernels": 8},
        needs_features=True,
    ),
    "gcn2": ConvKind(
        "gnnctl.nn.conv:GCN2Conv",
        "gcn with initial residual and identity mapping; many layers (16 and more)",
        fixed={"alpha": 0.1, "theta": 0.5},
        encoded=True,
        own=True,
    ),
    "fa": ConvKind(
        "gnnctl.nn.conv:FAConv", "attention that may be negative; neighbours alike or unlike", encoded=True, own=True
    ),
    "eg": ConvKind("gnnctl.nn.conv:EGConv", "several filters a node, mixed by itself; small memory", encoded=True),
    "le": ConvKind("gnnctl.nn.conv:LEConv", "differences to neighbours; finds local extremes", own=True),
    "mf": ConvKind("gnnctl.nn.conv:MFConv", "a matrix for each degree; molecular fingerprints", own=True),
    "cluster-gcn": ConvKind("gnnctl.nn.conv:ClusterGCNConv", "mean with a weighted diagonal; deep models", typed=False),
}


def conv_of(options: ModelOptions) -> ConvKind:
    """The convolution of a model.

    Raises:
        UsageError: there is none of that name, or it leaves no choice of aggregations where one was made.
    """
    if options.name not in CONVS:
        raise UsageError(f"there is no convolution '{options.name}'", fix=f"choose among {', '.join(CONVS)}")
    kind = CONVS[options.name]
    if options.aggr is not None and "aggr" not in kind.accepts:
        raise UsageError(f"--aggr: '{options.name}' aggregates in its own way", fix="leave it away, or take sage")
    return kind
