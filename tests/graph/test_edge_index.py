"""Edges sorted by destination, and their views."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.graph.edge_index import EdgeIndex


@st.composite
def coo_graphs(draw):
    num_src, num_dst = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    count = draw(st.integers(0, 60))
    seed = draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    src = torch.randint(0, num_src, (count,), generator=generator)
    dst = torch.randint(0, num_dst, (count,), generator=generator)
    return torch.stack([src, dst]), num_src, num_dst


@given(coo_graphs())
@settings(deadline=None, max_examples=50)
def test_sorting_is_stable_by_destination(graph):
    coo, num_src, num_dst = graph
    edges, perm = EdgeIndex.from_coo(coo, num_src, num_dst)
    assert torch.equal(perm, torch.argsort(coo[1], stable=True))
    assert torch.equal(edges.coo(), coo[:, perm])
    assert torch.equal(edges.in_degree(), torch.bincount(coo[1], minlength=num_dst))


@given(coo_graphs())
@settings(deadline=None, max_examples=50)
def test_the_transposed_view_lists_every_edge_by_source(graph):
    coo, num_src, num_dst = graph
    edges, _ = EdgeIndex.from_coo(coo, num_src, num_dst)
    rowptr, col, perm = edges.transposed()
    assert torch.equal(perm.long(), torch.argsort(edges.row, stable=True))
    assert torch.equal(col.long(), edges.coo()[1][perm.long()])
    assert torch.equal(rowptr.diff(), torch.bincount(coo[0], minlength=num_src))
    assert edges.transposed() is edges.transposed()


def test_sorting_large_edge_lists_does_not_depend_on_threads():
    coo = torch.randint(0, 3000, (2, 200_000), generator=torch.Generator().manual_seed(1))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            edges, perm = EdgeIndex.from_coo(coo, 3000)
            results.append((edges.colptr, edges.row, perm, *edges.transposed()))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_trimming_keeps_the_first_destinations():
    coo = torch.tensor([[0, 1, 2, 3, 4], [0, 0, 1, 2, 2]])
    edges, _ = EdgeIndex.from_coo(coo, 5, 3)
    trimmed = edges.trim(2, 3)
    assert trimmed.coo().tolist() == [[0, 1, 2], [0, 0, 1]]
    assert (trimmed.num_src, trimmed.num_dst, trimmed.num_edges) == (3, 2, 3)
    assert edges.trim(2, 3, 3).coo().tolist() == trimmed.coo().tolist()
    assert trimmed.row.data_ptr() == edges.row.data_ptr()


def test_self_loops_come_after_the_edges_of_their_node():
    edges, _ = EdgeIndex.from_coo(torch.tensor([[2, 1, 0], [0, 0, 1]]), 3, 2)
    looped, loops, others = edges.with_self_loops()
    assert looped.coo().tolist() == [[2, 1, 0, 0, 1], [0, 0, 0, 1, 1]]
    assert (loops.tolist(), others.tolist()) == ([2, 4], [0, 1, 3])
    with pytest.raises(ValueError, match="destinations among the sources"):
        EdgeIndex.from_coo(torch.tensor([[0], [1]]), 1, 2)[0].with_self_loops()


@pytest.mark.parametrize(
    ("colptr", "row", "message"),
    [
        ([0, 2, 1], [0], "rise from 0"),
        ([1, 1, 1], [0], "rise from 0"),
        ([0, 1, 2], [0], "rise from 0"),
        ([0, 0, 1], [4], "outside 0..3"),
        ([0, 0, 1], [-1], "outside 0..3"),
        ([0, 1], [0], "fit no 2 destinations"),
    ],
)
def test_unsound_edges_are_refused(colptr, row, message):
    with pytest.raises(ValueError, match=message):
        EdgeIndex(torch.tensor(colptr), torch.tensor(row, dtype=torch.int32), 4, 2)


def test_wrong_dtypes_are_refused():
    with pytest.raises(TypeError, match="colptr must be int64"):
        EdgeIndex(torch.tensor([0, 1], dtype=torch.int32), torch.tensor([0]), 1, 1)


@pytest.mark.parametrize("coo", [[[0, 5], [0, 1]], [[0, 1], [0, 9]], [[-1], [0]]])
def test_an_endpoint_out_of_range_is_refused(coo):
    with pytest.raises(ValueError, match="outside"):
        EdgeIndex.from_coo(torch.tensor(coo), 5, 5)


def test_no_edges():
    edges, perm = EdgeIndex.from_coo(torch.empty(2, 0, dtype=torch.int64), 3, 4)
    assert (edges.num_edges, len(perm)) == (0, 0)
    assert edges.transposed().rowptr.tolist() == [0, 0, 0, 0]


@given(coo_graphs())
@settings(deadline=None, max_examples=50)
def test_reversed_edges_are_the_edges_turned_round(graph):
    coo, num_src, num_dst = graph
    edges, _ = EdgeIndex.from_coo(coo, num_src, num_dst)
    turned, perm = edges.reversed()
    expected, order = EdgeIndex.from_coo(edges.coo().flip(0), num_dst, num_src)
    assert torch.equal(perm.long(), order)
    assert torch.equal(turned.coo(), expected.coo())
    assert (turned.num_src, turned.num_dst) == (num_dst, num_src)
    rowptr, col, places = turned.transposed()
    assert torch.equal(rowptr, expected.transposed().rowptr)
    assert torch.equal(places.long().sort()[0], torch.arange(turned.num_edges))
    assert torch.equal(torch.stack([edges.col(), col]).long(), turned.coo()[:, places.long()])
    assert edges.reversed()[0] is turned


def test_loop_flags_name_the_nodes_with_a_loop():
    edges, _ = EdgeIndex.from_coo(torch.tensor([[0, 1, 1, 2, 0], [1, 1, 1, 0, 2]]), 4)
    assert edges.loop_flags().tolist() == [0, 1, 0, 0]
    assert edges.is_loop().tolist() == [False, False, True, True, False]
    moved = edges._mapped(torch.clone)
    assert torch.equal(moved.is_loop(), edges.is_loop())
    assert torch.equal(moved.loop_flags(), edges.loop_flags())
    assert edges.to("cpu").loop_flags() is edges.loop_flags()
    without = EdgeIndex.from_coo(torch.tensor([[0, 1], [1, 0]]), 2)[0]
    assert (without.loop_flags(), without.is_loop()) == (None, None)
