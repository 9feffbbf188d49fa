"""The convolutions that the layers of a model can be made of, by name."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from gnnctl.errors import UsageError
from gnnctl.graph.types import EdgeSchema
from gnnctl.nn.models.options import Activation, ModelOptions
from gnnctl.parameters import Value, defaults_of

# What the model's options decide, so that it is no parameter of the convolution's own.
_DECIDED = {
    "in_channels", "out_channels", "channels", "heads", "concat", "dropout", "edge_channels", "aggr", "root",
    "self_loops", "bias", "layer", "network", "self",
}  # fmt: skip


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
    """

    path: str
    summary: str
    make: Callable[["ConvKind", Site], nn.Module] | None = None
    activation: Activation = "relu"
    mixed: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    encoded: bool = False
    typed: bool = True

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

    def parameters(self) -> dict[str, Value | None]:
        """Its own parameters with their defaults: ``--model NAME:parameter=value``."""
        return defaults_of(self.cls.__init__, _DECIDED) | {
            key: value for key, value in self.fixed.items() if isinstance(value, Value) and key not in _DECIDED
        }


def make_conv(kind: ConvKind, site: Site) -> nn.Module:
    """The convolution for a site, its options taken from the model's wherever its constructor has them."""
    options, accepts = site.options, kind.accepts
    given: dict[str, Any] = {**kind.fixed, **options.parameters}
    width = site.out_channels
    if "layer" in accepts:
        given["layer"] = site.layer
    if {"heads", "concat"} <= accepts:
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
    widths: tuple[Any, ...] = (width,)
    if "in_channels" in accepts:
        widths = (_in_channels(kind, site), width)
    try:
        return kind.cls(*widths, **given)
    except (TypeError, ValueError) as problem:
        raise UsageError(f"--model {options.name}: {problem}", fix="change its options") from problem


def _in_channels(kind: ConvKind, site: Site) -> int | tuple[int, int]:
    pairs = "tuple" in str(inspect.signature(kind.cls.__init__).parameters["in_channels"].annotation)
    return (site.in_channels, site.in_channels) if pairs and not site.homogeneous else site.in_channels


def _gin(kind: ConvKind, site: Site) -> nn.Module:
    network = nn.Linear(site.in_channels, site.out_channels, bias=site.homogeneous)
    own = {"edge_channels": site.schema.features, "in_channels": site.in_channels, "root": site.homogeneous}
    return kind.cls(network, **own, **site.options.parameters)


CONVS: dict[str, ConvKind] = {
    "sage": ConvKind("gnnctl.nn.conv:SAGEConv", "mean (or another aggregation) of neighbours; a good first choice"),
    "gcn": ConvKind("gnnctl.nn.conv:GCNConv", "normalised sum; citation-like graphs whose neighbours are alike"),
    "gat": ConvKind("gnnctl.nn.conv:GATConv", "attention that ranks neighbours", activation="elu"),
    "gin": ConvKind("gnnctl.nn.conv:GINConv", "sum and an MLP; tells structures apart", make=_gin, mixed=True),
    "graph": ConvKind("gnnctl.nn.conv:GraphConv", "weighted sum beside a node's own part; higher-order GNN's first"),
    "gcn2": ConvKind(
        "gnnctl.nn.conv:GCN2Conv",
        "gcn with initial residual and identity mapping; many layers (16 and more)",
        fixed={"alpha": 0.1, "theta": 0.5},
        encoded=True,
        typed=False,
    ),
    "fa": ConvKind(
        "gnnctl.nn.conv:FAConv", "attention that may be negative; neighbours alike or unlike", encoded=True, typed=False
    ),
    "eg": ConvKind("gnnctl.nn.conv:EGConv", "several filters a node, mixed by itself; small memory", encoded=True),
    "le": ConvKind("gnnctl.nn.conv:LEConv", "differences to neighbours; finds local extremes", typed=False),
    "mf": ConvKind("gnnctl.nn.conv:MFConv", "a matrix for each degree; molecular fingerprints", typed=False),
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
