"""Clusters: balanced, cutting few edges, keyed; and the batches made of them."""

import sys

import numpy as np
import pytest
import torch_geometric.typing
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_cases import random_graph
from scipy.sparse import coo_array

from gnnctl.errors import UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.native import stream_partition
from gnnctl.sampling.cluster import Cluster
from gnnctl.sampling.keys import name_hash
from gnnctl.sampling.partition import Union, partition
from gnnctl.sampling.seeds import batches

few = settings(deadline=None, max_examples=50)


def communities(rng, blocks=8, size=150, inside=12, outside=3):
    """An undirected graph of communities, its nodes shuffled."""
    n = blocks * size
    src = np.repeat(np.arange(n), inside + outside)
    near = src // size * size + rng.integers(0, size, len(src))
    far = rng.integers(0, n, len(src))
    dst = np.where(np.tile(np.arange(inside + outside) < inside, n), near, far)
    name = rng.permutation(n)
    edges = name[np.stack([np.concatenate([src, dst]), np.concatenate([dst, src])])]
    return Graph.from_coo(n, edges[:, edges[0] != edges[1]])


def cut(graph, parts):
    """Share of the edges between different parts."""
    crossing = 0
    for t, store in graph.edges.items():
        dst = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
        crossing += int((parts[t.src][store.row] != parts[t.dst][dst]).sum())
    return crossing / max(1, graph.num_edges)


@few
@given(st.integers(0, 2**32))
def test_the_union_is_that_of_all_edge_types_both_ways(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 3, 4, 8, 60)
    union = Union.of(graph)
    total = sum(graph.num_nodes(t) for t in graph.node_types)
    expected = np.zeros((total, total), np.int64)
    for t, store in graph.edges.items():
        dst = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr)) + union.first[t.dst]
        src = store.row + union.first[t.src]
        expected += coo_array((np.ones(len(src), np.int64), (src, dst)), (total, total)).toarray()
    expected += expected.T
    np.fill_diagonal(expected, 0)
    found = np.zeros_like(expected)
    for v in range(total):
        mine = slice(union.start[v], union.start[v + 1])
        assert np.all(np.diff(union.neighbor[mine]) > 0)
        found[v, union.neighbor[mine]] = union.weight[mine]
    assert np.array_equal(found, expected)


@few
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 2**64 - 1))
def test_streamed_parts_are_bounded_and_repeat(graph_seed, parts, seed):
    graph = random_graph(np.random.default_rng(graph_seed), 3, 4, 40, 200)
    found = partition(graph, parts, seed=seed, method="stream")
    sizes = np.bincount(np.concatenate(list(found.values())), minlength=parts)
    total = sum(graph.num_nodes(t) for t in graph.node_types)
    assert len(sizes) == parts
    assert sizes.sum() == total
    assert sizes.max() <= max(1, int(np.ceil(1.05 * total / parts)))
    again = partition(graph, parts, seed=seed, method="stream", num_threads=3)
    assert all(np.array_equal(found[t], again[t]) for t in graph.node_types)


@pytest.mark.parametrize("method", ["metis", "stream"])
def test_communities_are_found(method):
    if method == "metis":
        pytest.importorskip("pymetis")
    graph = communities(np.random.default_rng(0))
    parts = partition(graph, 8, seed=3, method=method)
    assert cut(graph, parts) < 0.25  # 0.2 of the edges leave their community, less those that return
    sizes = np.bincount(parts["node"], minlength=8)
    assert sizes.max() <= 1.05 * 150
    assert np.array_equal(parts["node"], partition(graph, 8, seed=3, method=method)["node"])
    random = np.random.default_rng(0).permutation(np.arange(graph.num_nodes("node")) % 8)
    assert cut(graph, {"node": random}) > 0.8


def test_metis_cuts_no_more_than_streaming():
    pytest.importorskip("pymetis")
    side = 40
    at = np.arange(side * side)
    right, down = at[at % side < side - 1], at[at < side * (side - 1)]
    edges = np.concatenate([np.stack([right, right + 1]), np.stack([down, down + side])], axis=1)
    graph = Graph.from_coo(side * side, np.concatenate([edges, edges[::-1]], axis=1))
    metis, stream = (cut(graph, partition(graph, 16, method=m)) for m in ("metis", "stream"))
    assert metis < 0.12
    assert metis <= stream < 0.4


def test_metis_of_every_shape():
    pytest.importorskip("pymetis")
    lonely = Graph.from_coo(5, np.zeros((2, 0), int))
    assert sorted(partition(lonely, 2)["node"].tolist()) == [0, 0, 0, 1, 1]
    assert partition(Graph.from_coo(0, np.zeros((2, 0), int)), 2)["node"].tolist() == []
    pair = Graph.from_coo(2, np.array([[0, 0, 1], [1, 0, 1]]))
    assert partition(pair, 1)["node"].tolist() == [0, 0]
    assert partition(pair, 9)["node"].tolist() == [0, 1]
    typed = random_graph(np.random.default_rng(5), 3, 4, 40, 200)
    found = partition(typed, 4, seed=1)
    assert {t: len(part) for t, part in found.items()} == {t: typed.num_nodes(t) for t in typed.node_types}
    assert set(np.concatenate(list(found.values())).tolist()) == {0, 1, 2, 3}


@pytest.mark.skipif(
    not (torch_geometric.typing.WITH_METIS or torch_geometric.typing.WITH_TORCH_SPARSE), reason="needs METIS in PyG"
)
def test_clusters_are_as_good_as_those_of_torch_geometric():
    import torch
    from torch_geometric.data import Data
    from torch_geometric.loader import ClusterData

    graph = communities(np.random.default_rng(1))
    [store] = graph.edges.values()
    dst = np.repeat(np.arange(graph.num_nodes("node")), np.diff(store.colptr))
    data = Data(edge_index=torch.from_numpy(np.stack([store.row, dst])).long(), num_nodes=graph.num_nodes("node"))
    theirs = ClusterData(data, 8, log=False).partition
    part = np.empty(graph.num_nodes("node"), np.int64)
    part[theirs.node_perm.numpy()] = np.repeat(np.arange(8), np.diff(theirs.partptr.numpy()))
    assert cut(graph, partition(graph, 8)) < 1.1 * cut(graph, {"node": part})


def test_a_missing_pymetis_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymetis", None)
    graph = Graph.from_coo(3, np.array([[0], [1]]))
    with pytest.raises(UsageError, match=r"pip install \"gnnctl\[partition\]\""):
        partition(graph, 2)
    with pytest.raises(UsageError, match="pymetis"):
        Cluster(graph, 2, 0, clusters=2)


@few
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 6))
def test_a_batch_is_the_induced_subgraph_of_its_seeds_clusters(seed, hops, clusters):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 3, 4, 20, 150)
    method = Cluster(graph, hops, 5, clusters=clusters, partitioner="stream")
    node_type = graph.node_types[int(rng.integers(3))]
    count = int(rng.integers(0, min(5, graph.num_nodes(node_type)) + 1))
    seeds = rng.permutation(graph.num_nodes(node_type))[:count].astype(np.int64)
    found = method.sample(seeds, node_type, 1)
    wanted = set(method.groups(seeds, node_type).tolist())
    assert found.nodes[node_type][:count].tolist() == seeds.tolist()
    for t in graph.node_types:
        assert sorted(found.nodes[t].tolist()) == [v for v, p in enumerate(method.parts[t]) if int(p) in wanted]
        assert found.node_counts[t][0] == (count if t == node_type else 0)
        assert len(found.node_counts[t]) == hops + 1
    for t, store in graph.edges.items():
        dst = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
        into = found.nodes[t.dst] if hops > 1 else found.nodes[t.dst][: found.node_counts[t.dst][0]]
        inside = np.isin(store.row, found.nodes[t.src]) & np.isin(dst, into)
        assert sorted(found.edges[t].pos.tolist()) == np.flatnonzero(inside).tolist()
    backwards = method.sample(seeds[::-1].copy(), node_type, 2)
    assert all(set(backwards.nodes[t].tolist()) == set(found.nodes[t].tolist()) for t in graph.node_types)
    assert all(np.array_equal(np.sort(backwards.edges[t].pos), np.sort(found.edges[t].pos)) for t in graph.edge_types)


def test_grouped_seeds_need_few_clusters():
    graph = communities(np.random.default_rng(2))
    method = Cluster(graph, 2, 0, clusters=8, partitioner="stream")
    seeds = np.arange(graph.num_nodes("node"))
    cut_seeds = batches(seeds, 150, shuffle=True, seed=1, epoch=1, groups=method.groups(seeds, "node"))
    assert max(len(set(method.groups(batch, "node").tolist())) for batch in cut_seeds) <= 3


def test_known_clusters_are_taken():
    graph = Graph.from_coo({"a": 3, "b": 2}, {EdgeType("a", "to", "b"): np.array([[0, 1, 2], [0, 1, 1]])})
    parts = {"a": np.array([0, 7, 7]), "b": np.array([7, 0])}
    found = Cluster.of(graph, 2, 0, parts).sample(np.array([0]), "b", 1)
    assert found.nodes["a"].tolist() == [1, 2]
    assert found.nodes["b"].tolist() == [0]
    assert found.num_edges == 0
    for wrong in ({"a": parts["a"]}, parts | {"b": np.array([0, -1])}, parts | {"b": np.array([0.0, 1.0])}):
        with pytest.raises(ValueError, match=r"^parts"):
            Cluster.of(graph, 2, 0, wrong)


@pytest.mark.parametrize(
    ("change", "name"),
    [({"parts": 0}, "parts"), ({"parts": 2.0}, "parts"), ({"method": "x"}, "method"), ({"seed": -1}, "seed"),
     ({"passes": 0, "method": "stream"}, "passes")],
)  # fmt: skip
def test_wrong_arguments_are_named(change, name):
    graph = Graph.from_coo(3, np.array([[0], [1]]))
    with pytest.raises(ValueError, match=rf"^{name}"):
        partition(graph, **({"parts": 2, "method": "stream"} | change))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"clusters": -1}, "clusters"), ({"clusters": 1.5}, "clusters"), ({"partitioner": "x"}, "partitioner")],
)
def test_wrong_parameters_are_named(arguments, message):
    graph = Graph.from_coo(3, np.array([[0], [1]]))
    with pytest.raises(UsageError, match=message):
        Cluster(graph, 2, 0, **arguments)
    method = Cluster(graph, 2, 0, clusters=2, partitioner="stream")
    for seeds, node_type, error in (
        (np.array([0, 0]), "node", "seeds"),
        (np.array([3]), "node", "seeds"),
        (np.array([0]), "other", "node_type"),
    ):
        with pytest.raises(ValueError, match=f"^{error}"):
            method.sample(seeds, node_type, 0)


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (0, np.array([0, 2, 1, 2]), "start"),
        (0, np.zeros(0, np.int64), "start"),
        (1, np.array([1, 3]), "neighbor"),
        (1, np.array([1, 0], np.int32), "neighbor"),
        (2, np.array([1, 0]), "weight"),
        (2, np.array([1]), "weight"),
        (3, 0, "parts"),
        (4, 1, "most"),
        (5, 0, "passes"),
    ],
)
def test_native_arguments_are_checked(place, value, name):
    arguments = [np.array([0, 1, 2, 2]), np.array([1, 0]), np.array([1, 1]), 2, 2, 1, name_hash("x")]
    assert sorted(stream_partition(*arguments).tolist()) in ([0, 0, 1], [0, 1, 1])
    arguments[place] = value
    with pytest.raises((ValueError, TypeError), match=rf"^{name}"):
        stream_partition(*arguments)
