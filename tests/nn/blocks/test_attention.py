"""What layers that attend say of their coefficients."""

import pytest
import torch
import torch_geometric.nn as peer
from conv_attention import GATV2_NAMES
from conv_case import EDGE_WIDTH, WIDTH, given, tied
from test_convs import CASES, EDGES, NODES, random_edges, sorted_values

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv import GATConv, GATv2Conv, TransformerConv

ATTENDING = [c for c in CASES if isinstance(c.ours(), GATConv | GATv2Conv | TransformerConv)]


def dense(coo, alpha):
    """(S, D, heads): what each source has of each destination."""
    return torch.zeros(NODES, NODES, alpha.shape[1]).index_put((coo[0], coo[1]), alpha, accumulate=True)


@pytest.mark.parametrize("case", ATTENDING, ids=str)
def test_coefficients_are_the_oracles(case):
    torch.manual_seed(1)
    ours, theirs = case.ours(), case.theirs()
    tied(case, ours, theirs)
    coo = random_edges(NODES, NODES, EDGES)
    edges, order = EdgeIndex.from_coo(coo, NODES)
    x, values = torch.randn(NODES, WIDTH), given(case.takes, NODES, coo.shape[1], torch.float32, seed=3)
    found, alpha = ours.attention(x, edges, **sorted_values(values, order))
    _, (other, expected) = theirs(x, coo, **values, return_attention_weights=True)
    torch.testing.assert_close(dense(found.coo(), alpha), dense(other, expected))
    target = found.coo()[1].unique()
    torch.testing.assert_close(dense(found.coo(), alpha).sum(0)[target], torch.ones(len(target), alpha.shape[1]))


FILLS = ["mean", "sum", "min", "max", "mul", "-0.5", 2.0, torch.linspace(-1, 1, EDGE_WIDTH)]
GAT_NAMES = {"edge_lin.weight": "lin_edge.weight"}


@pytest.mark.parametrize("fill", FILLS, ids=str)
@pytest.mark.parametrize("name", ["GATConv", "GATv2Conv"])
def test_loops_have_the_features_that_the_oracles_have(name, fill):
    """With loops in the graph, and a node of no other edge."""
    ours = {"GATConv": GATConv, "GATv2Conv": GATv2Conv}[name](
        WIDTH, 4, heads=2, edge_channels=EDGE_WIDTH, fill_value=fill
    )
    asked = float(fill) if fill == "-0.5" else fill
    theirs = getattr(peer, name)(WIDTH, 4, heads=2, edge_dim=EDGE_WIDTH, fill_value=asked)
    state = dict(theirs.named_parameters())
    for key, value in ours.named_parameters():
        state[GATV2_NAMES.get(key, key) if name == "GATv2Conv" else GAT_NAMES.get(key, key)].data.copy_(value)
    coo = torch.cat([random_edges(NODES - 1, NODES - 1, EDGES), torch.tensor([[0, 2], [0, 2]])], 1)
    edges, order = EdgeIndex.from_coo(coo, NODES)
    torch.manual_seed(2)
    x, attr = torch.randn(NODES, WIDTH), torch.randn(coo.shape[1], EDGE_WIDTH)
    mine, other = attr[order].requires_grad_(), attr.clone().requires_grad_()
    found, expected = ours(x, edges, edge_attr=mine), theirs(x, coo, edge_attr=other)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(mine.grad, other.grad[order], rtol=1e-4, atol=1e-5)


def test_what_no_loop_can_have_is_refused():
    with pytest.raises(ValueError, match="fill_value must be a number or among mean, sum, min, max, mul, got 'median'"):
        GATConv(WIDTH, 4, edge_channels=EDGE_WIDTH, fill_value="median")
