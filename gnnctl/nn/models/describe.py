"""What there is to choose from, for people and for programs."""

from typing import Any

from gnnctl.nn.models.registry import PRESETS, TASKS, models

HEADS = ["model", "tasks", "graphs", "of edges", "parameters and their defaults", "what it is for"]


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
        shown = ",".join(f"{k}={v}" if v is not None else k for k, v in one["parameters"].items())
        uses = ["weights"] if one["edge_weights"] == "used" else []
        uses += {"used": ["features"], "needed": ["features (needed)"]}.get(one["edge_features"], [])
        tasks = "any" if len(one["tasks"]) == len(TASKS) else " ".join(one["tasks"])
        graphs = one["graphs"] + (", whole" if one["batches"] == "whole graphs" else "")
        rows.append([one["model"], tasks, graphs, " ".join(uses) or "-", shown or "-", one["summary"]])
    return rows
