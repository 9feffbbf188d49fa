"""The models by name, and what each is for."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import nn

from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models.convolutions import CONVS
from gnnctl.nn.models.gnn import GNN
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.rounds import KINDS, RoundsModel
from gnnctl.parameters import Value, defaults_of, read_parameters, split_name

Build = Callable[[ModelOptions, GraphSchema, str, int], nn.Module]


@dataclass(frozen=True)
class Model:
    """A model that ``gnnctl train --model`` builds.

    Attributes:
        summary: what it is for, in a few words.
        path: ``module:Class``, called with (options, schema, node type, number of outputs).
        parameters: its own, with their defaults.
        layers: what a full batch takes where nobody says how many.
        graphs: which it takes.
        edge_weight, edge_attr: whether it makes use of weights, and of edge features.
        needs_edge_attr: whether every edge type must have features.
    """

    summary: str
    path: str
    parameters: dict[str, Value | None] = field(default_factory=dict)
    layers: int = 2
    graphs: Literal["any", "one type", "typed"] = "any"
    edge_weight: bool = False
    edge_attr: bool = False
    needs_edge_attr: bool = False

    def build(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> nn.Module:
        """The module, its weights drawn from torch's generator."""
        module, _, name = self.path.partition(":")
        built: nn.Module = getattr(importlib.import_module(module), name)(options, schema, node_type, out_channels)
        return built


# Those that are something else than layers of one convolution.
_SPECIAL = {
    "embedding": Model(
        "links alone: a vector for every node, no features, no messages; knowledge graphs",
        "gnnctl.nn.models.shallow:Embedding",
        {"std": 0.0},
        layers=1,
    ),
    "linkx": Model(
        "an MLP of features and of who the neighbours are; where neighbours are unlike (heterophily)",
        "gnnctl.nn.models.linkx:LINKX",
        layers=1,
        graphs="one type",
        edge_weight=True,
    ),
    "mlp": Model("the baseline: a node's own features, no edges", "gnnctl.nn.models.mlp:MLP"),
}


def models() -> dict[str, Model]:
    """All models by name: layers of each convolution that a layer can be made of, then the others."""
    layered = {
        name: Model(
            kind.summary,
            f"{GNN.__module__}:{GNN.__qualname__}",
            kind.parameters(),
            graphs="any" if kind.typed else "one type",
            edge_weight="edge_weight" in kind.takes,
            edge_attr="edge_attr" in kind.takes,
            needs_edge_attr=kind.needs_features,
        )
        for name, kind in CONVS.items()
    }
    several = {
        name: Model(
            kind.summary,
            f"{RoundsModel.__module__}:{RoundsModel.__qualname__}",
            dict(kind.parameters),
            layers=kind.layers,
            graphs="one type",
            edge_weight=True,
        )
        for name, kind in KINDS.items()
    }
    return {**layered, **several, **_SPECIAL}


def parse_model(text: str) -> tuple[str, dict[str, Value]]:
    """Name and resolved parameters of ``NAME[:parameter=value,...]`` or ``package.module:Class[:...]``.

    Raises:
        UsageError: an unknown name or parameter, or a value of the wrong type.
    """
    from gnnctl.nn.models.build import imported_model

    found = models()
    name, rest = split_name(text, found)
    defaults = found[name].parameters if name in found else defaults_of(imported_model(name).__init__, _NOT_PARAMETERS)
    given = read_parameters(f"--model '{text}'", rest, defaults)
    return name, {key: value for key, value in defaults.items() if value is not None} | given


_NOT_PARAMETERS = ("self", "schema", "node_type", "out_channels", "options")


def describe_models() -> list[list[str]]:
    """Name, own parameters, graphs, what of edges is used, and summary of each model."""
    rows = []
    for name, model in models().items():
        shown = ",".join(f"{k}={v}" if v is not None else k for k, v in model.parameters.items())
        uses = [word for word, used in (("weights", model.edge_weight), ("features", model.edge_attr)) if used]
        if model.needs_edge_attr:
            uses.append("(needed)")
        rows.append([name, model.graphs, " ".join(uses) or "-", shown or "-", model.summary])
    return rows
