import contextlib
import os
import signal
import threading
import time
from collections import Counter

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_reference import absorb, draw, fnv, mix

from gnnctl.errors import UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.sampling.ordered import ordered_map
from gnnctl.sampling.pinsage import PinSage
from gnnctl.sampling.ppr import Ppr

few = settings(deadline=None, max_examples=30)
GOLDEN = 0x9E3779B97F4A7C15
USER, ITEM = EdgeType("user", "clicks", "item"), EdgeType("item", "rev_clicks", "user")
SIMILAR = EdgeType("item", "similar", "item")


def shop(rng, users=25, items=20, clicks=90):
    pairs = np.stack([rng.integers(0, users, clicks), rng.integers(0, items, clicks)])
    return Graph.from_coo(
        {"user": users, "item": items}, {USER: pairs, ITEM: pairs[::-1], SIMILAR: rng.integers(0, items, (2, 30))}
    )


def plain(rng, nodes=40, edges=160):
    weight = rng.choice(np.array([0.5, 1, 2], np.float32), edges)
    return Graph.from_coo(nodes, rng.integers(0, nodes, (2, edges)), edge_weight=weight)


def neighbours(graph, t, v):
    store = graph.edges[t]
    return store.row[store.colptr[v] : store.colptr[v + 1]].tolist()


def visited_again(graph, node, node_type, path, walks, length, restart, top, seed, epoch):
    counts = Counter()
    for w in range(walks):
        at = node
        for i in range(length):
            key = absorb(0, seed, epoch, fnv("pinsage"), fnv(node_type), node, w, i)
            if i and (mix((key + GOLDEN) % 2**64) >> 11) * 2.0**-53 < restart:
                at = node
            for j, t in enumerate(path):
                found = neighbours(graph, t, at) if at is not None else []
                at = found[draw(key, j + 1, len(found))] if found else None
            if at is None:
                at = node
            elif at != node:
                counts[at] += 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]


def expanded_again(lists, seeds, hops):
    """(nodes, edges (row, col, weight), node counts, edge counts) by breadth-first expansion."""
    nodes, edges, node_counts, edge_counts = list(seeds), [], [len(seeds)], []
    first = 0
    for _ in range(hops):
        last, before = len(nodes), len(edges)
        for v in range(first, last):
            found = lists(nodes[v])
            total = sum(count for _, count in found)
            for u, count in found:
                if u not in nodes:
                    nodes.append(u)
                edges.append((nodes.index(u), v, count / total))
        first = last
        node_counts.append(len(nodes) - last)
        edge_counts.append(len(edges) - before)
    return nodes, edges, node_counts, edge_counts


def assert_expansion(subgraph, carrier, lists, seeds, hops):
    nodes, edges, node_counts, edge_counts = expanded_again(lists, seeds.tolist(), hops)
    t, found = subgraph.node_type, subgraph.edges[carrier]
    assert subgraph.nodes[t].tolist() == nodes
    assert subgraph.node_counts[t] == node_counts
    assert subgraph.edge_counts[carrier] == edge_counts
    assert list(zip(found.row.tolist(), found.col().tolist(), strict=True)) == [e[:2] for e in edges]
    assert np.allclose(found.weight, [e[2] for e in edges])
    assert found.weight.dtype == np.float32
    assert found.row.dtype == np.int32
    assert np.all(found.pos == -1)
    for other, e in subgraph.edges.items():
        assert len(e.colptr) == len(subgraph.nodes[other.dst]) + 1
        assert other == carrier or (len(e.row) == len(e.weight) == e.colptr[-1] == 0)


@few
@given(st.integers(0, 2**32), st.integers(1, 3), st.sampled_from([0.0, 0.4, 1.0]))
def test_pinsage_repeats_the_written_rule(case, hops, restart):
    rng = np.random.default_rng(case)
    graph = plain(rng)
    seeds = rng.permutation(40)[:4]
    method = PinSage(graph, hops, 9, neighbors=3, walks=7, length=3, restart=restart)
    carrier = graph.edge_types[0]

    def lists(v):
        return visited_again(graph, v, "node", [carrier], 7, 3, restart, 3, 9, 5)

    assert_expansion(method.sample(seeds, "node", 5), carrier, lists, seeds, hops)


@few
@given(st.integers(0, 2**32), st.integers(1, 2))
def test_pinsage_walks_there_and_back(case, hops):
    rng = np.random.default_rng(case)
    graph = shop(rng)
    seeds = rng.permutation(20)[:5]
    method = PinSage(graph, hops, 9, neighbors=4, walks=9, length=2, metapath=[USER, ITEM])

    def lists(v):
        return visited_again(graph, v, "item", [USER, ITEM], 9, 2, 0.5, 4, 9, 1)

    assert method.carrier == SIMILAR
    assert_expansion(method.sample(seeds, "item", 1), SIMILAR, lists, seeds, hops)


def exact_pagerank(graph, source, alpha, weighted):
    store = graph.edges[graph.edge_types[0]]
    n = len(store.colptr) - 1
    step = np.zeros((n, n))
    col = np.repeat(np.arange(n), np.diff(store.colptr))
    np.add.at(step, (col, store.row), store.weight if weighted else 1.0)
    total = step.sum(axis=1, keepdims=True)
    step = np.divide(step, total, where=total > 0, out=np.zeros_like(step))
    step[total[:, 0] == 0, source] = 1
    return np.linalg.solve(np.eye(n) - (1 - alpha) * step.T, alpha * np.eye(n)[source])


@few
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([0.05, 0.15, 0.7]), st.sampled_from([1e-2, 1e-4, 1e-7]))
def test_pagerank_is_within_its_bounds(case, weighted, alpha, eps):
    rng = np.random.default_rng(case)
    graph = plain(rng, edges=int(rng.integers(0, 160)))
    degree = np.maximum(np.diff(graph.edges[graph.edge_types[0]].colptr), 1)
    method = Ppr(graph, 1, 0, alpha=alpha, eps=eps, weighted=weighted)
    found = method.scores(np.arange(40))
    for s in range(40):
        rows, scores = (a[found.ptr[s] : found.ptr[s + 1]] for a in (found.rows, found.scores))
        approximate = np.zeros(40)
        approximate[rows] = scores
        gap = exact_pagerank(graph, s, alpha, weighted) - approximate
        assert gap.min() > -1e-12  # never above
        assert gap.sum() <= eps * degree[rows].sum() + 1e-12
        assert np.all(np.diff(scores) <= 0)


@pytest.mark.parametrize("weighted", [False, True])
def test_pagerank_of_an_undirected_graph_has_the_bound_of_its_authors_and_is_networkx(weighted):
    rng = np.random.default_rng(3)
    half = rng.integers(0, 60, (2, 150))
    half = half[:, half[0] != half[1]]
    weight = rng.choice(np.array([1, 2], np.float32), half.shape[1]) if weighted else np.ones(half.shape[1], np.float32)
    both = np.concatenate([half, half[::-1]], axis=1)
    graph = Graph.from_coo(60, both, edge_weight=np.tile(weight, 2))
    peer = nx.DiGraph()
    peer.add_nodes_from(range(60))
    for u, v, w in zip(*both.tolist(), np.tile(weight, 2).tolist(), strict=True):
        peer.add_edge(v, u, weight=w + (peer[v][u]["weight"] if peer.has_edge(v, u) else 0))
    degree = np.diff(graph.edges[graph.edge_types[0]].colptr)
    for eps in (1e-3, 1e-6):
        found = Ppr(graph, 1, 0, alpha=0.2, eps=eps, weighted=weighted).scores(np.arange(60))
        for s in range(0, 60, 7):
            expected = nx.pagerank(peer, alpha=0.8, personalization={s: 1}, tol=1e-14, max_iter=1000)
            approximate = np.zeros(60)
            approximate[found.rows[found.ptr[s] : found.ptr[s + 1]]] = found.scores[found.ptr[s] : found.ptr[s + 1]]
            gap = np.array([expected[v] for v in range(60)]) - approximate
            assert gap.min() > -1e-9
            if not weighted:
                assert np.all(gap <= eps * np.maximum(degree, 1) + 1e-9)
            assert np.all(gap <= eps * np.maximum(degree, 1).sum() + 1e-9)


@few
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_ppr_expands_over_the_best(case, hops):
    rng = np.random.default_rng(case)
    graph = plain(rng)
    seeds = rng.permutation(40)[:4]
    method = Ppr(graph, hops, 0, neighbors=5, eps=1e-3)
    every = method.scores(np.arange(40))

    def lists(v):
        part = slice(every.ptr[v], every.ptr[v + 1])
        return [(u, s) for u, s in zip(every.rows[part].tolist(), every.scores[part].tolist(), strict=True) if u != v][
            :5
        ]

    assert_expansion(method.sample(seeds, "node", 0), graph.edge_types[0], lists, seeds, hops)


def methods(graph, threads=1):
    return [
        PinSage(graph, 2, 3, neighbors=4, walks=20, weighted=True, num_threads=threads),
        Ppr(graph, 2, 3, neighbors=6, weighted=True, num_threads=threads),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_threads_and_order_of_batches_change_nothing(which):
    graph = plain(np.random.default_rng(0), 400, 2500)
    parts = np.random.default_rng(1).permutation(400).reshape(20, 20)
    once = [methods(graph)[which].sample(p, "node", 2) for p in parts]
    for threads in (1, 3):
        method, found = methods(graph, threads)[which], {}

        def work(first, method=method, found=found):
            for i in reversed(range(first, 20, 3)):
                found[i] = method.sample(parts[i], "node", 2)

        workers = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        assert all(found[i].same_as(once[i]) for i in range(20))
    # what a node's neighbours are does not depend on the others of the batch
    alone = methods(graph)[which].sample(parts[0][5:6], "node", 2)
    row = alone.nodes["node"][alone.edges[graph.edge_types[0]].row[alone.edges[graph.edge_types[0]].col() == 0]]
    batch = once[0].edges[graph.edge_types[0]]
    assert np.array_equal(row, once[0].nodes["node"][batch.row[batch.col() == 5]])


def test_epochs_change_walks_but_not_pagerank():
    graph = plain(np.random.default_rng(0), 400, 2500)
    pinsage, ppr = methods(graph)
    seeds = np.arange(30)
    assert not pinsage.sample(seeds, "node", 1).same_as(pinsage.sample(seeds, "node", 2))
    assert ppr.sample(seeds, "node", 1).same_as(ppr.sample(seeds, "node", 2))
    assert pinsage.groups(seeds, "node") is None
    assert ppr.groups(seeds, "node") is None


def test_lonely_nodes_and_hubs():
    lonely = Graph.from_coo(3, np.zeros((2, 0), np.int64))
    for method in (PinSage(lonely, 2, 0), Ppr(lonely, 2, 0)):
        found = method.sample(np.array([2, 0]), "node", 0)
        assert found.nodes["node"].tolist() == [2, 0]
        assert found.num_edges == 0
        assert method.sample(np.zeros(0, np.int64), "node", 0).num_nodes == 0
    degree = 1_000_000
    hub = Graph.from_coo(degree + 1, np.stack([np.arange(1, degree + 1), np.zeros(degree, int)]))
    for method in (PinSage(hub, 1, 0, neighbors=7), Ppr(hub, 1, 0, neighbors=7)):
        found = method.sample(np.array([0]), "node", 0)
        assert len(set(found.nodes["node"].tolist())) == 8
        assert np.allclose(found.edges[hub.edge_types[0]].weight, 1 / 7)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda g: PinSage(g, 2, 0, neighbors=-1), "neighbors"),
        (lambda g: PinSage(g, 2, 0, walks=0), "walks"),
        (lambda g: PinSage(g, 2, 0, length=0), "length"),
        (lambda g: PinSage(g, 2, 0, walks=2**12, length=2**9), "length"),
        (lambda g: PinSage(g, 2, 0, restart=1.5), "restart"),
        (lambda g: PinSage(g, 2, 0, restart=float("nan")), "restart"),
        (lambda g: PinSage(g, 2, 0, weighted=True), "weights"),
        (lambda g: PinSage(g, 0, 0), "hops"),
        (lambda g: PinSage(g, 2, -1), "seed"),
        (lambda g: PinSage(g, 2, 0, metapath=[USER]), "back"),
        (lambda g: PinSage(g, 2, 0, metapath=[]), "back"),
        (lambda g: PinSage(g, 2, 0, metapath=[EdgeType("a", "b", "c")]), "edge type"),
        (lambda g: PinSage(g, 2, 0, edge_type=USER), "two types"),
        (lambda g: PinSage(g, 2, 0, edge_type=EdgeType("a", "b", "a")), "edge type"),
        (lambda g: Ppr(g, 2, 0, edge_type=USER), "two types"),
        (lambda g: Ppr(g, 2, 0, neighbors=0), "neighbors"),
        (lambda g: Ppr(g, 2, 0, alpha=0), "alpha"),
        (lambda g: Ppr(g, 2, 0, alpha=1.0), "alpha"),
        (lambda g: Ppr(g, 2, 0, alpha=1e-9), "alpha"),
        (lambda g: Ppr(g, 2, 0, eps=0.0), "eps"),
        (lambda g: Ppr(g, 2, 0, eps="small"), "ppr"),
        (lambda g: Ppr(g, 2, 0, weighted=True), "weights"),
        (lambda g: Ppr(g, 2, 2**64), "seed"),
        (lambda g: Ppr(g, 2, 0).sample(np.arange(2), "user", 0), "user"),
        (lambda g: PinSage(g, 2, 0).sample(np.arange(2), "user", 0), "user"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(UsageError, match=words):
        make(shop(np.random.default_rng(0)))


def test_a_graph_needs_one_type_that_can_carry_the_edges():
    pairs = np.zeros((2, 1), np.int64)
    none = Graph.from_coo({"user": 1, "item": 1}, {USER: pairs, ITEM: pairs})
    other = EdgeType("user", "knows", "user")
    several = Graph.from_coo({"user": 1, "item": 1}, {SIMILAR: pairs, other: pairs})
    for method in (PinSage, Ppr):
        with pytest.raises(UsageError, match="no edge type between nodes of one type"):
            method(none, 1, 0)
        with pytest.raises(UsageError, match="several"):
            method(several, 1, 0)
        assert method(several, 1, 0, edge_type=other).sample(np.zeros(1, np.int64), "user", 0).num_nodes == 1


@pytest.mark.parametrize(
    "seeds",
    [
        np.array([0, 40]),
        np.array([-1]),
        np.array([3, 3]),
        np.array([1.0]),
        np.array([1], np.int32),
        [1],
        np.zeros((1, 1), np.int64),
        np.arange(6)[::2],
    ],
)
def test_bad_seeds_are_refused(seeds):
    graph = plain(np.random.default_rng(0))
    for method in (PinSage(graph, 1, 0), Ppr(graph, 1, 0)):
        with pytest.raises((TypeError, ValueError), match=r"^seeds"):
            method.sample(seeds, "node", 0)
    with pytest.raises(ValueError, match=r"^epoch"):
        PinSage(graph, 1, 0).sample(np.arange(2), "node", -1)


anything = st.one_of(
    st.none(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(-5, 5), max_size=3),
    st.sampled_from([np.zeros((2, 2)), np.array([5]), np.array([], np.int64), np.array(["a"])]),
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(["hops", "seed", "neighbors", "walks", "length", "restart", "alpha", "eps"]), anything)
def test_fuzzed_arguments_never_crash(name, value):
    if name in ("hops", "walks", "length") and isinstance(value, int) and 100 < value < 2**30:
        return
    if name == "hops" and isinstance(value, int) and value > 100:
        return
    graph = plain(np.random.default_rng(0))
    for method, own in ((PinSage, {"walks", "length", "restart"}), (Ppr, {"alpha", "eps"})):
        if name in own | {"hops", "seed", "neighbors"}:
            with contextlib.suppress(UsageError):
                method(**{"graph": graph, "hops": 1, "seed": 0, name: value}).sample(np.arange(2), "node", 1)


def endless():
    """Scores that would take minutes."""
    rng = np.random.default_rng(0)
    graph = Graph.from_coo(20_000, rng.integers(0, 20_000, (2, 200_000)))
    return Ppr(graph, 1, 0, alpha=0.001, eps=1e-12)


def test_a_search_without_end_can_be_interrupted():
    method = endless()
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        method.scores(np.arange(4))
    assert time.monotonic() - start < 30
    timer.join()


def test_a_search_without_end_is_left_when_nobody_waits_for_it():
    method = endless()
    results = ordered_map(
        lambda rows: method.scores(rows) if len(rows) else None, [np.zeros(0, np.int64), np.arange(4)], 1
    )
    assert next(results) is None
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 30
