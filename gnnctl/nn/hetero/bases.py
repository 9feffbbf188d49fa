"""A model for one type of nodes, made one for many that share a few bases."""

import copy
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.initial import glorot_
from gnnctl.nn.hetero.trace import Level, assembled, is_conv, levels, mapped, own_name, redrawn, traced, value_of
from gnnctl.nn.message_passing import MessagePassing
from gnnctl.nn.typed import MetadataLike, metadata_of, module_name


def to_hetero_with_bases(
    module: nn.Module,
    metadata: MetadataLike,
    num_bases: int,
    *,
    in_channels: Mapping[str, int] | None = None,
    input_map: Mapping[str, str] | None = None,
) -> fx.GraphModule:
    """Convert a model over one type of nodes and edges into one over many, with shared weights.

    All nodes are put into one graph; each convolution becomes ``num_bases`` of itself, whose messages are weighted by
    coefficients of the edge type and whose results are summed: the basis decomposition of "Modeling Relational Data
    with Graph Convolutional Networks" (Schlichtkrull et al., 2018). Every other module is shared by all types.
    Arguments become dictionaries by node type or edge type, and so do results. The messages are weighted through the
    convolutions' ``edge_mask``, so that none is made where the layer makes none.

    Args:
        module: over ``x`` and ``edge_index``, say; a value of nodes must come before the edges.
        metadata: node types and edge types, or a :class:`~gnnctl.graph.types.GraphSchema`.
        num_bases: copies of each convolution.
        in_channels: by argument: the width to which a Linear of each type's own brings its features first.
        input_map: which arguments are of nodes, edges or neither, where their names do not tell.

    Raises:
        ValueError: as :func:`~gnnctl.nn.hetero.to_hetero`; also no bases, or a convolution without ``edge_mask``
            or with self-loops.
    """
    if num_bases < 1:
        raise ValueError(f"num_bases must be at least 1, got {num_bases}")
    types, graph = metadata_of(metadata), traced(module)
    of = levels(module, graph, input_map)
    made, values = fx.Graph(), {}
    parts: dict[str, nn.Module] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            values[node] = made.placeholder(str(node.target), None, *node.args)
    named: dict[Level, fx.Node] = {}
    for node in list(values):
        name = str(node.target)
        if of[node] is not Level.GRAPH and name in (in_channels or {}):
            names = types.node_types if of[node] is Level.NODE else [t.key for t in types.edge_types]
            parts[f"align_{name}"] = Align(names, (in_channels or {})[name])
            values[node] = made.call_module(f"align_{name}", (values[node],))
        named.setdefault(of[node], values[node])
        if of[node] is Level.NODE:
            values[node] = made.call_function(joined_nodes, (values[node], types.node_types))
    if Level.NODE not in named or Level.EDGE not in named:
        raise ValueError("the model must take values of nodes and of edges")
    keys = [(t.src, t.rel, t.dst) for t in types.edge_types]
    union = made.call_function(joined_edges, (named[Level.NODE], named[Level.EDGE], types.node_types, keys))
    edge_type, order = (made.call_function(_item, (union, i)) for i in (1, 2))
    for node in list(values):
        if of[node] is Level.EDGE:
            first = values[node] is named[Level.EDGE]
            values[node] = (
                made.call_function(_item, (union, 0))
                if first
                else made.call_function(joined_values, (values[node], keys, order))
            )
    for node in graph.nodes:
        if node.op in ("placeholder", "output"):
            continue
        args, kwargs = mapped(node.args, values.__getitem__), mapped(node.kwargs, values.__getitem__)
        target = node.target
        if node.op == "get_attr":
            target = own_name(str(target))
        if node.op == "call_module":
            part = module.get_submodule(str(target))
            if is_conv(module, node):
                part, args = BasisConv(cast(MessagePassing, part), num_bases, len(keys)), (edge_type, *args)
            parts.setdefault(str(target), part)
        values[node] = made.create_node(node.op, target, args, kwargs, name=node.name)

    def result(node: fx.Node) -> Any:
        if of[node] is Level.GRAPH:
            return values[node]
        return made.call_function(parted_nodes, (values[node], named[Level.NODE], types.node_types))

    end = next(node for node in graph.nodes if node.op == "output")
    made.output(mapped(end.args[0], result))
    return assembled(module, graph, made, parts)


class BasisConv(nn.Module):
    """A convolution as a sum of copies, the messages of each weighted by a coefficient of the edge's type.

    Args:
        conv: to copy.
        num_bases: how often.
        num_relations: types of edges.

    Raises:
        ValueError: the convolution takes no ``edge_mask``, or adds self-loops.
    """

    def __init__(self, conv: MessagePassing, num_bases: int, num_relations: int) -> None:
        super().__init__()
        if "edge_mask" not in conv.inputs:
            raise ValueError(f"{type(conv).__name__} takes no edge_mask, so its messages cannot be weighted")
        if getattr(conv, "self_loops", False):
            raise ValueError(f"{type(conv).__name__} adds self-loops, which are of no edge type: pass self_loops=False")
        self.convs = nn.ModuleList(copy.deepcopy(conv) for _ in range(num_bases))
        self.comp = nn.Parameter(glorot_(torch.empty(num_bases, num_relations)))
        if num_bases > 1:
            for one in self.convs:
                redrawn(one)

    def forward(self, edge_type: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The sum over the copies, of whatever the convolution is given."""
        mask = kwargs.pop("edge_mask", None)
        outs = []
        for conv, by_type in zip(self.convs, self.comp, strict=True):
            weight = by_type[edge_type]
            outs.append(conv(*args, **kwargs, edge_mask=weight if mask is None else weight * mask))
        return outs[0] if len(outs) == 1 else torch.stack(outs).sum(0)


class Align(nn.Module):
    """A Linear without bias for each type, which brings features of any width to one."""

    def __init__(self, names: list[str], channels: int) -> None:
        super().__init__()
        self.lins = nn.ModuleDict({module_name(name): nn.LazyLinear(channels, bias=False) for name in names})

    def forward(self, values: Mapping[Any, Tensor]) -> dict[Any, Tensor]:
        """(., channels) by type."""
        return {
            key: self.lins[module_name(key if isinstance(key, str) else "__".join(key))](v) for key, v in values.items()
        }


def joined_nodes(values: Mapping[str, Tensor], node_types: list[str]) -> Tensor:
    """Rows of all types, one type after the other."""
    return torch.cat([values[t] for t in node_types])


def joined_edges(
    x: Mapping[str, Tensor], edge_index: Mapping[Any, EdgeIndex | Tensor], node_types: list[str], edge_types: list[Any]
) -> tuple[EdgeIndex, Tensor, Tensor]:
    """All edges over all nodes, the number of each one's type, and (E,) where it stood among those put in line."""
    starts, count = {}, 0
    for t in node_types:
        starts[t], count = count, count + x[t].shape[0]
    coos, types = [], []
    for number, key in enumerate(edge_types):
        given = value_of(edge_index, key)
        if given is None:
            raise ValueError(f"edge_index has no edges of type '{' '.join(key)}'; none at all are an empty (2, 0)")
        coo = given.coo() if isinstance(given, EdgeIndex) else given
        coos.append(torch.stack([coo[0] + starts[key[0]], coo[1] + starts[key[2]]]))
        types.append(coo.new_full((coo.shape[1],), number))
    edges, order = EdgeIndex.from_coo(torch.cat(coos, 1), count)
    return edges, torch.cat(types)[order], order


def joined_values(values: Mapping[Any, Tensor] | None, edge_types: list[Any], order: Tensor) -> Tensor | None:
    """Values of all edges, in the order of the joined ones."""
    if values is None:
        return None
    return torch.cat([value_of(values, key) for key in edge_types])[order]


def parted_nodes(rows: Tensor, x: Mapping[str, Tensor], node_types: list[str]) -> dict[str, Tensor]:
    """Joined rows by type again."""
    return dict(zip(node_types, torch.split(rows, [x[t].shape[0] for t in node_types]), strict=True))


def _item(values: tuple[Any, ...], place: int) -> Any:
    return values[place]
