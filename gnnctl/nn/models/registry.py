"""The models by name, and what each is for."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import nn

from gnnctl.errors import UsageError
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models.convolutions import CONVS
from gnnctl.nn.models.gnn import GNN
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.rounds import KINDS, RoundsModel
from gnnctl.parameters import Value, defaults_of, read_parameters, split_name

Build = Callable[[ModelOptions, GraphSchema, str, int], nn.Module]
Task = Literal["node", "graph", "link", "edge"]

TASKS: tuple[Task, ...] = ("node", "graph", "link", "edge")


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
        tasks: that it is for.
        problems: kinds of targets that it can have; empty: any.
        whole: whether it sees a graph at once, so that no sampled part of one does.
        learns: whether it has weights to train.
    """

    summary: str
    path: str
    parameters: dict[str, Value | None] = field(default_factory=dict)
    layers: int = 2
    graphs: Literal["any", "one type", "typed"] = "any"
    edge_weight: bool = False
    edge_attr: bool = False
    needs_edge_attr: bool = False
    tasks: tuple[Task, ...] = TASKS
    problems: tuple[str, ...] = ()
    whole: bool = False
    learns: bool = True

    @property
    def of_graphs(self) -> bool:
        """Whether its outputs are of whole graphs, without a readout of their nodes."""
        return self.tasks == ("graph",)

    def check(self, name: str, task: str, problem: str | None = None) -> None:
        """Whether it is for a task, and for a kind of target where that is known.

        Raises:
            UsageError: it is not; ``name`` is what it is called.
        """
        if task not in self.tasks:
            others = [other for other, model in models().items() if task in model.tasks and not model.of_graphs]
            text = f"--model {name} is for tasks of {_listed(self.tasks)}, not of {_PLURALS.get(task, task)}"
            raise UsageError(text, fix=f"choose another model, e.g. {others[0]}")
        if self.problems and problem is not None and problem not in self.problems:
            text = f"--model {name} is for {' and '.join(self.problems)} targets, not for {problem}"
            raise UsageError(text, fix="choose another model")

    def build(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> nn.Module:
        """The module, its weights drawn from torch's generator."""
        module, _, name = self.path.partition(":")
        built: nn.Module = getattr(importlib.import_module(module), name)(options, schema, node_type, out_channels)
        return built


_PLURALS = {"node": "nodes", "graph": "graphs", "link": "links", "edge": "edges"}
_MOLECULE = {"positions": "x+y+z", "atomic_number": "atomic_number"}  # kept columns of the node type

# What is known as a model elsewhere and is an option here.
ELSEWHERE = {
    "jumping-knowledge": "--jump cat, max or lstm, with any model of layers",
    "deepgcn": "--model gen --order pre --residual --norm batch --layers 14",
    "correct-and-smooth": "--smooth to gnnctl predict, after any classifier of nodes",
    "node2vec": "--objective node2vec",
    "metapath2vec": "--objective metapath2vec",
    "dgi": "--objective dgi",
    "gae": "--objective gae",
    "vgae": "--objective vgae",
}

# Those that are something else than layers of one convolution.
_SPECIAL = {
    "embedding": Model(
        "links alone: a vector for every node, no features, no messages; knowledge graphs",
        "gnnctl.nn.models.shallow:Embedding",
        {"std": 0.0},
        layers=1,
        tasks=("link", "edge"),
    ),
    "lightgcn": Model(
        "recommendation: a vector for every node, averaged over the graph; no features",
        "gnnctl.nn.models.light_gcn_model:LightGCNModel",
        layers=3,
        edge_weight=True,
        tasks=("link", "edge"),
        whole=True,
    ),
    "linkx": Model(
        "an MLP of features and of who the neighbours are; where neighbours are unlike (heterophily)",
        "gnnctl.nn.models.linkx:LINKX",
        layers=1,
        graphs="one type",
        edge_weight=True,
        tasks=("node", "link", "edge"),
    ),
    "gps": Model(
        "message passing beside attention of all nodes of a graph to all; time grows with their square",
        "gnnctl.nn.models.gps:GPS",
        {"local": "gin", "batch_norm": True},
        layers=3,
        graphs="one type",
        edge_weight=True,
        edge_attr=True,
        whole=True,
    ),
    "graph-unet": Model(
        "the best nodes kept, level by level, and put back; segmentation of graphs and meshes",
        "gnnctl.nn.models.graph_unet_model:GraphUNetModel",
        {"ratio": 0.5, "join": "sum"},
        layers=3,
        graphs="one type",
        edge_weight=True,
        whole=True,
    ),
    "attentive-fp": Model(
        "molecules by their bonds: attention between atoms, then of the molecule to its atoms",
        "gnnctl.nn.models.molecules:AttentiveFPModel",
        {"timesteps": 2},
        graphs="one type",
        edge_attr=True,
        needs_edge_attr=True,
        tasks=("graph",),
        whole=True,
    ),
    "schnet": Model(
        "molecules by kinds and places of their atoms, both kept columns: filters of distances",
        "gnnctl.nn.models.molecules:SchNetModel",
        {**_MOLECULE, "num_filters": 128, "num_gaussians": 50, "cutoff": 10.0, "max_neighbors": 32},
        layers=6,
        graphs="one type",
        tasks=("graph",),
        whole=True,
    ),
    "dimenet++": Model(
        "as schnet, by distances and angles: finer and slower",
        "gnnctl.nn.models.molecules:DimeNetModel",
        {
            **_MOLECULE,
            "interaction_channels": 64,
            "basis_channels": 8,
            "output_channels": 256,
            "num_spherical": 7,
            "num_radial": 6,
            "cutoff": 5.0,
            "max_neighbors": 32,
            "envelope_exponent": 5,
            "num_before_skip": 1,
            "num_after_skip": 2,
            "num_output_layers": 3,
            "output_init": "zeros",
        },
        layers=4,
        graphs="one type",
        tasks=("graph",),
        whole=True,
    ),
    "label-propagation": Model(
        "the other baseline: labels of the training part spread along the edges; nothing is trained",
        "gnnctl.nn.models.label_model:LabelPropagationModel",
        {"alpha": 0.9},
        layers=50,
        edge_weight=True,
        tasks=("node",),
        problems=("multiclass",),
        whole=True,
        learns=False,
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
    if name not in found and name in ELSEWHERE:
        raise UsageError(f"--model {name} is no model of its own", fix=f"pass {ELSEWHERE[name]}")
    defaults = found[name].parameters if name in found else defaults_of(imported_model(name).__init__, _NOT_PARAMETERS)
    given = read_parameters(f"--model '{text}'", rest, defaults)
    return name, {key: value for key, value in defaults.items() if value is not None} | given


_NOT_PARAMETERS = ("self", "schema", "node_type", "out_channels", "options")


def _listed(tasks: tuple[Task, ...]) -> str:
    names = [_PLURALS[task] for task in tasks]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
