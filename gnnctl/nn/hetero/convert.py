"""A model for one type of nodes, made one for many."""

import copy
from collections.abc import Mapping
from typing import Any, get_args

from torch import fx, nn

from gnnctl.graph.types import EdgeType
from gnnctl.nn.aggr import Aggregation
from gnnctl.nn.conv.hetero import Group, group
from gnnctl.nn.hetero.trace import Level, assembled, is_conv, levels, mapped, own_name, redrawn, traced, value_of
from gnnctl.nn.typed import MetadataLike, metadata_of, module_name

# A value of the typed model: one node of its graph for each type, or one for all.
Value = dict[Any, fx.Node] | fx.Node


def to_hetero(
    module: nn.Module,
    metadata: MetadataLike,
    aggr: Group = "sum",
    *,
    input_map: Mapping[str, str] | None = None,
) -> fx.GraphModule:
    """Convert a model over one type of nodes and edges into one over many.

    Every convolution is copied for each edge type, any other module for each node type ("Modeling Relational Data with
    Graph Convolutional Networks", Schlichtkrull et al., 2018). Arguments become dictionaries by node type or edge type,
    and so do results of nodes; ``conv1.lin.weight`` becomes ``conv1.author__writes__paper.lin.weight``. Parameters that
    forward itself reads are shared. A node type that no edge type leads to has no values after the first convolution.

    The module may be built of the library's convolutions, Linear, norms, activations, dropout, residuals, jumping
    knowledge, aggregations as readouts, and modules of its own that hold those. Its weights are drawn anew for each
    type, unless there is but one. Convolutions may have a width of -1, known at the first call.

    Args:
        module: over ``x`` and ``edge_index``, say; values of edges are arguments whose names begin with ``edge``.
        metadata: node types and edge types, or a :class:`~gnnctl.graph.types.GraphSchema`.
        aggr: how results of edge types that lead to one node type become one: sum, mean, min, max, mul.
        input_map: which arguments are of nodes, edges or neither, where their names do not tell.

    Raises:
        ValueError: the model depends on values, mixes those of nodes and edges outside convolutions, or adds
            self-loops between different node types.
    """
    if aggr not in get_args(Group) or aggr in ("cat", "stack"):
        raise ValueError(f"aggr must be sum, mean, min, max or mul, got {aggr!r}")
    return _Conversion(module, metadata, aggr, input_map).run()


class _Conversion:
    def __init__(
        self, module: nn.Module, metadata: MetadataLike, aggr: Group, input_map: Mapping[str, str] | None
    ) -> None:
        self.module = module
        self.node_types, self.edge_types = metadata_of(metadata)
        self.aggr = aggr
        self.graph = traced(module)
        self.levels = levels(module, self.graph, input_map)
        self.made = fx.Graph()
        self.values: dict[fx.Node, Value] = {}
        self.parts: dict[str, nn.Module] = {}

    def run(self) -> fx.GraphModule:
        for node in self.graph.nodes:
            if node.op == "output":
                self.made.output(mapped(node.args[0], self._result))
            else:
                self.values[node] = self._value(node)
        return assembled(self.module, self.graph, self.made, self.parts)

    def _value(self, node: fx.Node) -> Value:
        level = self.levels[node]
        if node.op == "placeholder":
            return self._placeholder(node, level)
        if node.op == "get_attr":
            return self.made.get_attr(own_name(str(node.target)))
        if is_conv(self.module, node):
            return self._conv(node)
        if level is Level.GRAPH:
            if node.op == "call_module":
                self.parts[str(node.target)] = self.module.get_submodule(str(node.target))
            return self._call(node, None, node.target)
        values = self._by_type(node, level)
        module = self.module.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, Aggregation):  # a readout: one row for each graph, whatever the type
            self.levels[node] = Level.GRAPH
            return self.made.call_function(group, (list(values.values()), self.aggr))
        return values

    def _placeholder(self, node: fx.Node, level: Level) -> Value:
        default = node.args if node.args else ()
        taken = (
            self.made.placeholder(str(node.target), None, *default)
            if default
            else self.made.placeholder(str(node.target))
        )
        if level is Level.GRAPH:
            return taken
        keys: list[Any] = self.node_types if level is Level.NODE else [tuple(t) for t in self.edge_types]
        return {key: self.made.call_function(value_of, (taken, key)) for key in keys}

    def _by_type(self, node: fx.Node, level: Level) -> dict[Any, fx.Node]:
        """The same call for each type of which all values are there."""
        above = [v for n in node.all_input_nodes if isinstance(v := self.values[n], dict)]
        keys = [key for key in above[0] if all(key in other for other in above)]
        if not keys:
            raise ValueError(f"'{node.name}': no type has all values that it needs")
        copies = None
        if node.op == "call_module":
            copies = self._copies(str(node.target), {key: _name(key) for key in keys})
        return {key: self._call(node, key, node.target if copies is None else copies[key]) for key in keys}

    def _conv(self, node: fx.Node) -> dict[Any, fx.Node]:
        conv = self.module.get_submodule(str(node.target))
        known = next(
            (v for n in node.all_input_nodes if self.levels[n] is Level.NODE and isinstance(v := self.values[n], dict)),
            {},
        )
        followed = [t for t in self.edge_types if t.src in known and t.dst in known]
        for t in followed:
            if t.src != t.dst and getattr(conv, "self_loops", False):
                raise ValueError(f"'{node.target}' adds self-loops, which '{t}' cannot have: pass self_loops=False")
        copies = self._copies(str(node.target), {t: module_name(t.key) for t in followed})
        found: dict[str, list[fx.Node]] = {}
        for t in followed:
            found.setdefault(t.dst, []).append(self._call(node, t, copies[t]))
        if not found:
            raise ValueError(f"'{node.target}': no edge type joins node types that have values")
        return {
            name: outs[0] if len(outs) == 1 else self.made.call_function(group, (outs, self.aggr))
            for name, outs in found.items()
        }

    def _copies(self, path: str, names: Mapping[Any, str]) -> dict[Any, str]:
        """Paths of a module's copies by type, made at its first call."""
        module = self.module.get_submodule(path)
        for name in names.values():
            place = f"{path}.{name}"
            if place not in self.parts:
                duplicate = copy.deepcopy(module)
                self.parts[place] = redrawn(duplicate) if len(names) > 1 else duplicate
        return {key: f"{path}.{name}" for key, name in names.items()}

    def _call(self, node: fx.Node, key: Any, target: Any) -> fx.Node:
        def change(value: fx.Node) -> Any:
            return self._argument(value, key)

        args, kwargs = mapped(node.args, change), mapped(node.kwargs, change)
        made = self.made.create_node(node.op, target, args, kwargs, name=node.name)
        if node.op == "call_module" and key is not None:  # for those who look for what copies have in common
            made.meta.update(origin=node.name, type=key)
        return made

    def _argument(self, value: fx.Node, key: Any) -> Any:
        found = self.values[value]
        if not isinstance(found, dict):
            return found
        if isinstance(key, EdgeType) and self.levels[value] is Level.NODE:
            return found[key.src] if key.src == key.dst else (found[key.src], found[key.dst])
        return found[tuple(key) if isinstance(key, EdgeType) else key]

    def _result(self, value: fx.Node) -> Any:
        return self.values[value]


def _name(key: Any) -> str:
    return module_name(EdgeType(*key).key if isinstance(key, tuple) else key)
