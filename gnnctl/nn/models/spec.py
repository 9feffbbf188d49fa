"""What is known of a model before it is built."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from torch import nn

from gnnctl.errors import UsageError
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models.options import ModelOptions
from gnnctl.parameters import Value

Task = Literal["node", "graph", "link", "edge"]

TASKS: tuple[Task, ...] = ("node", "graph", "link", "edge")
_PLURALS = {"node": "nodes", "graph": "graphs", "link": "links", "edge": "edges"}
# What the model around a model of nodes makes use of, by task.
_AROUND = {"graph": ("hidden", "dropout", "norm", "activation", "readout"), "edge": ("hidden", "dropout", "activation")}


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
        events: whether it goes through links in the order of time; built of those, not of a schema.
        layered: whether the number of layers makes a difference.
        no_package: why it can be no package of compiled code (``--export``), as the end of a sentence; empty: it can.
        uses: fields of :class:`ModelOptions` that it makes use of, beside name, parameters and layers; None: any.
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
    events: bool = False
    layered: bool = True
    no_package: str = ""
    uses: tuple[str, ...] | None = None

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
            text = f"--model {name} is for tasks of {_listed(self.tasks)}, not of {_PLURALS.get(task, task)}"
            raise UsageError(text, fix="see gnnctl train --list-models")
        if self.problems and problem is not None and problem not in self.problems:
            text = f"--model {name} is for {' and '.join(self.problems)} targets, not for {problem}"
            raise UsageError(text, fix="choose another model")

    def used(self, task: str) -> set[str]:
        """Fields of :class:`ModelOptions` that make a difference for a task; all of them where nothing is known."""
        if self.uses is None:
            return {one.name for one in fields(ModelOptions)}
        return {"name", "parameters", "layers", *self.uses, *(() if self.of_graphs else _AROUND.get(task, ()))}

    def check_options(self, options: ModelOptions, task: str, others: Mapping[str, "Model"]) -> None:
        """Whether it makes use of all options that are not left as they are, for a task.

        Raises:
            UsageError: which it does not, and which of the ``others`` for this task do.
        """
        used = self.used(task)
        for one in fields(ModelOptions):
            if one.name not in used and getattr(options, one.name) != one.default:
                flag = f"--{one.name.replace('_', '-')}"
                takers = [
                    name for name, other in others.items() if task in other.tasks and one.name in other.used(task)
                ]
                fix = f"leave it out, or take {_some(takers)}" if takers else "leave it out"
                raise UsageError(f"{flag}: {options.name} has no use for it", fix=fix)

    def build(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> nn.Module:
        """The module, its weights drawn from torch's generator."""
        module, _, name = self.path.partition(":")
        built: nn.Module = getattr(importlib.import_module(module), name)(options, schema, node_type, out_channels)
        return built


@dataclass(frozen=True)
class Preset:
    """A model under the name that a paper gave it: another one, and some of its options.

    Attributes:
        summary: what it is for, in a few words.
        model: the other one's name.
        options: fields of :class:`ModelOptions` that nobody who leaves them as they are has to name; ``layers`` where
            nobody says how many, of a full batch.
    """

    summary: str
    model: str
    options: dict[str, Any]

    def fill(self, options: ModelOptions) -> ModelOptions:
        """The options, with the preset's where they were left as they are."""
        plain = {one.name: one.default for one in fields(ModelOptions)}
        kept = {k: v for k, v in self.options.items() if k != "layers" and getattr(options, k) == plain[k]}
        return replace(options, **kept)


def _some(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} or one of {len(names) - most} more"


def _listed(tasks: tuple[Task, ...]) -> str:
    names = [_PLURALS[task] for task in tasks]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
