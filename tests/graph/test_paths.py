"""Parts of a graph's edges, and paths of two, against plain loops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.paths import two_step_paths


@st.composite
def edges_between(draw, num_src=None, square=False):
    num_src = draw(st.integers(0, 6)) if num_src is None else num_src
    num_dst = num_src if square else draw(st.integers(0, 6))
    count = draw(st.integers(0, 15)) if num_src and num_dst else 0
    generator = torch.Generator().manual_seed(draw(st.integers(0, 9999)))
    coo = [torch.randint(0, max(n, 1), (count,), generator=generator) for n in (num_src, num_dst)]
    return EdgeIndex.from_coo(torch.stack(coo), num_src, num_dst)[0]


def listed(edges):
    EdgeIndex(edges.colptr, edges.row, edges.num_src, edges.num_dst)  # sorted and within range
    return [tuple(e) for e in edges.coo().T.tolist()]


@settings(max_examples=60, deadline=None)
@given(edges_between(), st.randoms(use_true_random=False))
def test_selected_edges_keep_their_order(edges, random):
    mask = torch.tensor([random.random() < 0.5 for _ in range(edges.num_edges)], dtype=torch.bool)
    found, positions = edges.select(mask)
    assert positions.tolist() == mask.nonzero()[:, 0].tolist()
    assert listed(found) == [e for e, kept in zip(listed(edges), mask.tolist(), strict=True) if kept]


@settings(max_examples=60, deadline=None)
@given(edges_between(), st.randoms(use_true_random=False))
def test_edges_into_some_destinations_in_any_order(edges, random):
    nodes = [random.randrange(edges.num_dst) for _ in range(3)] if edges.num_dst else []
    found, positions = edges.destinations(torch.tensor(nodes, dtype=torch.int64))
    before = listed(edges)
    expected = [(s, i, e) for i, node in enumerate(nodes) for e, (s, d) in enumerate(before) if d == node]
    assert [(*edge, e) for edge, e in zip(listed(found), positions.tolist(), strict=True)] == expected


@settings(max_examples=60, deadline=None)
@given(edges_between(square=True), st.randoms(use_true_random=False))
def test_a_subgraph_has_the_edges_among_its_nodes(edges, random):
    nodes = random.sample(range(edges.num_src), edges.num_src // 2)
    found, positions = edges.subgraph(torch.tensor(nodes, dtype=torch.int64))
    before = listed(edges)
    among = {e for e, (s, d) in enumerate(before) if s in nodes and d in nodes}
    assert set(positions.tolist()) == among
    assert [(nodes[s], nodes[d]) for s, d in listed(found)] == [before[e] for e in positions.tolist()]


@settings(max_examples=60, deadline=None)
@given(st.data(), edges_between())
def test_all_paths_of_two_edges(data, first):
    second = data.draw(edges_between(first.num_dst))
    paths = two_step_paths(first, second)
    a, b = listed(first), listed(second)
    expected = [(i, j) for j in range(len(b)) for i in range(len(a)) if a[i][1] == b[j][0]]
    assert list(zip(paths.first.tolist(), paths.second.tolist(), strict=True)) == expected


def test_paths_need_the_same_nodes_between():
    edges, _ = EdgeIndex.from_coo(torch.tensor([[0], [1]]), 2, 3)
    with pytest.raises(ValueError, match="lead to 3 nodes, the second ones leave 2"):
        two_step_paths(edges, edges)
