"""The model of a task."""

from torch import nn

from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models import ModelOptions, build_model
from gnnctl.nn.models.graph_model import GraphModel
from gnnctl.nn.models.registry import models
from gnnctl.splits import Target


def model_for(target: Target, options: ModelOptions, schema: GraphSchema) -> nn.Module:
    """The model that gives outputs for what is predicted, its weights drawn from torch's generator.

    Raises:
        UsageError: options that fit neither the graph nor the task.
    """
    known = models().get(options.name)
    if known is not None:
        known.check(options.name, target.task, target.problem)
    if known is not None and known.of_graphs:
        return build_model(options, schema, next(iter(schema.nodes)), target.num_outputs)
    if target.task == "graph":
        return GraphModel(options, schema, target.num_outputs)
    return build_model(options, schema, target.node_type, target.num_outputs)
