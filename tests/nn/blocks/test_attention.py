"""What layers that attend say of their coefficients."""

import pytest
import torch
from conv_case import WIDTH, given, tied
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
