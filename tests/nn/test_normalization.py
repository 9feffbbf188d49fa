"""Adjacency matrices by factors against the same written out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import adjacency, averaged, inverse, inverse_root, own_degrees, times


@st.composite
def graphs(draw):
    nodes, count = draw(st.integers(1, 8)), draw(st.integers(0, 25))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    coo = torch.randint(0, nodes, (2, count), generator=generator)
    weight = torch.rand(count, generator=generator, dtype=torch.float64) + 0.1
    return coo, weight if draw(st.booleans()) else None, nodes


def dense(coo, weight, nodes, num_dst=None):
    weight = torch.ones(coo.shape[1], dtype=torch.float64) if weight is None else weight
    out = torch.zeros(num_dst or nodes, nodes, dtype=torch.float64)
    return out.index_put((coo[1], coo[0]), weight, accumulate=True)


def with_loops(matrix):
    return matrix + torch.diag((matrix.diagonal() == 0).to(matrix.dtype))


@given(graphs(), st.booleans())
@settings(deadline=None, max_examples=60)
def test_symmetric_normalisation(graph, self_loops):
    coo, weight, nodes = graph
    edges, order = EdgeIndex.from_coo(coo, nodes)
    eye = torch.eye(nodes, dtype=torch.float64)
    found = times(adjacency(eye, edges, None if weight is None else weight[order], self_loops=self_loops), eye, eye)
    matrix = with_loops(dense(coo, weight, nodes)) if self_loops else dense(coo, weight, nodes)
    root = inverse_root(matrix.sum(1))
    torch.testing.assert_close(found, root[:, None] * matrix * root)


@given(graphs(), st.floats(0, 2))
@settings(deadline=None, max_examples=60)
def test_the_mean_with_oneself(graph, diagonal):
    coo, weight, nodes = graph
    edges, order = EdgeIndex.from_coo(coo, nodes)
    eye = torch.eye(nodes, dtype=torch.float64)
    weight = None if weight is None else weight[order]
    found = times(averaged(edges, weight, diagonal=diagonal, dtype=torch.float64), eye, eye)
    matrix = with_loops(dense(edges.coo(), weight, nodes))
    scale = inverse(matrix.sum(1))
    torch.testing.assert_close(found, scale[:, None] * matrix + torch.diag(scale * diagonal))


@given(graphs(), st.integers(0, 2**31))
@settings(deadline=None, max_examples=60)
def test_a_destination_with_some_of_its_edges_has_their_expectation(graph, seed):
    """The mean over every choice of one in-edge for each destination is the exact product."""
    coo, _, nodes = graph
    edges, _ = EdgeIndex.from_coo(coo, nodes)
    degree = own_degrees(edges, None, homogeneous=True, loops=True)
    x = torch.randn(nodes, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    exact = times(adjacency(x, edges, degree=degree, self_loops=True), x, x)
    for node in range(nodes):
        sources = coo[0, coo[1] == node]
        if not len(sources):
            continue
        local = degree._replace(
            dst=degree.dst[[node]],
            in_edges=degree.in_edges[[node]],
            dst_loop=None if degree.dst_loop is None else degree.dst_loop[[node]],
        )
        draws = []
        for source in sources:
            one = EdgeIndex(torch.tensor([0, 1]), source[None], nodes, 1)
            pair = (x, x[[node]])
            draws.append(times(adjacency(pair, one, degree=local, self_loops=True), *pair))
        torch.testing.assert_close(torch.stack(draws).mean(0)[0], exact[node])


def test_a_mask_counts_in_no_degree():
    edges, _ = EdgeIndex.from_coo(torch.tensor([[0, 1], [1, 0]]), 2)
    x = torch.tensor([[1.0], [2.0]])
    masked = times(adjacency(x, edges, edge_mask=torch.tensor([0.0, 1.0]), self_loops=True), x, x)
    assert masked.flatten().tolist() == pytest.approx([0.5, 1.5])


def test_edges_between_two_types_have_out_and_in_degrees():
    edges, _ = EdgeIndex.from_coo(torch.tensor([[0, 0, 1], [0, 1, 1]]), 2, 2)
    x = torch.ones(2, 1), torch.ones(2, 1)
    found = times(adjacency(x, edges, self_loops=False), *x).flatten().tolist()
    assert found == pytest.approx([0.5**0.5, 0.5 + 0.5**0.5])
