"""What is done for all types in one call gives the numbers of one call for each."""

import copy

import pytest
import torch
from torch import nn

import gnnctl.nn.conv as ours
from gnnctl.graph import EdgeType
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.relations import join_relations
from gnnctl.nn.hetero import group_types, to_hetero
from gnnctl.nn.hetero.grouped import GroupedLinear, GroupedRelations

NODES = ["a", "b", "c"]
RELATIONS = [EdgeType(s, f"r{i}", d) for i in range(2) for s in NODES for d in NODES]
SIZES = {"a": 15, "b": 11, "c": 9}


def graph(seed=0, scale=1):
    draw = torch.Generator().manual_seed(seed)
    sizes = {name: count * scale for name, count in SIZES.items()}
    x = {name: torch.randn(count, 6, generator=draw) for name, count in sizes.items()}
    coo = {}
    for i, t in enumerate(RELATIONS):
        count = 0 if i == 4 else 40 + 3 * i + 100 * (scale - 1)
        coo[t] = torch.stack([torch.randint(0, sizes[n], (count,), generator=draw) for n in (t.src, t.dst)])
    edges = {t: EdgeIndex.from_coo(c, sizes[t.src], sizes[t.dst])[0] for t, c in coo.items()}
    return x, edges, coo


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = ours.SAGEConv(6, 8), ours.SAGEConv(8, 8, aggr="max")
        self.norm, self.inner, self.out = nn.LayerNorm(8), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x, edge_index):
        h = self.norm(self.conv1(x, edge_index)).relu()
        return self.out(self.conv2(self.inner(h) + h, edge_index))


class Weighted(nn.Module):
    def __init__(self, reduce):
        super().__init__()
        self.conv, self.last = ours.SAGEConv(6, 4, aggr=reduce), ours.GraphConv(4, 4, root=False)

    def forward(self, x, edge_index, edge_weight=None):
        h = self.conv(x, edge_index, edge_weight)
        return self.last(h.relu(), edge_index, edge_mask=edge_weight)


def assert_same(first, second, *given):
    """Outputs, and in double precision gradients for the inputs."""
    mine, other = first(*given), second(*given)
    for name, value in other.items():
        assert (mine[name] - value).abs().max() <= 1e-6 * value.abs().max()
    found = []
    more = [
        {t: v.double() if v.is_floating_point() else v for t, v in g.items()} if i else g
        for i, g in enumerate(given[1:])
    ]
    for module in (copy.deepcopy(first).double(), copy.deepcopy(second).double()):
        x = {name: value.double().requires_grad_() for name, value in given[0].items()}
        out = module(x, *more)
        grads = torch.autograd.grad(sum(o.square().sum() for o in out.values()), list(x.values()))
        found.append((dict(out), grads))
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("reduce", ["mean", "max", "sum"])
@pytest.mark.parametrize("aggr", ["sum", "mean"])
def test_joined_relations_give_the_loop_s_numbers(reduce, aggr):
    x, edges, coo = graph()
    loop = to_hetero(Weighted(reduce), (NODES, RELATIONS), aggr).eval()
    grouped = group_types(loop)
    assert len([m for m in grouped.modules() if isinstance(m, GroupedRelations)]) == 2
    assert not [m for m in grouped.modules() if isinstance(m, ours.SAGEConv)]
    assert_same(loop, grouped, x, edges)
    weight = {t: torch.rand(e.num_edges) for t, e in edges.items()}
    assert_same(loop, grouped, x, edges, weight)
    assert_same(loop, grouped, x, coo, weight)


def test_joined_linears_give_the_loop_s_numbers():
    x, edges, _ = graph()
    loop = to_hetero(Net(), (NODES, RELATIONS)).eval()
    grouped = group_types(loop, least_linears=3)
    assert len([m for m in grouped.modules() if isinstance(m, GroupedLinear)]) == 2
    assert_same(loop, grouped, x, edges)
    assert sum(p.numel() for p in grouped.parameters()) == sum(p.numel() for p in loop.parameters())
    assert len(list(grouped.parameters())) < len(list(loop.parameters())) / 4


def test_few_types_stay_as_they_are():
    loop = to_hetero(Net(), (["a"], [EdgeType("a", "to", "a")]))
    assert group_types(loop).state_dict().keys() == loop.state_dict().keys()
    other = to_hetero(Weighted("mean"), (NODES, RELATIONS), "max")
    assert not [m for m in group_types(other).modules() if isinstance(m, GroupedRelations)]


def test_grouped_models_compile_whole_and_once():
    torch._dynamo.reset()
    module = group_types(to_hetero(Net(), (NODES, RELATIONS)), least_linears=3).eval()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    torch._dynamo.utils.counters.clear()
    for seed in (1, 2):
        x, edges, _ = graph(seed, scale=seed)
        x["a"].requires_grad_()
        out = compiled(x, edges)
        torch.testing.assert_close(out, module(x, edges), rtol=1e-4, atol=1e-5)
        sum(o.sum() for o in out.values()).backward()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@pytest.mark.parametrize("decomposition", [{}, {"num_bases": 3}, {"num_blocks": 2}])
def test_relations_are_a_layer_of_many_relations(decomposition):
    x, edges, _ = graph()
    layer = GroupedRelations(RELATIONS, 6, 4, **decomposition)
    found = layer(x, edges)
    offsets, count = {}, 0
    for name in NODES:
        offsets[name], count = count, count + SIZES[name]
    coo = torch.cat([e.coo() + torch.tensor([[offsets[t.src]], [offsets[t.dst]]]) for t, e in edges.items()], 1)
    types = torch.cat([torch.full((e.num_edges,), i) for i, e in enumerate(edges.values())])
    flat = ours.RGCNConv(6, 4, len(RELATIONS), root=False, bias=False, **decomposition)
    flat.load_state_dict(layer.state_dict())
    expected = flat(torch.cat([x[name] for name in NODES]), coo, edge_type=types)
    torch.testing.assert_close(torch.cat([found[name] for name in NODES]), expected)


def test_pairs_made_ahead_give_the_same():
    x, edges, _ = graph()
    layer = GroupedRelations(RELATIONS, 6, 4)
    pairs = join_relations(edges, RELATIONS).transposed()
    assert pairs.into.num_dst < sum(e.num_dst for e in edges.values())
    torch.testing.assert_close(layer(x, edges, pairs=pairs), layer(x, edges))
    part = {t: e for t, e in edges.items() if t.dst == "b"}
    torch.testing.assert_close(layer(x, part)["b"], layer(x, edges)["b"])
    assert layer(x, {}) == {}
