"""The package of a trained model: compiled code that gives its scores without gnnctl."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from gnnctl.errors import UsageError
from gnnctl.nn.models import ModelOptions
from gnnctl.nn.models.registry import models
from gnnctl.nn.models.unsupervised import Unsupervised, WalkModel
from gnnctl.splits import NodeSplit
from gnnctl.splits.link import LinkSplit
from gnnctl.training.job import Job
from gnnctl.training.trained import plain_task

if TYPE_CHECKING:
    from gnnctl.nn.export import Deployed


def check_package(job: Job, options: ModelOptions) -> None:
    """Whether a model can be a package, found out before it is trained.

    Raises:
        UsageError: it cannot, or there is no C++ compiler.
    """
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    known = models().get(options.name)
    if known is not None and known.no_package:
        raise UsageError(f"--export: {options.name} {known.no_package}", fix="leave it out, or choose another model")
    model = job.initial_model(options, 0)
    deployed = _deployed(model, job.split)
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise UsageError("--export: there is no C++ compiler to make code with", fix="install g++ or clang++") from None
    _traced(deployed)


def package_model(model: nn.Module, split: NodeSplit | LinkSplit, path: Path) -> dict[str, Any]:
    """Compile a trained model into a package that gives scores without gnnctl: of nodes, of whole graphs, of pairs, or
    the embeddings of a model that was trained without labels.

    Returns:
        What model.json says of it: the inputs by name, and the output.

    Raises:
        UsageError: one that cannot be traced, or there is no C++ compiler.
    """
    from gnnctl.nn.export import compiled

    deployed = _deployed(model.cpu(), split)
    program = _traced(deployed)
    try:
        compiled(program, path)
    except Exception as problem:  # whatever the compiler raises, its first line is what can be acted on
        raise UsageError(
            f"--export: {_first_line(problem)}", fix="leave it out, or look at the C++ compiler"
        ) from problem
    width = _width(model, split)
    output = {"dtype": "float32", "shape": [None] if width is None else [None, width]}
    return {"file": path.name, "inputs": deployed.describe(), "output": output}


def _deployed(model: nn.Module, split: NodeSplit | LinkSplit) -> "Deployed":
    from gnnctl.nn.export import DeployedGraphs, DeployedLinks, DeployedNodes
    from gnnctl.nn.models.link_model import PairModel

    schema = split.graph.schema
    model.eval()
    if isinstance(model, WalkModel):
        text = "--export: walks learn a vector a node and compute nothing"
        raise UsageError(text, fix="leave it out: gnnctl predict writes the vectors")
    if isinstance(model, Unsupervised):
        return DeployedNodes(model.nodes, schema, model.node_type, model.finish)
    if isinstance(model, PairModel):
        return DeployedLinks(model, schema, None if split.target.task == "link" else plain_task(split.target).scores)
    scores = plain_task(split.target).scores
    if split.target.task == "graph":
        return DeployedGraphs(model, schema, scores)
    assert isinstance(split, NodeSplit)
    return DeployedNodes(model, schema, split.target.node_type, scores)


def _width(model: nn.Module, split: NodeSplit | LinkSplit) -> int | None:
    if isinstance(model, Unsupervised):
        return model.channels
    return None if split.target.task == "link" else split.target.num_outputs


def _traced(deployed: "Deployed") -> Any:
    """The exported program; UsageError where there can be none."""
    from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

    from gnnctl.nn.export import traced

    try:
        return traced(deployed)
    except GuardOnDataDependentSymNode as problem:
        text = "--export: the model makes arrays whose sizes depend on the data"
        raise UsageError(text, fix="leave it out, or choose another model or aggregation") from problem
    except Exception as problem:  # a model may do anything, also one of the user's
        raise UsageError(f"--export: {_first_line(problem)}", fix="leave it out, or choose another model") from problem


def _first_line(problem: Exception) -> str:
    line = next((text for text in str(problem).splitlines() if text.strip()), type(problem).__name__)
    return line[:200]
