"""The pass that runs what a converted model does for each type in one call for all of them."""

import copy
import inspect
import operator
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType
from gnnctl.nn.conv.hetero import group
from gnnctl.nn.conv.sage import SAGEConv
from gnnctl.nn.hetero.grouped import LEAST_LINEARS, LEAST_RELATIONS, GroupedLinear, GroupedRelations, alike
from gnnctl.nn.message_passing import Pair
from gnnctl.nn.typed import source_of, target_of, typed_edges


def group_types(
    model: fx.GraphModule, *, least_linears: int = LEAST_LINEARS, least_relations: int = LEAST_RELATIONS
) -> fx.GraphModule:
    """Run per-type Linears as one grouped product, and per-relation convolutions as one aggregation and one product.

    Of a model of :func:`~gnnctl.nn.hetero.to_hetero`, the copies of one Linear become a
    :class:`~gnnctl.nn.hetero.grouped.GroupedLinear`, and the copies of one convolution of SAGE's form (SAGEConv,
    GraphConv; one reduction; their results summed or averaged) a :class:`JoinedConv`, wherever there are enough of
    them that it pays, and their widths agree. What is different stays as it is. The numbers are the same; the weights
    become one parameter for all types, so that a step of an optimizer is one too.

    Args:
        model: converted; called once before, where it has unknown widths. It is not changed.
        least_linears: how many types must share a Linear.
        least_relations: how many relations must share a convolution.

    Returns:
        A model that takes and gives the same.
    """
    made = copy.deepcopy(model)
    sets: dict[str, list[fx.Node]] = {}
    for node in made.graph.nodes:
        if node.op == "call_module" and "origin" in node.meta:
            sets.setdefault(node.meta["origin"], []).append(node)
    for nodes in sets.values():
        modules = [made.get_submodule(cast(str, node.target)) for node in nodes]
        if len(nodes) >= least_linears and _same_linears(modules):
            _join_linears(made, nodes, cast(list[nn.Linear], modules))
        elif len(nodes) >= least_relations and alike(modules):
            _join_convs(made, nodes, cast(list[SAGEConv], modules))
    made.graph.eliminate_dead_code()
    made.delete_all_unused_submodules()
    made.recompile()
    return made


def _same_linears(modules: list[nn.Module]) -> bool:
    shapes = {(m.in_features, m.out_features, m.bias is None) if isinstance(m, nn.Linear) else None for m in modules}
    return len(shapes) == 1 and None not in shapes


def _parent(node: fx.Node) -> str:
    return cast(str, node.target).rpartition(".")[0]


def _join_linears(model: fx.GraphModule, nodes: list[fx.Node], linears: list[nn.Linear]) -> None:
    path = f"{_parent(nodes[0])}.grouped"
    model.add_submodule(path, GroupedLinear(linears))
    with model.graph.inserting_before(nodes[0]):
        together = model.graph.call_module(path, ([node.args[0] for node in nodes],))
        parts = [model.graph.call_function(operator.getitem, (together, i)) for i in range(len(nodes))]
    for node, part in zip(nodes, parts, strict=True):
        node.replace_all_uses_with(part)


def _join_convs(model: fx.GraphModule, nodes: list[fx.Node], convs: list[SAGEConv]) -> None:
    signature = inspect.signature(convs[0].forward)
    calls = {node.meta["type"]: signature.bind(*node.args, **node.kwargs).arguments for node in nodes}
    into: dict[str, list[fx.Node]] = {}
    for node in nodes:
        into.setdefault(node.meta["type"].dst, []).append(node)
    uses = {name: _result(outs) for name, outs in into.items()}
    if any(found is None for found in uses.values()):
        return
    aggrs = {found[1] for found in uses.values() if found is not None and found[1] is not None}
    rows: dict[str, Any] = {}
    for t, given in calls.items():
        ends = given["x"] if isinstance(given["x"], tuple) else (given["x"], given["x"])
        rows[t.src], rows[t.dst] = ends
    path = f"{_parent(nodes[0])}.grouped"
    by_type = dict(zip(calls, convs, strict=True))
    model.add_submodule(path, JoinedConv(by_type, mean=aggrs == {"mean"}))
    more: dict[str, dict[Any, Any]] = {
        name: {(t.src, t.rel, t.dst): given[name] for t, given in calls.items() if name in given}
        for name in ("edge_index", "edge_weight", "edge_mask")
    }
    with model.graph.inserting_before(nodes[0]):
        together = model.graph.call_module(path, (rows,), {name: found for name, found in more.items() if found})
        parts = {name: model.graph.call_function(operator.getitem, (together, name)) for name in into}
    for name, found in uses.items():
        assert found is not None
        found[0].replace_all_uses_with(parts[name])


def _result(outs: list[fx.Node]) -> tuple[fx.Node, str | None] | None:
    """The node that holds a destination type's result, and how relations become one; None where it is neither sum nor
    mean."""
    if len(outs) == 1:
        return outs[0], None
    users = {user for out in outs for user in out.users}
    user = next(iter(users))
    if len(users) != 1 or user.target is not group or user.args[1] not in ("sum", "mean"):
        return None
    return user, cast(str, user.args[1])


class JoinedConv(nn.Module):
    r"""A :class:`~gnnctl.nn.conv.SAGEConv` for each edge type, as one aggregation and one grouped product.

    .. math:: h_i = \sum_r (W_r \, \mathrm{aggr}_{j \in N_r(i)} \, w_{ji} x_j + V_r x_i + b_r)

    Args:
        convs: by edge type, of one form; their weights are copied.
        mean: whether the sum is divided by the number of relations of the destination's type.
    """

    def __init__(self, convs: Mapping[EdgeType, SAGEConv], *, mean: bool = False) -> None:
        super().__init__()
        self.neighbors = GroupedRelations.of(convs)
        self.mean = mean
        self.numbers: dict[str, list[int]] = {}
        for number, t in enumerate(convs):
            self.numbers.setdefault(t.dst, []).append(number)
        roots = [conv.root.weight.detach() for conv in convs.values() if conv.root is not None]
        biases = [conv.lin.bias.detach() for conv in convs.values() if conv.lin.bias is not None]
        self.root = nn.Parameter(torch.stack(roots)) if roots else None
        self.bias = nn.Parameter(torch.stack(biases)) if biases else None

    def forward(
        self,
        x: Mapping[str, Pair],
        edge_index: Mapping[Any, EdgeIndex | Tensor],
        edge_weight: Mapping[Any, Tensor | None] | None = None,
        edge_mask: Mapping[Any, Tensor | None] | None = None,
    ) -> dict[str, Tensor]:
        """By node type (D, out)."""
        edges, orders = typed_edges(x, edge_index), {}
        for t, given in edge_index.items():
            if isinstance(given, Tensor):
                counts = source_of(x, t[0]).shape[0], target_of(x, t[2]).shape[0]
                orders[t] = EdgeIndex.from_coo(given, *counts)[1]
        weights = [
            None
            if found is None
            else {t: v[orders[t]] if t in orders and v is not None else v for t, v in found.items()}
            for found in (edge_weight, edge_mask)
        ]
        outs = self.neighbors({name: source_of(x, name) for name in x}, edges, *weights)
        return {name: self._finished(out, target_of(x, name), self.numbers[name]) for name, out in outs.items()}

    def _finished(self, out: Tensor, target: Tensor, numbers: list[int]) -> Tensor:
        if self.root is not None:
            out = out + nn.functional.linear(target, self.root[numbers].sum(0))
        if self.bias is not None:
            out = out + self.bias[numbers].sum(0)
        return out / len(numbers) if self.mean else out
