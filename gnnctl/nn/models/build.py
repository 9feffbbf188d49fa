"""A model by its name."""

from typing import Any

from torch import nn

from gnnctl.errors import UsageError
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.registry import models
from gnnctl.parameters import imported


def build_model(
    options: ModelOptions | dict[str, Any], schema: GraphSchema, node_type: str, out_channels: int
) -> nn.Module:
    """Build the model that ``options.name`` names, its weights drawn from torch's generator.

    ``package.module:Class`` is imported and called as
    ``Class(schema=..., node_type=..., out_channels=..., options=..., **options.parameters)``; its ``forward(batch)``
    returns (num_seeds, out_channels). With ``num_layers`` it is scored from neighbourhoods so many hops wide, with
    ``whole_graph`` (True) it is trained and scored on the graph at once.

    Raises:
        UsageError: there is no such model, or options do not fit.
    """
    if isinstance(options, dict):
        options = ModelOptions.from_json(options)
    known = models()
    if options.name in known:
        return known[options.name].build(options, schema, node_type, out_channels)
    found = imported_model(options.name)
    return found(schema=schema, node_type=node_type, out_channels=out_channels, options=options, **options.parameters)


def imported_model(name: str) -> type[nn.Module]:
    """The class that ``package.module:Class`` names.

    Raises:
        UsageError: there is none, or it is no module.
    """
    fix = "gnnctl train --list-models names those there are; else write package.module:Class, and check PYTHONPATH"
    found = imported(f"--model {name}", name, fix)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UsageError(f"--model: {name} is no torch.nn.Module", fix="name a class of modules")
    return found
