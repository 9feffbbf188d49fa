"""Layers against torch-geometric with the same weights, and what must hold of any layer."""

import pytest
import torch
import torch_geometric.nn as peer
from torch import nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv import GATConv, GCNConv, GINConv, SAGEConv, SuperGATConv

NODES, EDGES = 50, 300


@pytest.fixture
def coo():
    coo = torch.randint(0, NODES - 3, (2, EDGES), generator=torch.Generator().manual_seed(0))  # three isolated nodes
    return coo[:, coo[0] != coo[1]]


def assert_same(ours, theirs, inputs_ours, inputs_theirs, pairs):
    """Outputs, and gradients of inputs and parameters, to 1e-5 of the largest."""
    grad = torch.randn_like(ours)
    a = torch.autograd.grad(ours, [*inputs_ours, *(p for p, _ in pairs)], grad)
    b = torch.autograd.grad(theirs, [*inputs_theirs, *(p for _, p in pairs)], grad)
    for mine, other in zip([ours, *a], [theirs, *b], strict=True):
        scale = other.detach().abs().max()
        assert float((mine.detach() - other.detach().view_as(mine)).abs().max() / scale) < 1e-5


def tied(ours, theirs, names):
    """Give the peer our weights; the pairs of parameters."""
    pairs = []
    for mine, other in names.items():
        p, q = ours.get_parameter(mine), theirs.get_parameter(other)
        with torch.no_grad():
            q.copy_(p.view_as(q))
        pairs.append((p, q))
    return pairs


def leaf(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


@pytest.mark.parametrize(("width", "out"), [(16, 5), (5, 16)])
@pytest.mark.parametrize("weighted", [False, True])
def test_gcn(coo, width, out, weighted):
    edges, perm = EdgeIndex.from_coo(coo, NODES)
    ours, theirs = GCNConv(width, out), peer.GCNConv(width, out)
    nn.init.normal_(ours.bias)
    pairs = tied(ours, theirs, {"lin.weight": "lin.weight", "bias": "bias"})
    x, y = leaf(NODES, width), leaf(NODES, width)
    weight = torch.rand(coo.shape[1]) if weighted else None
    assert_same(ours(x, edges, None if weight is None else weight[perm]), theirs(y, coo, weight), [x], [y], pairs)


@pytest.mark.parametrize(("width", "out"), [(16, 5), (5, 16)])
@pytest.mark.parametrize("aggr", ["mean", "sum", "max", "min"])
def test_sage(coo, width, out, aggr):
    edges, _ = EdgeIndex.from_coo(coo, NODES)
    ours, theirs = SAGEConv(width, out, aggr=aggr), peer.SAGEConv(width, out, aggr=aggr)
    names = {"lin.weight": "lin_l.weight", "lin.bias": "lin_l.bias", "root.weight": "lin_r.weight"}
    pairs = tied(ours, theirs, names)
    x, y = leaf(NODES, width), leaf(NODES, width)
    assert_same(ours(x, edges), theirs(y, coo), [x], [y], pairs)


def test_sage_between_two_types():
    coo = torch.stack([torch.randint(0, 20, (90,)), torch.randint(0, 30, (90,))])
    edges, _ = EdgeIndex.from_coo(coo, 20, 30)
    ours, theirs = SAGEConv((6, 4), 8), peer.SAGEConv((6, 4), 8)
    names = {"lin.weight": "lin_l.weight", "lin.bias": "lin_l.bias", "root.weight": "lin_r.weight"}
    pairs = tied(ours, theirs, names)
    x, y = (leaf(20, 6), leaf(30, 4, seed=2)), (leaf(20, 6), leaf(30, 4, seed=2))
    assert_same(ours(x, edges), theirs(y, coo), x, y, pairs)


@pytest.mark.parametrize("edge_features", [0, 3])
def test_gin(coo, edge_features):
    edges, perm = EdgeIndex.from_coo(coo, NODES)
    mlp = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8))
    other = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8))
    ours = GINConv(mlp, train_eps=True, edge_channels=edge_features, in_channels=6)
    kind = peer.GINEConv if edge_features else peer.GINConv
    theirs = kind(other, train_eps=True, **({"edge_dim": edge_features} if edge_features else {}))
    names = {"network.0.weight": "nn.0.weight", "network.2.bias": "nn.2.bias", "network.2.weight": "nn.2.weight"}
    names |= {"network.0.bias": "nn.0.bias", "eps": "eps"}
    if edge_features:
        names |= {"edge_lin.weight": "lin.weight", "edge_lin.bias": "lin.bias"}
    pairs = tied(ours, theirs, names)
    x, y, attr = leaf(NODES, 6), leaf(NODES, 6), torch.randn(coo.shape[1], edge_features)
    given = ({"edge_attr": attr[perm]}, {"edge_attr": attr}) if edge_features else ({}, {})
    assert_same(ours(x, edges, **given[0]), theirs(y, coo, **given[1]), [x], [y], pairs)


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("heads", [1, 8])
def test_gat(coo, heads, concat):
    edges, _ = EdgeIndex.from_coo(coo, NODES)
    ours, theirs = GATConv(6, 8, heads=heads, concat=concat), peer.GATConv(6, 8, heads=heads, concat=concat)
    names = {n: n for n in ("lin.weight", "att_src", "att_dst", "bias")}
    pairs = tied(ours, theirs, names)
    x, y = leaf(NODES, 6), leaf(NODES, 6)
    assert_same(ours(x, edges), theirs(y, coo), [x], [y], pairs)


def test_gat_between_two_types_with_edge_features():
    coo = torch.stack([torch.randint(0, 20, (90,)), torch.randint(0, 30, (90,))])
    edges, perm = EdgeIndex.from_coo(coo, 20, 30)
    ours = GATConv((6, 4), 8, heads=2, edge_channels=3, self_loops=False)
    theirs = peer.GATConv((6, 4), 8, heads=2, edge_dim=3, add_self_loops=False)
    names = {"lin.weight": "lin_src.weight", "lin_dst.weight": "lin_dst.weight", "edge_lin.weight": "lin_edge.weight"}
    names |= {n: n for n in ("att_src", "att_dst", "att_edge", "bias")}
    pairs = tied(ours, theirs, names)
    x, y, attr = (leaf(20, 6), leaf(30, 4, seed=2)), (leaf(20, 6), leaf(30, 4, seed=2)), torch.randn(90, 3)
    assert_same(ours(x, edges, edge_attr=attr[perm]), theirs(y, coo, edge_attr=attr), x, y, pairs)


LAYERS = {
    "sage": lambda: SAGEConv(6, 4),
    "sage-max": lambda: SAGEConv(6, 4, aggr="max"),
    "gcn": lambda: GCNConv(6, 4),
    "gin": lambda: GINConv(nn.Linear(6, 4)),
    "gat": lambda: GATConv(6, 2, heads=2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_renumbered_nodes_give_the_same_rows(coo, name):
    layer = LAYERS[name]().double()
    x, order = torch.randn(NODES, 6, dtype=torch.float64), torch.randperm(NODES)
    place = torch.argsort(order)
    before = layer(x, EdgeIndex.from_coo(coo, NODES)[0])
    after = layer(x[order], EdgeIndex.from_coo(place[coo], NODES)[0])
    torch.testing.assert_close(after, before[order])


@pytest.mark.parametrize("name", LAYERS)
def test_no_edges_and_self_loops(name):
    layer = LAYERS[name]()
    x = torch.randn(5, 6, requires_grad=True)
    none, _ = EdgeIndex.from_coo(torch.empty(2, 0, dtype=torch.int64), 5)
    loops, _ = EdgeIndex.from_coo(torch.arange(5).expand(2, 5), 5)
    for edges in (none, loops):
        out = layer(x, edges)
        out.sum().backward()
        assert out.shape == (5, 4)
        assert out.isfinite().all()


@pytest.mark.parametrize("name", LAYERS)
def test_a_mask_of_ones_changes_nothing_and_one_of_zeros_is_no_edge(coo, name):
    layer = LAYERS[name]()
    edges, _ = EdgeIndex.from_coo(coo, NODES)
    x, mask = torch.randn(NODES, 6), torch.ones(edges.num_edges, requires_grad=True)
    out = layer(x, edges, edge_mask=mask)
    torch.testing.assert_close(out, layer(x, edges))
    out.square().sum().backward()
    assert mask.grad.abs().sum() > 0
    if name == "gin":
        none, _ = EdgeIndex.from_coo(torch.empty(2, 0, dtype=torch.int64), NODES)
        torch.testing.assert_close(layer(x, edges, edge_mask=torch.zeros(edges.num_edges)), layer(x, none))


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_by_finite_differences(name):
    layer = LAYERS[name]().double()
    edges, _ = EdgeIndex.from_coo(torch.randint(0, 6, (2, 15), generator=torch.Generator().manual_seed(3)), 6)
    x = torch.randn(6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: layer(v, edges), (x,), fast_mode=True)


def test_a_sampled_sum_is_scaled_to_the_degree_in_the_graph():
    edges = EdgeIndex(torch.tensor([0, 2]), torch.tensor([1, 2], dtype=torch.int32), 3, 1)
    x = torch.tensor([[5.0], [1.0], [3.0]])
    layer = GINConv(nn.Identity(), root=False)
    degree = Degrees(torch.ones(3), torch.tensor([8.0]), torch.tensor([8.0]))
    assert layer((x, x[:1]), edges, degree=degree).item() == 16
    gcn = GCNConv(1, 1, bias=False)
    nn.init.ones_(gcn.lin.weight)
    expected = 4 / (2**0.5 * 3) * 4 + 5 / 9
    assert gcn((x, x[:1]), edges, degree=degree).item() == pytest.approx(expected)


def test_gcn_between_two_types_uses_out_and_in_degrees():
    edges, _ = EdgeIndex.from_coo(torch.tensor([[0, 0, 1], [0, 1, 1]]), 2, 2)
    layer = GCNConv(1, 1, self_loops=False, bias=False)
    nn.init.ones_(layer.lin.weight)
    x = torch.tensor([[1.0], [1.0]])
    out = layer((x, x), edges).flatten().tolist()
    assert out == pytest.approx([1 / 2**0.5, 1 / 2 + 1 / 2**0.5])


@pytest.mark.parametrize("attention", ["MX", "SD"])
def test_the_edge_loss_of_supergat(coo, attention):
    ours = SuperGATConv(6, 4, heads=2, attention=attention)
    theirs = peer.SuperGATConv(6, 4, heads=2, attention_type=attention, add_self_loops=False)
    names = {"lin.weight": "lin.weight"} | ({"att_src": "att_l", "att_dst": "att_r"} if attention == "MX" else {})
    tied(ours, theirs, names)
    x, negatives = leaf(NODES, 6), torch.randint(0, NODES, (2, 80))
    edges, none = EdgeIndex.from_coo(coo, NODES)[0], EdgeIndex.from_coo(negatives, NODES)[0]
    theirs(x, coo, negatives)
    torch.testing.assert_close(ours.edge_loss(x, edges, none), theirs.get_attention_loss())
