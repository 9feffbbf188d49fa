import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_cases import cases, random_graph
from torch_geometric.sampler.utils import to_bidirectional
from torch_geometric.utils import k_hop_subgraph
from torch_geometric.utils import subgraph as peer_subgraph

from gnnctl.errors import UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.graph import EdgeStore
from gnnctl.sampling.adjacency import homogeneous
from gnnctl.sampling.bidirectional import bidirectional, partner_of
from gnnctl.sampling.columns import Layout, RecordColumns
from gnnctl.sampling.concatenate import concatenate
from gnnctl.sampling.induced import induced, induced_of
from gnnctl.sampling.k_hop import k_hop
from gnnctl.sampling.pinsage import PinSage
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.shadow import Shadow
from gnnctl.sampling.spec import SampleSpec

few = settings(deadline=None, max_examples=40)


def columns(store):
    return np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))


def with_reverse(graph, seed=0):
    """The graph and generated reverses of its edge types, in an order that times might give."""
    rng = np.random.default_rng(seed)
    edges = dict(graph.edges)
    for t, store in graph.edges.items():
        col = columns(store)
        order = np.lexsort((rng.random(len(col)), store.row))
        colptr = np.zeros(graph.num_nodes(t.src) + 1, np.int64)
        np.cumsum(np.bincount(store.row, minlength=graph.num_nodes(t.src)), out=colptr[1:])
        edges[EdgeType(t.dst, f"rev_{t.rel}", t.src)] = EdgeStore(colptr, col[order].astype(np.int32), forward=order)
    return Graph(graph.nodes, edges)


def global_edges(subgraph, t):
    """[(group, source row, destination row, position)] in the subgraph's order."""
    e = subgraph.edges[t]
    group = np.zeros(len(e.row), int) if subgraph.node_group is None else subgraph.node_group[t.dst][e.col()]
    if subgraph.node_group is not None:
        assert np.array_equal(group, subgraph.node_group[t.src][e.row])
    sources, destinations = subgraph.nodes[t.src][e.row], subgraph.nodes[t.dst][e.col()]
    return list(zip(group.tolist(), sources.tolist(), destinations.tolist(), e.pos.tolist(), strict=True))


def assert_is_induced(found, graph, hops):
    """Every edge among the nodes of each group, and nothing else, in the graph's order."""
    seeds = len(found.seeds)
    for t, store in graph.edges.items():
        col, expected = columns(store), []
        groups = found.node_group or {name: np.zeros(len(rows), int) for name, rows in found.nodes.items()}
        sources = set(zip(groups[t.src].tolist(), found.nodes[t.src].tolist(), strict=True))
        for i, (g, v) in enumerate(zip(groups[t.dst].tolist(), found.nodes[t.dst].tolist(), strict=True)):
            if hops > 1 or (t.dst == found.node_type and i < seeds):
                expected += [
                    (g, int(store.row[p]), v, p) for p in np.flatnonzero(col == v) if (g, store.row[p]) in sources
                ]
        assert global_edges(found, t) == expected
        first = found.edges[t].colptr[seeds] if t.dst == found.node_type else 0
        assert found.edge_counts[t] == [first, len(expected) - first, *[0] * hops][:hops]
    for t, rows in found.nodes.items():
        first = seeds if t == found.node_type else 0
        assert found.node_counts[t] == [first, len(rows) - first, *[0] * hops][: hops + 1]


@few
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_induced_has_every_edge_among_its_nodes(case, hops):
    rng = np.random.default_rng(case)
    graph = random_graph(rng, 3, 5)
    nodes = {t: rng.permutation(graph.num_nodes(t))[: rng.integers(0, 20)] for t in "abc" if rng.random() < 0.8}
    seeds = rng.permutation(graph.num_nodes("a"))[:3]
    found = induced(graph, nodes, seeds, "a", hops)
    assert_is_induced(found, graph, hops)
    kept = nodes.get("a", np.zeros(0, np.int64))
    assert found.nodes["a"].tolist() == [*seeds.tolist(), *[v for v in kept.tolist() if v not in seeds]]
    assert all(np.array_equal(found.nodes[t], nodes[t]) for t in nodes if t != "a")


@few
@given(cases(), st.integers(1, 3))
def test_induced_of_a_sample_stays_within_its_trees(case, threads):
    graph, spec, seeds, node_type, epoch = case
    sampled = Sampler(graph, spec).sample(seeds, node_type, epoch)
    found = induced_of(sampled, graph, num_threads=threads)
    assert found.hops == spec.hops
    assert all(np.array_equal(found.nodes[t], sampled.nodes[t]) for t in graph.node_types)
    assert (found.node_group is None) == (sampled.node_group is None)
    assert_is_induced(found, graph, spec.hops)


def test_induced_is_the_peers():
    rng = np.random.default_rng(1)
    edge_index = np.unique(rng.integers(0, 50, (2, 400)), axis=1)
    graph = Graph.from_coo(50, edge_index)
    chosen = rng.permutation(50)[:20]
    found = induced(graph, {"node": chosen[4:]}, chosen[:4], "node", 2)
    expected, _ = peer_subgraph(torch.from_numpy(chosen), torch.from_numpy(edge_index))
    assert {e[1:3] for e in global_edges(found, graph.edge_types[0])} == set(map(tuple, expected.T.tolist()))


@few
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_k_hop_is_the_peers(case, hops):
    rng = np.random.default_rng(case)
    edge_index = np.unique(rng.integers(0, 40, (2, 60)), axis=1)
    graph, seeds = Graph.from_coo(40, edge_index), rng.permutation(40)[:3]
    found = k_hop(graph, seeds, "node", hops)
    nodes, edges, _, _ = k_hop_subgraph(torch.from_numpy(seeds), hops, torch.from_numpy(edge_index), num_nodes=40)
    assert sorted(found.nodes["node"].tolist()) == nodes.tolist()
    whole = {e[1:3] for e in global_edges(induced_of(found, graph), graph.edge_types[0])}
    inner = found.nodes["node"][: sum(found.node_counts["node"][:-1])].tolist()
    mine = {e[1:3] for e in global_edges(found, graph.edge_types[0])}
    if hops > 1:
        assert whole == set(map(tuple, edges.T.tolist()))
    assert mine == {(u, v) for u, v in edges.T.tolist() if v in inner}


def bidirectional_again(sampled, graph, t):
    """(group, source, destination) -> positions, into destinations below the last hop, from first principles."""
    partner = partner_of(graph, t)
    own = list(global_edges(sampled, t))
    if partner is None:
        return own
    store, col = graph.edges[t], columns(graph.edges[t])
    group_of = sampled.node_group[t.dst] if sampled.node_group is not None else np.zeros(len(sampled.nodes[t.dst]), int)
    reached = list(zip(group_of.tolist(), sampled.nodes[t.dst].tolist(), strict=True))
    inner = reached[: sum(sampled.node_counts[t.dst][:-1])]
    out = []
    for g, v in reached:
        mine = [e for e in own if (e[0], e[2]) == (g, v)]
        extra = set()
        for group, source, destination, pos in global_edges(sampled, partner):
            if (group, source) != (g, v) or (g, v) not in inner:
                continue
            if partner == t:
                extra |= {int(p) for p in np.flatnonzero((col == v) & (store.row == destination))}
            elif store.forward is not None:
                extra |= {int(p) for p in np.flatnonzero(store.forward == pos)}
            else:
                extra.add(int(graph.edges[partner].forward[pos]))
        extra -= {e[3] for e in mine}
        out += mine + [(g, int(store.row[p]), v, p) for p in sorted(extra)]
    return out


@few
@given(cases(), st.booleans())
def test_bidirectional_adds_what_runs_opposite(case, reverses):
    graph, spec, seeds, node_type, epoch = case
    if reverses:
        graph = with_reverse(graph)
        spec = SampleSpec.uniform(
            graph.edge_types, (3, 2, 2)[: spec.hops], disjoint=spec.disjoint, replace=spec.replace
        )
    sampled = Sampler(graph, spec).sample(seeds, node_type, epoch)
    found = bidirectional(sampled, graph)
    for t in graph.edge_types:
        assert global_edges(found, t) == bidirectional_again(sampled, graph, t)
        assert len(found.edges[t].colptr) == len(found.nodes[t.dst]) + 1
        hops = found.node_hops(t.dst)[found.edges[t].col()]
        assert found.edge_counts[t] == np.bincount(hops, minlength=spec.hops).tolist()
    assert found.node_counts == sampled.node_counts


def test_bidirectional_is_the_peers_on_an_undirected_graph():
    rng = np.random.default_rng(4)
    half = rng.integers(0, 60, (2, 200))
    graph = Graph.from_coo(60, np.unique(np.concatenate([half, half[::-1]], axis=1), axis=1))
    t, spec = graph.edge_types[0], SampleSpec.uniform(graph.edge_types, (4, 3), seed=2)
    for disjoint in (False, True):
        spec = SampleSpec.uniform(graph.edge_types, (4, 3), seed=2, disjoint=disjoint)
        sampled = Sampler(graph, spec).sample(np.arange(5), "node", 1)
        row, col = (torch.from_numpy(a) for a in (sampled.edges[t].row, sampled.edges[t].col()))
        row, col, _ = to_bidirectional(row, col, row, col)
        inner = sum(sampled.node_counts["node"][:-1])
        found = bidirectional(sampled, graph).edges[t]
        expected = {(u, v) for u, v in zip(row.tolist(), col.tolist(), strict=True) if v < inner}
        assert set(zip(found.row.tolist(), found.col().tolist(), strict=True)) == expected
        assert len(found.row) == len(expected)


def test_partners():
    pairs = np.zeros((2, 1), np.int64)
    likes, knows = EdgeType("a", "likes", "b"), EdgeType("a", "knows", "a")
    graph = Graph.from_coo({"a": 1, "b": 1}, {likes: pairs, knows: pairs})
    assert partner_of(graph, likes) is None
    assert partner_of(graph, knows) == knows
    graph = with_reverse(graph)
    for t in (likes, knows):
        reverse = EdgeType(t.dst, f"rev_{t.rel}", t.src)
        assert partner_of(graph, t) == reverse
        assert partner_of(graph, reverse) == t


@pytest.mark.parametrize("disjoint", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_a_hub_is_looked_up_rather_than_read(disjoint, mixed):
    rng = np.random.default_rng(5)
    row = np.sort(rng.integers(0, 300_000, 200_000))
    if mixed:
        rng.shuffle(row)
    colptr = np.full(300_001, 200_000)
    colptr[0] = 0
    graph = homogeneous(colptr, row.astype(np.int32))
    spec = SampleSpec.uniform(graph.edge_types, (40,), disjoint=disjoint)
    sampled = Sampler(graph, spec).sample(np.array([0, 7]), "node", 0)
    found = induced_of(sampled, graph)
    inside = sampled.nodes["node"][sampled.node_group["node"] == 0] if disjoint else sampled.nodes["node"]
    assert found.edges[graph.edge_types[0]].pos.tolist() == np.flatnonzero(np.isin(row, inside)).tolist()
    assert np.array_equal(
        found.nodes["node"][found.edges[graph.edge_types[0]].row], row[found.edges[graph.edge_types[0]].pos]
    )


# -- ShaDow ------------------------------------------------------------------------------------------------------------


@few
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_shadow_is_each_seeds_induced_neighbourhood(case, hops, depth, typed):
    rng = np.random.default_rng(case)
    graph = (
        random_graph(rng, 3, 5)
        if typed
        else Graph.from_coo({"a": 40}, {EdgeType("a", "r", "a"): rng.integers(0, 40, (2, 120))})
    )
    seeds = rng.permutation(graph.num_nodes("a"))[:4]
    method = Shadow(graph, hops, 3, depth=depth, neighbors=3)
    found = method.sample(seeds, "a", 2)
    assert_is_induced(found, graph, hops)
    spec = SampleSpec.uniform(graph.edge_types, (3,) * depth, disjoint=True, seed=3)
    reached = Sampler(graph, spec).sample(seeds, "a", 2)
    for t in graph.node_types:
        first = len(seeds) if t == "a" else 0
        order = np.argsort(reached.node_group[t][first:], kind="stable") + first
        assert np.array_equal(found.nodes[t], reached.nodes[t][[*range(first), *order]])
        assert np.all(np.diff(found.node_group[t][first:]) >= 0)
    # records of single seeds side by side are the batch's
    layout = Layout.of(graph, hops, "a", True)
    parts = RecordColumns.of([method.sample(seeds[i : i + 1], "a", 2) for i in range(len(seeds))], layout)
    assert concatenate(parts).same_as(found)
    assert concatenate(RecordColumns.of([found], layout)).same_as(found)
    assert concatenate(parts.records(len(seeds) // 2, len(seeds))).same_as(
        method.sample(seeds[len(seeds) // 2 :], "a", 2)
    )
    # what a seed gets does not depend on its batch
    for i, seed in enumerate(seeds):
        alone = method.sample(np.array([seed]), "a", 2)
        for t in graph.node_types:
            assert np.array_equal(alone.nodes[t], found.nodes[t][found.node_group[t] == i])
        for t in graph.edge_types:
            assert [e[1:] for e in global_edges(alone, t)] == [e[1:] for e in global_edges(found, t) if e[0] == i]


@few
@given(st.integers(0, 2**32))
def test_shadow_of_everything_is_the_induced_k_hop_graph(case):
    # the definition of torch_geometric.loader.ShaDowKHopSampler, which needs an extension that is not there
    rng = np.random.default_rng(case)
    edge_index = np.unique(rng.integers(0, 40, (2, 60)), axis=1)
    graph = Graph.from_coo(40, edge_index)
    seeds = rng.permutation(40)[:3]
    found = Shadow(graph, 2, 0, depth=2, neighbors=-1).sample(seeds, "node", 0)
    for i, seed in enumerate(seeds.tolist()):
        nodes, edges, _, _ = k_hop_subgraph(seed, 2, torch.from_numpy(edge_index), num_nodes=40)
        assert sorted(found.nodes["node"][found.node_group["node"] == i].tolist()) == nodes.tolist()
        mine = [e[1:3] for e in global_edges(found, graph.edge_types[0]) if e[0] == i]
        assert sorted(mine) == sorted(map(tuple, edges.T.tolist()))


def test_shadow_by_pagerank():
    rng = np.random.default_rng(6)
    graph = Graph.from_coo(60, rng.integers(0, 60, (2, 300)))
    method = Shadow(graph, 3, 0, neighbors=8, ppr=True)
    seeds = rng.permutation(60)[:5]
    found = method.sample(seeds, "node", 1)
    assert_is_induced(found, graph, 3)
    scores = method._ppr.scores(seeds, 9)
    for i, seed in enumerate(seeds):
        best = [r for r in scores.rows[scores.ptr[i] : scores.ptr[i + 1]].tolist() if r != seed][:8]
        assert found.nodes["node"][found.node_group["node"] == i].tolist() == [seed, *best]


def test_threads_change_nothing():
    rng = np.random.default_rng(0)
    graph = with_reverse(random_graph(rng, 3, 5, 500, 4000))
    seeds = rng.permutation(graph.num_nodes("a"))
    parts = [seeds[i : i + 20] for i in range(0, len(seeds), 20)]

    def make(part, threads):
        shadow = Shadow(graph, 2, 3, neighbors=4, num_threads=threads).sample(part, "a", 1)
        nodes = {t: np.arange(graph.num_nodes(t)) for t in graph.node_types}
        sampled = k_hop(graph, part, "a", 2, num_threads=threads)
        return shadow, induced(graph, nodes, part, "a", 2, num_threads=threads), bidirectional(sampled, graph)

    once = [make(p, 1) for p in parts]
    found = {}
    workers = [
        threading.Thread(target=lambda i=i: found.update({j: make(parts[j], 3) for j in range(i, len(parts), 3)}))
        for i in range(3)
    ]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert len(found) == len(once)
    assert all(a.same_as(b) for j, made in found.items() for a, b in zip(made, once[j], strict=True))


# -- what cannot be ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"nodes": {"node": np.array([20])}}, "nodes"),
        ({"nodes": {"node": np.array([5, 5])}}, "nodes"),
        ({"nodes": {"node": np.array([-1])}}, "nodes"),
        ({"nodes": {"node": np.array([1.0])}}, "nodes"),
        ({"nodes": {"node": [1]}}, "nodes"),
        ({"nodes": {"other": np.array([1])}}, "nodes"),
        ({"seeds": np.array([1, 1])}, "seeds"),
        ({"seeds": np.array([20])}, "seeds"),
        ({"node_type": "other"}, "nodes"),
        ({"hops": 0}, "hops"),
        ({"num_threads": 0}, "num_threads"),
    ],
)
def test_induced_refuses_by_name(change, named):
    graph = Graph.from_coo(20, np.random.default_rng(0).integers(0, 20, (2, 50)))
    given = {"nodes": {"node": np.arange(3)}, "seeds": np.arange(2), "node_type": "node", "hops": 2, **change}
    with pytest.raises((TypeError, ValueError), match=f"^{named}"):
        induced(graph, **given)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda g: Shadow(g, 0, 0), "hops"),
        (lambda g: Shadow(g, 1, 0, depth=0), "depth"),
        (lambda g: Shadow(g, 1, 0, depth="2"), "depth"),
        (lambda g: Shadow(g, 1, 0, neighbors=-2), "neighbors"),
        (lambda g: Shadow(g, 1, 0, neighbors=0, ppr=True), "neighbors"),
        (lambda g: Shadow(g, 1, 0, ppr=True, alpha=2.0), "alpha"),
        (lambda g: bidirectional(PinSage(g, 1, 0).sample(np.arange(2), "node", 0), g), "opposite"),
    ],
)
def test_methods_refuse_with_a_way_out(make, words):
    with pytest.raises(UsageError, match=words):
        make(Graph.from_coo(20, np.random.default_rng(0).integers(0, 20, (2, 50))))


@pytest.mark.parametrize("seeds", [np.array([20]), np.array([3, 3]), np.array([1.0]), [1], np.arange(6)[::2]])
def test_shadow_refuses_bad_seeds(seeds):
    graph = Graph.from_coo(20, np.random.default_rng(0).integers(0, 20, (2, 50)))
    for method in (Shadow(graph, 1, 0), Shadow(graph, 1, 0, ppr=True)):
        with pytest.raises((TypeError, ValueError), match=r"^seeds"):
            method.sample(seeds, "node", 0)
        with pytest.raises(ValueError, match=r"^node_type"):
            method.sample(np.arange(2), "other", 0)
