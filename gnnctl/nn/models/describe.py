"""What there is to choose from, for people and for programs."""

import textwrap
from typing import Any

from gnnctl.nn.models.registry import PRESETS, TASKS, models

HEADS = ["model", "tasks", "graphs", "of edges", "what it is for"]
WIDTH = 116  # of the lines of parameters


def describe_models() -> list[dict[str, Any]]:
    """Of each model its name, tasks, graphs, what of edges is used, own parameters and summary.

    Of a preset those of the model that it stands for, and as ``preset`` its name and options.
    """
    found = {
        name: {
            "model": name,
            "summary": model.summary,
            "tasks": list(model.tasks),
            "targets": list(model.problems) or "any",
            "graphs": model.graphs,
            "batches": "whole graphs" if model.whole else "whole graphs or samples",
            "edge_weights": "used" if model.edge_weight else "not used",
            "edge_features": "needed" if model.needs_edge_attr else "used" if model.edge_attr else "not used",
            "parameters": model.parameters,
            "layers": model.layers,
            "trained": model.learns,
        }
        for name, model in models().items()
    }
    for name, preset in PRESETS.items():
        own = {"model": preset.model, **preset.options}
        layers = preset.options.get("layers", found[preset.model]["layers"])
        found[name] = {**found[preset.model], "model": name, "summary": preset.summary, "layers": layers, "preset": own}
    return list(found.values())


def models_table() -> list[list[str]]:
    """Rows below :data:`HEADS`."""
    rows = []
    for one in describe_models():
        uses = ["weights"] if one["edge_weights"] == "used" else []
        uses += {"used": ["features"], "needed": ["features (needed)"]}.get(one["edge_features"], [])
        tasks = "any" if len(one["tasks"]) == len(TASKS) else " ".join(one["tasks"])
        graphs = one["graphs"] + (", whole" if one["batches"] == "whole graphs" else "")
        rows.append([one["model"], tasks, graphs, " ".join(uses) or "-", one["summary"]])
    return rows


def parameters_text() -> str:
    """The parameters of those models that have any, with their defaults, as ``--model`` takes them."""
    lines = []
    for one in describe_models():
        if one["parameters"] and "preset" not in one:
            shown = ",".join(f"{k}={v}" if v is not None else k for k, v in one["parameters"].items())
            # A break may stand after a comma alone, for a name or a value has none.
            text = f"{one['model']}:{shown}".replace(",", ", ")
            lines += textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)
    return "\n".join(lines)
