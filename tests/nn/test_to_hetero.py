"""Models over one type of nodes, converted, against the oracle's conversion with the same weights."""

import pytest
import torch
import torch_geometric.nn as peer
from torch import nn

import gnnctl.nn.conv as ours
from gnnctl.graph import EdgeType
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.hetero import to_hetero, to_hetero_with_bases
from gnnctl.nn.models.jump import Jump

AA, AB, BA = EdgeType("a", "to", "a"), EdgeType("a", "to", "b"), EdgeType("b", "back", "a")
METADATA = ["a", "b"], [AA, AB, BA]
SIZES = {"a": 12, "b": 9}
RENAMES = {".lin.": ".lin_l.", ".root.": ".lin_r."}


class Net(nn.Module):
    """What models do: convolutions, an MLP, a norm, dropout, a residual, jumping knowledge."""

    def __init__(self, package, width=6, jump=None):
        super().__init__()
        self.conv1 = package.SAGEConv(width, 8)
        self.norm = nn.LayerNorm(8)
        self.mlp = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.5))
        self.conv2 = package.SAGEConv(8, 8, aggr="max")
        self.jump = _jump(package) if jump else None
        self.out = nn.Linear(16 if jump else 8, 4)

    def forward(self, x, edge_index):
        h = self.norm(self.conv1(x, edge_index)).relu()
        first = self.mlp(h) + h
        h = torch.nn.functional.dropout(self.conv2(first, edge_index), 0.5, training=self.training) + first
        return self.out(h if self.jump is None else self.jump([first, h]))


def _jump(package):
    return Jump("cat", 8, 2) if package is ours else peer.JumpingKnowledge("cat")


@pytest.fixture
def graph():
    torch.manual_seed(0)
    x = {name: torch.randn(count, 6) for name, count in SIZES.items()}
    coo = {
        t: torch.stack([torch.randint(0, SIZES[t.src], (30,)), torch.randint(0, SIZES[t.dst], (30,))])
        for t in METADATA[1]
    }
    edges = {t: EdgeIndex.from_coo(c, SIZES[t.src], SIZES[t.dst])[0] for t, c in coo.items()}
    return x, edges, coo


def tie(mine, other):
    state, used = dict(other.named_parameters()), set()
    for name, value in mine.named_parameters():
        for a, b in RENAMES.items():
            name = name.replace(a, b) if "conv" in name else name
        used.add(name)
        with torch.no_grad():
            state[name].copy_(value)
    assert used == set(state), set(state) - used


@pytest.mark.parametrize("jump", [None, "cat"])
@pytest.mark.parametrize("aggr", ["sum", "mean", "min", "max", "mul"])
def test_a_converted_model_gives_the_oracle_s_numbers(graph, aggr, jump):
    x, edges, coo = graph
    mine = to_hetero(Net(ours, jump=jump), METADATA, aggr).eval()
    other = peer.to_hetero(Net(peer, jump=jump).eval(), ([*SIZES], [tuple(t) for t in METADATA[1]]), aggr).eval()
    tie(mine, other)
    found, expected = mine(x, edges), other(x, {tuple(t): c for t, c in coo.items()})
    assert found.keys() == expected.keys()
    for name in SIZES:
        torch.testing.assert_close(found[name], expected[name])
    torch.testing.assert_close(mine(x, coo)["a"], found["a"])  # plain edges
    torch.testing.assert_close(mine(x, {str(t): c for t, c in coo.items()})["a"], found["a"])


def test_copies_start_from_weights_of_their_own():
    module = to_hetero(Net(ours), METADATA)
    weights = [module.get_parameter(f"conv1.{t.key}.lin.weight") for t in METADATA[1]]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(module.get_parameter("mlp.0.a.weight"), module.get_parameter("mlp.0.b.weight"))


def test_dropout_follows_the_converted_model_s_mode(graph):
    x, edges, _ = graph
    module = to_hetero(Net(ours).eval(), METADATA).train()
    assert not torch.equal(module(x, edges)["a"], module(x, edges)["a"])
    module.eval()
    torch.testing.assert_close(module(x, edges)["a"], module(x, edges)["a"], rtol=0, atol=0)


def test_compiles_whole_and_once(graph):
    x, edges, _ = graph
    module = to_hetero(Net(ours), METADATA).eval()
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, edges), module(x, edges))


def test_modules_within_modules(graph):
    class Block(nn.Module):
        def __init__(self, conv):
            super().__init__()
            self.conv, self.scale = conv, nn.Parameter(torch.tensor(2.0))

        def forward(self, x, edge_index, edge_weight=None):
            return self.conv(x, edge_index, edge_weight=edge_weight) * self.scale

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([Block(ours.SAGEConv(6, 6)), Block(ours.GATConv((6, 6), 6, self_loops=False))])

        def forward(self, x, edge_index, edge_weight=None):
            for block in self.blocks:
                x = block(x, edge_index, edge_weight)
            return x, x.sum()

    x, edges, _ = graph
    module = to_hetero(Outer(), METADATA)
    weight = {t: torch.rand(e.num_edges) for t, e in edges.items()}
    h = dict(x)
    for i in range(2):
        outs = {}
        for t in METADATA[1]:
            conv = module.get_submodule(f"blocks.{i}.conv.{t.key}")
            pair = (h[t.src], h[t.dst])
            outs[t.dst] = outs.get(t.dst, 0) + conv(pair, edges[t], edge_weight=weight[t])
        h = {name: value * 2 for name, value in outs.items()}
    found, sums = module(x, edges, weight)
    torch.testing.assert_close(found, h)
    torch.testing.assert_close(sums["b"], h["b"].sum())


def test_types_that_nothing_leads_to_end_there(graph):
    x, edges, _ = graph
    module = to_hetero(Net(ours), (["a", "b"], [AA, BA]))
    assert set(module(x, edges)) == {"a"}


@pytest.mark.parametrize("build", [lambda m: to_hetero(m, METADATA), lambda m: to_hetero_with_bases(m, METADATA, 2)])
def test_widths_may_be_unknown_until_the_first_call(graph, build):
    x, edges, _ = graph
    module = build(Net(ours, width=-1))
    out = module(x, edges)
    names = {name for name, _ in module.named_parameters()}
    assert {name for name, _ in build(Net(ours, width=6)).named_parameters()} == names
    assert out["a"].shape == (12, 4)
    again = build(Net(ours, width=6))
    again.load_state_dict(module.state_dict())
    torch.testing.assert_close(again.eval()(x, edges), module.eval()(x, edges))


def test_lazy_layers_take_the_widths_of_both_ends():
    edges, _ = EdgeIndex.from_coo(torch.tensor([[0, 1], [1, 0]]), 2, 3)
    layer = ours.SAGEConv(-1, 4)
    assert not list(layer.parameters())
    assert layer((torch.randn(2, 5), torch.randn(3, 7)), edges).shape == (3, 4)
    assert (layer.lin.in_features, layer.root.in_features) == (5, 7)
    attend = ours.GATConv((-1, -1), 4, edge_channels=-1, self_loops=False)
    attend((torch.randn(2, 5), torch.randn(3, 5)), edges, edge_attr=torch.randn(2, 3))
    assert (attend.lin.in_features, attend.lin_dst.in_features, attend.edge_lin.in_features) == (5, 5, 3)
    typed = ours.HGTConv(-1, 4, METADATA, heads=2)
    typed({"a": torch.randn(2, 5), "b": torch.randn(3, 6)}, {AB: edges})
    assert typed.keys["a"].in_features == 5


@pytest.mark.parametrize("num_bases", [1, 3])
@pytest.mark.filterwarnings("ignore")
def test_bases_give_the_oracle_s_numbers(graph, num_bases):
    x, _, coo = graph
    mine = to_hetero_with_bases(Net(ours), METADATA, num_bases).eval()
    other = peer.to_hetero_with_bases(Net(peer).eval(), ([*SIZES], [tuple(t) for t in METADATA[1]]), num_bases).eval()
    state = dict(other.named_parameters())
    with torch.no_grad():
        for name, value in mine.named_parameters():
            if name.endswith("comp"):
                for number, row in enumerate(value):
                    state[name.replace("comp", f"convs.{number}.edge_type_weight")].copy_(row)
                continue
            for a, b in RENAMES.items():
                name = name.replace(a, b) if "conv" in name else name
            state[name].copy_(value)
    found, expected = mine(x, coo), other(x, {tuple(t): c for t, c in coo.items()})
    for name in SIZES:
        torch.testing.assert_close(found[name], expected[name])


def test_bases_align_widths_first(graph):
    x, edges, _ = graph
    x["b"] = torch.randn(9, 3)
    module = to_hetero_with_bases(Net(ours), METADATA, 2, in_channels={"x": 6})
    assert module(x, edges)["b"].shape == (9, 4)
    assert module.align_x.lins["b"].in_features == 3


@pytest.mark.parametrize("aggr", ["cat", "stack", "median"])
def test_results_of_edge_types_keep_their_shape_when_they_become_one(aggr):
    with pytest.raises(ValueError, match=f"aggr must be sum, mean, min, max or mul, got '{aggr}'"):
        to_hetero(Net(ours), METADATA, aggr)


class Mixed(nn.Module):
    def forward(self, x, edge_index):
        return x + edge_index


class Branch(nn.Module):
    def forward(self, x, edge_index):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "metadata", "message"),
    [
        (Mixed(), METADATA, "mixes values of nodes and of edges"),
        (Branch(), METADATA, "Branch cannot be converted"),
        (Net(ours), (["a"], [AB]), "joins 'b', which is no node type"),
        (Net(ours), (["a", "b"], ["a to"]), "is no edge type"),
        (Net(ours), (["a", "b"], []), "must name"),
    ],
)
def test_what_cannot_be_converted_is_named(module, metadata, message):
    with pytest.raises(ValueError, match=message):
        to_hetero(module, metadata)


@pytest.mark.parametrize(
    "layer", [ours.GCNConv, ours.GATConv, ours.GATv2Conv, ours.SuperGATConv], ids=lambda c: c.__name__
)
def test_loops_between_different_types_are_refused(layer):
    module = Net(ours)
    module.conv1 = layer(6, 8)
    with pytest.raises(ValueError, match="adds self-loops"):
        to_hetero(module, METADATA)
    with pytest.raises(ValueError, match="adds self-loops"):
        ours.HeteroConv({AB: layer(6, 8)})
    with pytest.raises(ValueError, match="adds self-loops"):
        to_hetero_with_bases(module, METADATA, 2)
