"""Graph U-Nets, against the oracle with the same weights and a dense product."""

import re

import pytest
import torch
import torch_geometric.nn as peer

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.models import GraphUNet
from gnnctl.nn.models.graph_unet import two_steps

PTR = torch.tensor([0, 9, 24])


def batch(seed=0):
    draw = torch.Generator().manual_seed(seed)
    coo = torch.cat([torch.randint(0, 9, (2, 20), generator=draw), torch.randint(9, 24, (2, 40), generator=draw)], 1)
    coo = torch.unique(coo, dim=1)
    edges, order = EdgeIndex.from_coo(coo, 24)
    return torch.randn(24, 5, generator=draw), edges, coo[:, order], torch.rand(coo.shape[1], generator=draw)


def in_peer_words(state):
    rules = [(r"^down", "down_convs"), (r"^up", "up_convs"), (r"(pools\.\d+)\.weight", r"\1.select.weight")]
    renamed = {}
    for name, value in state.items():
        for mine, other in rules:
            name = re.sub(mine, other, name)
        renamed[name] = value.view(1, -1) if "select" in name else value
    return renamed


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("depth", "ratio", "join"), [(1, 0.5, "sum"), (3, 0.6, "cat"), (2, [0.8, 0.5], "sum"), (2, 4, "cat")]
)
def test_unet_is_the_oracles(depth, ratio, join, weighted):
    torch.manual_seed(1)
    x, edges, coo, weight = batch()
    ours = GraphUNet(5, 8, 3, depth=depth, ratio=ratio, join=join)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    theirs = peer.GraphUNet(5, 8, 3, depth, ratio, sum_res=join == "sum")
    theirs.load_state_dict(in_peer_words(ours.state_dict()))
    graph = torch.repeat_interleave(torch.arange(2), PTR.diff())
    weight = weight if weighted else None
    found, wanted = ours(x, edges, PTR, weight), theirs(x, coo, graph, weight)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    found.square().sum().backward()
    wanted.square().sum().backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    for name, value in in_peer_words({n: p.grad for n, p in ours.named_parameters()}).items():
        torch.testing.assert_close(value, gradients[name], rtol=1e-4, atol=1e-4)


def test_two_steps_are_the_dense_square():
    _, edges, coo, weight = batch(3)
    dense = torch.zeros(24, 24, dtype=torch.float64)
    dense[coo[1], coo[0]] = weight.double()
    dense.fill_diagonal_(1)
    square = (dense @ dense).fill_diagonal_(0)
    given = weight.double().requires_grad_()
    found, values = two_steps(edges, given)
    EdgeIndex(found.colptr, found.row, 24, 24)  # checks its contents
    assert found.num_edges == int((square > 0).sum())
    torch.testing.assert_close(values, square[found.col().long(), found.row.long()])
    assert torch.autograd.gradcheck(lambda w: two_steps(edges, w)[1], given)


def test_graphs_without_edges_or_nodes():
    model = GraphUNet(5, 8, 3, depth=2)
    for size in (1, 4):
        edges, _ = EdgeIndex.from_coo(torch.empty(2, 0, dtype=torch.int64), size)
        assert model(torch.randn(size, 5), edges).isfinite().all()


def test_what_makes_no_unet():
    with pytest.raises(ValueError, match="depth must be at least 1"):
        GraphUNet(5, 8, 3, depth=0)
    with pytest.raises(ValueError, match="got 3 and 2 ratios"):
        GraphUNet(5, 8, 3, depth=3, ratio=[0.5, 0.5])
    with pytest.raises(ValueError, match="join must be sum or cat"):
        GraphUNet(5, 8, 3, join="mean")
