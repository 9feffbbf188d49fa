"""A model by its name."""

import importlib
from typing import Any

from torch import nn

from gnnctl.errors import UsageError
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models.gnn import GNN
from gnnctl.nn.models.mlp import MLP
from gnnctl.nn.models.options import ModelOptions

NAMES = ("sage", "gcn", "gat", "gin", "mlp")


def build_model(
    options: ModelOptions | dict[str, Any], schema: GraphSchema, node_type: str, out_channels: int
) -> nn.Module:
    """Build the model that ``options.name`` names, its weights drawn from torch's generator.

    ``package.module:Class`` is imported and called as
    ``Class(schema=..., node_type=..., out_channels=..., options=...)``; its ``forward(batch)`` returns
    (num_seeds, out_channels).

    Raises:
        UsageError: there is no such model, or options do not fit.
    """
    if isinstance(options, dict):
        options = ModelOptions.from_json(options)
    if options.name == "mlp":
        return MLP(options, schema, node_type, out_channels)
    if options.name in NAMES:
        return GNN(options, schema, node_type, out_channels)
    if ":" not in options.name:
        raise UsageError(
            f"there is no model '{options.name}'", fix=f"choose {', '.join(NAMES)} or package.module:Class"
        )
    module_path, class_name = options.name.split(":", 1)
    try:
        found = getattr(importlib.import_module(module_path), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"cannot load the model {options.name}: {error}", fix="check the path and PYTHONPATH"
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UsageError(f"{options.name} is no torch.nn.Module", fix="name a class of modules")
    return found(schema=schema, node_type=node_type, out_channels=out_channels, options=options)
