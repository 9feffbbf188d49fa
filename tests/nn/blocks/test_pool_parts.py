"""What poolings are made of: choosing, matching, clustering, cells, and the way back."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pool_case import BATCH, PTR, WIDTH, batch_of_graphs
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.pool import (
    TopKPooling,
    clusters_of,
    components,
    graclus,
    greedy_matching,
    knn_interpolate,
    knn_pool,
    unpool_nodes,
    voxel_grid,
)
from gnnctl.nn.pool.select import top_k


def test_of_equal_scores_the_first_nodes_are_kept():
    kept = top_k(torch.tensor([1.0, 1.0, 1.0, 0.0, 2.0]), torch.tensor([0, 3, 3, 5]), 2)
    assert kept.nodes.tolist() == [0, 1, 3, 4]
    assert kept.ptr.tolist() == [0, 2, 2, 4]
    assert len(top_k(torch.zeros(10), torch.tensor([0, 10]), 0.3).nodes) == 3  # and not 4, for rounding
    for wrong in (0, 1.5, -0.1):
        with pytest.raises(ValueError, match="ratio must be"):
            top_k(torch.zeros(3), torch.tensor([0, 3]), wrong)


def test_unpooled_rows_stand_where_they_were_taken_from():
    x, edges, _ = batch_of_graphs()
    kept = TopKPooling(WIDTH)(x, edges, PTR)
    back = unpool_nodes(kept.x, kept.nodes, 20)
    torch.testing.assert_close(back[kept.nodes], kept.x)
    torch.testing.assert_close(back.abs().sum(), kept.x.abs().sum())


@st.composite
def scored_edges(draw):
    nodes, count = draw(st.integers(1, 9)), draw(st.integers(0, 25))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 9999)))
    edges, _ = EdgeIndex.from_coo(torch.randint(0, nodes, (2, count), generator=generator), nodes)
    return edges, torch.randint(0, 6, (count,), generator=generator).float()


@settings(max_examples=80, deadline=None)
@given(scored_edges())
def test_matching_in_rounds_takes_the_edges_of_the_greedy_loop(case):
    edges, score = case
    src, dst = edges.coo().tolist()
    free, taken = set(range(edges.num_src)), []
    for e in sorted(range(edges.num_edges), key=lambda e: -score[e]):
        if src[e] in free and dst[e] in free:
            free -= {src[e], dst[e]}
            taken.append(e)
    assert greedy_matching(edges, score).tolist() == sorted(taken)


@settings(max_examples=60, deadline=None)
@given(scored_edges())
def test_components_are_those_of_the_undirected_graph(case):
    edges, _ = case
    src, dst = edges.coo().numpy()
    _, expected = connected_components(coo_matrix(([1] * len(src), (src, dst)), shape=(edges.num_src,) * 2), False)
    label = components(edges)
    assert torch.equal(label[:, None] == label, torch.from_numpy(expected[:, None] == expected))
    assert all(int((label == i).nonzero()[0, 0]) == i for i in set(label.tolist()))


@settings(max_examples=60, deadline=None)
@given(scored_edges(), st.sampled_from([None, 3]))
def test_graclus_joins_neighbours_in_pairs_and_leaves_no_pair_unjoined(case, seed):
    edges, score = case
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    label = graclus(edges, score + 1, generator=generator).tolist()
    joined = {frozenset(e) for e in edges.coo().T.tolist()}
    for i in set(label):
        members = [n for n, other in enumerate(label) if other == i]
        assert len(members) == 1 or (len(members) == 2 and frozenset(members) in joined)
    alone = {n for n, i in enumerate(label) if label.count(i) == 1}
    assert not [e for e in joined if len(e) == 2 and e <= alone]


def test_graclus_joins_the_heaviest_by_the_normalised_cut():
    # a path 0 - 1 - 2 - 3: by the cut, the ends are joined before the middle of equal weight
    coo = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
    edges, order = EdgeIndex.from_coo(coo, 4)
    assert graclus(edges).tolist() == [0, 0, 2, 2]
    assert graclus(edges, torch.tensor([1.0, 1, 9, 9, 1, 1])[order]).tolist() == [0, 1, 1, 3]


def test_voxels_are_cells_of_the_grid():
    pos = torch.rand(200, 3) * 4 - 1
    label = voxel_grid(pos, [0.5, 1.0, 2.0], start=[-1.0, -1.0, -1.0])
    cell = ((pos + 1) / torch.tensor([0.5, 1.0, 2.0])).floor()
    same = (cell[:, None] == cell).all(-1)
    assert torch.equal(label[:, None] == label, same)
    ptr = torch.tensor([0, 100, 200])
    clusters = clusters_of(label, ptr)
    graph = torch.arange(200) // 100
    assert torch.equal(clusters.cluster[:, None] == clusters.cluster, same & (graph[:, None] == graph))
    assert voxel_grid(pos[:0], 1.0).shape == (0,)
    with pytest.raises(ValueError, match="size must be"):
        voxel_grid(pos, 0.0)


def test_interpolation_weighs_the_nearest_by_inverse_squared_distance():
    x, pos, to = torch.randn(20, 4, requires_grad=True), torch.randn(20, 3), torch.randn(11, 3)
    ptr, ptr_to = PTR, torch.tensor([0, 4, 4, 5, 11])
    graph_to = torch.repeat_interleave(torch.arange(4), ptr_to.diff())
    apart = torch.cdist(to, pos).square().masked_fill(graph_to[:, None] != BATCH, float("inf"))
    weight = torch.zeros(11, 20).scatter(1, apart.topk(3, largest=False).indices, 1.0) / apart
    out = knn_interpolate(x, pos, to, 3, ptr, ptr_to)
    torch.testing.assert_close(out, weight @ x / weight.sum(1, keepdim=True))
    torch.testing.assert_close(knn_interpolate(x, pos, pos[:5], 3), x[:5])
    gradient = torch.randn_like(out)
    found = torch.autograd.grad(out, x, gradient)[0]
    torch.testing.assert_close(found, (weight / weight.sum(1, keepdim=True)).T @ gradient)


def test_points_far_apart_take_what_their_neighbours_have():
    x, pos = torch.randn(20, 4), torch.randn(20, 3)
    pooled = knn_pool(x, pos, 3, PTR, ratio=0.5)
    assert pooled.ptr.tolist() == [0, 4, 4, 5, 11]
    torch.testing.assert_close(pooled.pos, pos[pooled.nodes])
    apart = torch.cdist(pooled.pos, pos).masked_fill(BATCH[pooled.nodes, None] != BATCH, float("inf"))
    for i in range(11):
        near = [j for j in apart[i].argsort()[:3].tolist() if apart[i, j] < float("inf")]
        torch.testing.assert_close(pooled.x[i], x[near].amax(0))
