"""GraphSAINT: what is drawn, how the edges are weighted, and that it depends on the set of the seeds alone."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_cases import random_graph
from sampling_reference import absorb, draw, fnv, mix
from scipy.stats import chisquare

from gnnctl.errors import UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.sampling.keys import bounded_all, random_words, set_digest
from gnnctl.sampling.saint import SaintEdge, SaintNode, SaintWalk
from gnnctl.sampling.seeds import batches
from gnnctl.sampling.walks import Walker

few = settings(deadline=None, max_examples=40)
GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
KINDS = [(SaintNode, {"size": 6}), (SaintEdge, {"size": 4}), (SaintWalk, {"walks": 2, "length": 3})]


@st.composite
def cases(draw_):
    rng = np.random.default_rng(draw_(st.integers(0, 2**32)))
    n = int(rng.integers(1, 40))
    count = int(rng.integers(0, 150))
    weight = rng.random(count) if rng.random() < 0.5 else None
    graph = Graph.from_coo(n, rng.integers(0, n, (2, count)), edge_weight=weight)
    seeds = rng.permutation(n)[: int(rng.integers(0, min(8, n) + 1))].astype(np.int64)
    return graph, seeds, draw_(st.integers(0, 2**64 - 1)), draw_(st.integers(0, 9))


@few
@given(st.integers(0, 2**64 - 1), st.integers(1, 2**63 - 1))
def test_vectorised_draws_repeat_the_contract(key, below):
    words = random_words(key, 5)
    assert words.tolist() == [mix((key + (i + 1) * GOLDEN) & MASK) for i in range(5)]
    assert bounded_all(words, below).tolist() == [draw(key, i, below) for i in range(5)]
    assert bounded_all(words, np.full(5, below)).tolist() == bounded_all(words, below).tolist()


def expected_nodes(kind, options, graph, seeds, seed, epoch):
    [store] = graph.edges.values()
    dst = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
    digest = sum(absorb(0, int(row)) for row in seeds) & MASK
    kept = set(seeds.tolist())
    if len(seeds) == 0:
        return kept
    if kind is SaintWalk:
        walks = Walker(graph).walk(seeds, options["length"], seed=seed, epoch=epoch, walks=options["walks"])
        return kept | set(walks[walks >= 0].tolist())
    if store.num_edges == 0:
        return kept
    key = absorb(0, seed, epoch, fnv(kind.name), digest)
    if kind is SaintNode:
        return kept | {int(dst[draw(key, i, store.num_edges)]) for i in range(options["size"])}
    pairs = sorted(zip(store.row.tolist(), dst.tolist(), strict=True))
    into, out = sorted(set(dst.tolist())), sorted(set(store.row.tolist()))
    for i in range(options["size"]):
        place = draw(key, 2 * i, len(into) + len(out))
        if place < len(into):
            mine = [(u, v) for u, v in pairs if v == into[place]]
        else:
            mine = [(u, v) for u, v in pairs if u == out[place - len(into)]]
        kept |= set(mine[draw(key, 2 * i + 1, len(mine))])
    return kept


@pytest.mark.parametrize(("kind", "options"), KINDS)
@few
@given(case=cases(), hops=st.integers(1, 3))
def test_the_subgraph_is_induced_by_the_seeds_and_what_is_drawn(kind, options, case, hops):
    graph, seeds, seed, epoch = case
    method = kind(graph, hops, seed, coverage=2, roots=5, **options)
    found = method.sample(seeds, "node", epoch)
    assert set(found.nodes["node"].tolist()) == expected_nodes(kind, options, graph, seeds, seed, epoch)
    assert found.nodes["node"][: len(seeds)].tolist() == seeds.tolist()
    assert found.node_counts["node"][0] == len(seeds)
    [(t, store)] = graph.edges.items()
    dst = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
    into = found.nodes["node"] if hops > 1 else seeds
    inside = np.isin(store.row, found.nodes["node"]) & np.isin(dst, into)
    assert sorted(found.edges[t].pos.tolist()) == np.flatnonzero(inside).tolist()
    assert found.edges[t].weight.dtype == np.float32
    assert len(found.edges[t].weight) == len(found.edges[t].pos)


@pytest.mark.parametrize(("kind", "options"), KINDS)
@few
@given(case=cases())
def test_order_of_the_batch_and_threads_change_nothing(kind, options, case):
    graph, seeds, seed, epoch = case
    method = kind(graph, 2, seed, coverage=1, roots=7, **options)
    once = method.sample(seeds, "node", epoch)
    [t] = graph.edge_types
    found = {}

    def work(i):
        found[i] = method.sample(seeds[::-1].copy() if i % 2 else seeds, "node", epoch)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = kind(graph, 2, seed, coverage=1, roots=7, num_threads=3, **options).sample(seeds, "node", epoch)
    assert again.same_as(once)
    for i in range(4):
        assert i % 2 or found[i].same_as(once)
        one, other = (np.argsort(s.edges[t].pos) for s in (once, found[i]))
        assert set(found[i].nodes["node"].tolist()) == set(once.nodes["node"].tolist())
        assert np.array_equal(once.edges[t].pos[one], found[i].edges[t].pos[other])
        assert np.array_equal(once.edges[t].weight[one], found[i].edges[t].weight[other])


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_weights_are_counted_in_subgraphs_sampled_beforehand(kind, options):
    rng = np.random.default_rng(4)
    own = rng.random(300).astype(np.float32) + 0.5
    graph = Graph.from_coo(60, rng.integers(0, 60, (2, 300)), edge_weight=own)
    [(t, store)] = graph.edges.items()
    method = kind(graph, 2, 9, coverage=5, roots=8, **options)
    nodes, edges, seen, epoch = np.zeros(60), np.zeros(300), 0, 2**62
    plain = kind(graph, 2, 9, coverage=0, **options)
    while seen < 5 * 60:
        for seeds in batches(np.arange(60), 8, shuffle=True, seed=9, epoch=epoch):
            if seen >= 5 * 60:
                break
            found = plain.sample(seeds, "node", epoch)
            assert np.array_equal(found.edges[t].weight, store.weight[found.edges[t].pos])
            nodes[found.nodes["node"]] += 1
            edges[found.edges[t].pos] += 1
            seen += found.num_nodes
        epoch += 1
    dst = np.repeat(np.arange(60), np.diff(store.colptr))
    expected = store.weight * np.maximum(nodes, 1)[dst] / np.maximum(edges, 1)
    found = method.sample(np.arange(60), "node", 1).edges[t]
    assert np.allclose(found.weight, expected[found.pos], rtol=1e-6)


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_weighted_sums_are_unbiased(kind, options):
    rng = np.random.default_rng(6)
    graph = Graph.from_coo(30, rng.integers(0, 30, (2, 150)))
    [(t, store)] = graph.edges.items()
    x = rng.random(30)
    method = kind(graph, 2, 2, coverage=1500, roots=6, **options)
    sums, times = np.zeros(30), np.zeros(30)
    for epoch in range(400):
        for seeds in batches(np.arange(30), 6, shuffle=True, seed=2, epoch=epoch):
            found = method.sample(seeds, "node", epoch)
            e, rows = found.edges[t], found.nodes["node"]
            np.add.at(sums, rows[e.col()], e.weight * x[rows[e.row]])
            times[rows] += 1
    dst = np.repeat(np.arange(30), np.diff(store.colptr))
    whole = np.bincount(dst, weights=x[store.row], minlength=30)
    assert np.allclose(sums / times, whole, rtol=0.1, atol=0.05)
    unweighted = kind(graph, 2, 2, coverage=0, **options).sample(np.arange(6), "node", 1)
    assert set(unweighted.edges[t].weight.tolist()) <= {1.0}


def test_nodes_are_drawn_by_in_degree_and_edges_by_inverse_degrees():
    graph = Graph.from_coo(8, np.array([[1, 2, 3, 4, 4, 5, 6], [2, 3, 3, 3, 5, 6, 6]]))
    [store] = graph.edges.values()
    dst = np.repeat(np.arange(8), np.diff(store.colptr))
    into, out = np.bincount(dst, minlength=8), np.bincount(store.row, minlength=8)
    epochs = 3000
    node, edge = (kind(graph, 2, 0, size=1, coverage=0) for kind in (SaintNode, SaintEdge))
    counts, pairs = np.zeros(8), {}
    for epoch in range(epochs):
        counts[node.drawn(np.array([0]), epoch)] += 1
        pair = tuple(edge.drawn(np.array([0]), epoch).tolist())
        pairs[pair] = pairs.get(pair, 0) + 1
    assert chisquare(counts[into > 0], into[into > 0] / into.sum() * epochs).pvalue > 1e-3
    assert not counts[into == 0].any()
    share = {}
    for u, v in zip(store.row.tolist(), dst.tolist(), strict=True):
        pair = tuple(sorted({u, v}))
        share[pair] = share.get(pair, 0) + 1 / out[u] + 1 / into[v]
    expected = np.array([share[p] for p in sorted(share)])
    assert set(pairs) <= set(share)
    found = [pairs.get(p, 0) for p in sorted(share)]
    assert chisquare(found, expected / expected.sum() * epochs).pvalue > 1e-3


def test_batches_draw_apart():
    rng = np.random.default_rng(1)
    graph = Graph.from_coo(2000, rng.integers(0, 2000, (2, 9000)))
    method = SaintNode(graph, 2, 0, size=20, coverage=0)
    one, other, later = (method.drawn(np.arange(a, a + 5), e) for a, e in ((0, 1), (5, 1), (0, 2)))
    assert len(set(one) & set(other)) < 3
    assert len(set(one) & set(later)) < 3
    assert set_digest(np.array([1, 2])) == set_digest(np.array([2, 1])) != set_digest(np.array([1, 3]))


@pytest.mark.parametrize("kind", [SaintNode, SaintEdge, SaintWalk])
def test_wrong_arguments_are_named(kind):
    graph = Graph.from_coo(3, np.array([[0, 1], [1, 2]]))
    for arguments in ({"coverage": -1}, {"coverage": float("nan")}, {"roots": 0}, {"roots": 1.5}):
        with pytest.raises(UsageError, match=next(iter(arguments))):
            kind(graph, 2, 0, **arguments)
    other = {"length": 0} if kind is SaintWalk else {"size": 0}
    with pytest.raises(UsageError, match=next(iter(other))):
        kind(graph, 2, 0, **other)
    typed = random_graph(np.random.default_rng(0), 2, 3)
    with pytest.raises(UsageError, match="2 node types and 3 edge types"):
        kind(typed, 2, 0)
    method = kind(graph, 2, 0, coverage=1)
    for given_, named in (
        ((np.array([0, 0]), "node", 0), "seeds"),
        ((np.array([3]), "node", 0), "seeds"),
        ((np.array([0.0]), "node", 0), "seeds"),
        ((np.array([0]), "no", 0), "node_type"),
        ((np.array([0]), "node", -1), "epoch"),
    ):
        with pytest.raises((ValueError, TypeError), match=rf"^{named}"):
            method.sample(*given_)


@pytest.mark.parametrize("kind", [SaintNode, SaintEdge, SaintWalk])
def test_graphs_without_edges_or_nodes_are_sampled(kind):
    lonely = Graph.from_coo(3, np.zeros((2, 0), int))
    found = kind(lonely, 2, 0).sample(np.array([2]), "node", 1)
    assert found.nodes["node"].tolist() == [2]
    assert found.edges[EdgeType("node", "to", "node")].weight.shape == (0,)
    empty = Graph.from_coo(0, np.zeros((2, 0), int))
    assert kind(empty, 2, 0).sample(np.zeros(0, np.int64), "node", 1).num_nodes == 0
