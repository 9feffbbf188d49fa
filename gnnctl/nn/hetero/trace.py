"""A model for one type of nodes as a graph of calls."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, cast

from torch import fx, nn

from gnnctl.nn.message_passing import MessagePassing


class Level(Enum):
    """What a value of the model has one of: each node, each edge, or neither."""

    NODE = "node"
    EDGE = "edge"
    GRAPH = "graph"


class _Tracer(fx.Tracer):
    """Looks into modules that hold convolutions, and into sequences; any other module is one call."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, MessagePassing):
            return True
        return not (isinstance(m, nn.Sequential) or any(isinstance(part, MessagePassing) for part in m.modules()))


def traced(module: nn.Module) -> fx.Graph:
    """The calls of a model's forward.

    A call of ``torch.nn.functional.dropout`` becomes a :class:`torch.nn.Dropout`: a trace would otherwise fix whether
    the model was in training.

    Raises:
        ValueError: what the model computes next depends on values, so that one trace does not tell.
    """
    try:
        graph = _Tracer().trace(module)
    except (fx.proxy.TraceError, TypeError) as problem:
        raise ValueError(f"{type(module).__name__} cannot be converted: {problem}") from problem
    for number, node in enumerate(list(graph.nodes)):
        if node.op == "call_function" and node.target is nn.functional.dropout:
            share = node.args[1] if len(node.args) > 1 else node.kwargs.get("p", 0.5)
            name = f"dropout_{number}"
            module.add_module(name, nn.Dropout(float(share)))
            with graph.inserting_before(node):
                node.replace_all_uses_with(
                    graph.call_module(name, (node.args[0] if node.args else node.kwargs["input"],))
                )
            graph.erase_node(node)
    return graph


def levels(module: nn.Module, graph: fx.Graph, input_map: Mapping[str, str] | None = None) -> dict[fx.Node, Level]:
    """The level of every value.

    Args:
        module: that was traced.
        graph: its calls.
        input_map: of arguments of forward by name: node, edge or graph; where it does not say, what is called
            ``edge...``, ``adj...`` or ``degree`` is of edges, and anything else of nodes.

    Raises:
        ValueError: an unknown level, or a call mixes values of nodes and of edges.
    """
    found: dict[fx.Node, Level] = {}
    given = {name: Level(value) for name, value in (input_map or {}).items()}
    for node in graph.nodes:
        above = {found[n] for n in node.all_input_nodes}
        if node.op == "placeholder":
            of_edges = node.name.startswith(("edge", "adj")) or node.name == "degree"
            found[node] = given.get(node.name, Level.EDGE if of_edges else Level.NODE)
        elif is_conv(module, node):
            found[node] = Level.NODE
        elif node.op == "output":
            found[node] = Level.GRAPH
        elif {Level.NODE, Level.EDGE} <= above:
            raise ValueError(f"'{node.name}' mixes values of nodes and of edges; only convolutions can")
        else:
            found[node] = next((level for level in (Level.EDGE, Level.NODE) if level in above), Level.GRAPH)
    return found


def is_conv(module: nn.Module, node: fx.Node) -> bool:
    """Whether a call is one of a convolution."""
    return node.op == "call_module" and isinstance(module.get_submodule(cast(str, node.target)), MessagePassing)


def redrawn(module: nn.Module) -> nn.Module:
    """The module, its weights drawn anew wherever it or a part of it knows how to.

    Raises:
        ValueError: a part has weights and no ``reset_parameters``.
    """
    reset = getattr(module, "reset_parameters", None)
    if reset is not None:
        reset()
        return module
    if any(True for _ in module.parameters(recurse=False)):
        raise ValueError(f"{type(module).__name__} needs reset_parameters() to be copied for each type")
    for part in module.children():
        redrawn(part)
    return module


def mapped(value: Any, change: Any) -> Any:
    """Arguments with every node replaced; the result may hold tuples and dictionaries where nodes stood."""
    if isinstance(value, fx.Node):
        return change(value)
    if isinstance(value, dict):
        return {key: mapped(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [mapped(part, change) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, slice):
        return slice(*(mapped(part, change) for part in (value.start, value.stop, value.step)))
    return value


def value_of(values: Any, key: Any) -> Any:
    """One type's part of an argument by type; None where there is none.

    Raises:
        TypeError: the argument is no mapping.
    """
    if values is None:
        return None
    if not isinstance(values, Mapping):
        raise TypeError(f"a converted model takes dictionaries by type, got {type(values).__name__}")
    found = values.get(key)
    if found is None and isinstance(key, tuple):
        found = values.get(" ".join(key))
    return found


def assembled(module: nn.Module, graph: fx.Graph, made: fx.Graph, parts: Mapping[str, nn.Module]) -> fx.GraphModule:
    """The converted model.

    Args:
        module: what was converted, whose own tensors are kept: those that ``graph`` reads.
        graph: its calls.
        made: the new calls.
        parts: modules that they call, by dotted path.
    """
    root = nn.Module()
    for path, part in parts.items():
        *above, last = path.split(".")
        place = root
        for name in above:
            if name not in place._modules:
                place.add_module(name, nn.Module())
            place = cast(nn.Module, place._modules[name])
        place.add_module(last, part)
    for node in graph.nodes:
        if node.op == "get_attr":
            value: Any = module
            for name in str(node.target).split("."):
                value = getattr(value, name)
            setattr(root, own_name(str(node.target)), value)
    converted = fx.GraphModule(root, made, class_name=type(module).__name__)
    made.eliminate_dead_code()
    converted.recompile()
    return converted


def own_name(path: str) -> str:
    """Where a tensor that forward itself reads stands in the converted model."""
    return path.replace(".", "_")
