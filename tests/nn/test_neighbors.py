"""Neighbour search, against all distances in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gnnctl.nn.neighbors as neighbors
from gnnctl.nn.neighbors import fixed_edges, fps, knn, knn_graph, nearest, nearest_k, radius, radius_graph

INF = float("inf")


@st.composite
def clouds(draw):
    """Points of a small lattice, so that many are equally far; graphs of which some are empty."""
    counts = draw(st.lists(st.integers(0, 9), min_size=1, max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    x = torch.randint(0, 3, (sum(counts), draw(st.integers(1, 3))), generator=generator).float()
    return x, torch.tensor([0, *torch.tensor(counts).cumsum(0)])


def distances(x, ptr, loop=True):
    graph = torch.bucketize(torch.arange(len(x)), ptr[1:], right=True)
    apart = (x[:, None].double() - x[None].double()).square().sum(-1).sqrt()
    apart[graph[:, None] != graph[None]] = INF
    return apart if loop else apart.fill_diagonal_(INF)


def expected(apart, keep):
    """Sources of each destination, nearest first."""
    order = apart.sort(dim=1, stable=True).indices
    return [[int(j) for j in order[i] if keep(i, j)] for i in range(len(apart))]


def lists(edges):
    return [edges.row[a:b].tolist() for a, b in zip(edges.colptr[:-1], edges.colptr[1:], strict=True)]


@settings(max_examples=60, deadline=None)
@given(clouds(), st.integers(1, 6), st.booleans(), st.booleans())
def test_the_nearest_points_of_the_own_graph_ties_by_number(cloud, k, loop, tree):
    x, ptr = cloud
    apart = distances(x, ptr, loop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbors, "_TREE_POINTS", 1 if tree else 10**9)
        patch.setattr(neighbors, "_BLOCK", 16)
        edges = knn_graph(x, k, ptr, loop=loop)
    assert lists(edges) == [near[:k] for near in expected(apart, lambda i, j: apart[i, j] < INF)]


@settings(max_examples=60, deadline=None)
@given(clouds(), st.sampled_from([0.0, 1.0, 1.5]), st.sampled_from([None, 1, 3]), st.booleans(), st.booleans())
def test_the_points_within_a_radius_the_nearest_of_them_where_limited(cloud, r, limit, loop, tree):
    x, ptr = cloud
    apart = distances(x, ptr, loop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbors, "_TREE_POINTS", 1 if tree else 10**9)
        patch.setattr(neighbors, "_BLOCK", 16)
        edges = radius_graph(x, r, ptr, max_neighbors=limit, loop=loop)
    assert lists(edges) == [near[:limit] for near in expected(apart, lambda i, j: apart[i, j] <= r)]


def test_sources_and_destinations_may_be_different_points():
    x, y = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[0.9], [4.0]])
    assert lists(knn(x, y, 2)) == [[1, 0], [2, 1]]
    assert lists(radius(x, y, 1.0)) == [[1, 0], [2]]
    assert nearest(x, y).tolist() == [1, 2]
    assert nearest(x[:0], y).tolist() == [-1, -1]
    ptr_x, ptr_y = torch.tensor([0, 2, 3]), torch.tensor([0, 0, 2])
    assert lists(knn(x, y, 2, ptr_x, ptr_y)) == [[2], [2]]
    assert radius(x, y[:0], 1.0, max_neighbors=None).num_edges == 0


def test_points_at_no_place_are_near_nothing():
    x = torch.tensor([[0.0], [float("nan")], [1.0], [INF]])
    assert lists(knn_graph(x, 3)) == [[2], [], [0], []]


def test_each_sampled_point_is_the_farthest_from_those_before():
    x = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    ptr = torch.tensor([0, 10, 10, 30])
    found = fps(x, 0.3, ptr)
    assert found.ptr.tolist() == [0, 3, 3, 9]
    for a, b, start, stop in ((0, 3, 0, 10), (3, 9, 10, 30)):
        picked = found.rows[a:b].tolist()
        assert picked[0] == start
        for i in range(1, len(picked)):
            apart = torch.cdist(x[start:stop], x[picked[:i]]).amin(1)
            assert picked[i] == start + int(apart.argmax())
    drawn = fps(x, 0.3, ptr, generator=torch.Generator().manual_seed(3))
    assert drawn.ptr.tolist() == found.ptr.tolist()
    assert drawn.rows.tolist() != found.rows.tolist()
    assert sorted(fps(x, 1.0).rows.tolist()) == list(range(30))


def test_edges_of_fixed_number_send_those_without_neighbour_to_a_spare_destination():
    x, ptr = torch.arange(5.0)[:, None], torch.tensor([0, 2, 5])
    edges = fixed_edges(nearest_k(x, x, 3, ptr, ptr), 5)
    assert lists(edges)[:5] == lists(knn_graph(x, 3, ptr, loop=True))
    assert edges.num_edges == 15
    assert edges.num_dst == 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: knn_graph(x, 0), "k must be"),
        (lambda x: knn_graph(x[:, 0], 1), "points must be"),
        (lambda x: knn(x, x, 1, torch.tensor([0, 4])), None),
        (lambda x: knn(x, x, 1, torch.tensor([0, 2, 4])), "ptr_x has 2"),
        (lambda x: fps(x, 0.0), "ratio must be"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    x = torch.randn(4, 2)
    if message is None:
        call(x)
    else:
        with pytest.raises(ValueError, match=message):
            call(x)
