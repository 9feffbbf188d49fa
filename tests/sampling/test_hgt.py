"""HGSampling: the algorithm of the paper, with the right probabilities, pure in the set of the batch."""

import math
import threading
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_cases import random_graph
from sampling_reference import absorb, fnv
from scipy.stats import chisquare

from gnnctl.errors import UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.native import hgt_nodes
from gnnctl.sampling.adjacency import Adjacency
from gnnctl.sampling.hgt import Hgt

few = settings(deadline=None, max_examples=60)


def reference(graph, seeds, node_type, neighbors, depth, seed, epoch):
    """Algorithm 1, in plain Python."""
    kept = {t: set() for t in graph.node_types}
    kept[node_type] |= set(seeds.tolist())
    budget = {t: {} for t in graph.node_types}
    frontier = {t: sorted(rows) for t, rows in kept.items()}
    for hop in range(1, depth + 1):
        for t, store in graph.edges.items():
            for v in frontier[t.dst]:
                mine = store.row[store.colptr[v] : store.colptr[v + 1]].tolist()
                for u in mine:
                    budget[t.src][u] = budget[t.src].get(u, 0.0) + 1 / len(mine)
        for t in graph.node_types:
            key = absorb(0, seed, epoch, fnv("hgt"), hop, fnv(t))
            race = []
            for u, b in budget[t].items():
                if u not in kept[t]:
                    race.append((-math.log(((absorb(key, u) >> 11) + 0.5) * 2.0**-53) / (b * b), u))
            frontier[t] = sorted(u for _, u in sorted(race)[:neighbors])
            kept[t] |= set(frontier[t])
    return kept


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    graph = random_graph(rng, draw(st.integers(1, 3)), draw(st.integers(1, 5)))
    node_type = graph.node_types[int(rng.integers(len(graph.node_types)))]
    count = int(rng.integers(0, min(8, graph.num_nodes(node_type)) + 1))
    seeds = rng.permutation(graph.num_nodes(node_type))[:count].astype(np.int64)
    shape = {"neighbors": draw(st.integers(0, 9)), "depth": draw(st.integers(1, 4))}
    return graph, seeds, node_type, shape, draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 9))


@few
@given(cases(), st.integers(1, 3))
def test_nodes_are_those_of_the_algorithm_and_edges_all_among_them(case, hops):
    graph, seeds, node_type, shape, seed, epoch = case
    found = Hgt(graph, hops, seed, **shape).sample(seeds, node_type, epoch)
    expected = reference(graph, seeds, node_type, seed=seed, epoch=epoch, **shape)
    assert {t: set(rows.tolist()) for t, rows in found.nodes.items()} == expected
    assert found.nodes[node_type][: len(seeds)].tolist() == seeds.tolist()
    for t in graph.node_types:
        assert len(set(found.nodes[t].tolist())) == len(found.nodes[t])
        added = len(found.nodes[t]) - (len(seeds) if t == node_type else 0)
        assert added <= shape["neighbors"] * shape["depth"]
        assert len(found.node_counts[t]) == hops + 1
    for t, store in graph.edges.items():
        dst = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
        into = found.nodes[t.dst] if hops > 1 else found.nodes[t.dst][: found.node_counts[t.dst][0]]
        inside = np.isin(store.row, found.nodes[t.src]) & np.isin(dst, into)
        assert sorted(found.edges[t].pos.tolist()) == np.flatnonzero(inside).tolist()
        assert np.array_equal(found.nodes[t.src][found.edges[t].row], store.row[found.edges[t].pos])


@few
@given(cases())
def test_order_of_the_batch_and_threads_change_nothing(case):
    graph, seeds, node_type, shape, seed, epoch = case
    method = Hgt(graph, 2, seed, **shape)
    once = method.sample(seeds, node_type, epoch)
    found = {}

    def work(i):
        found[i] = method.sample(seeds[::-1].copy() if i % 2 else seeds, node_type, epoch)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        if i % 2 == 0:
            assert found[i].same_as(once)
        for t in graph.node_types:
            assert set(found[i].nodes[t].tolist()) == set(once.nodes[t].tolist())
        for t in graph.edge_types:
            assert np.array_equal(np.sort(found[i].edges[t].pos), np.sort(once.edges[t].pos))


def test_inclusion_has_the_exact_probabilities():
    # seeds 0 (in-edges from 2, 3) and 1 (in-edges from 3, 4, 5, 5): squared budgets of 2..5
    graph = Graph.from_coo(6, np.array([[2, 3, 3, 4, 5, 5], [0, 0, 1, 1, 1, 1]]))
    weight = np.array([1 / 2, 1 / 2 + 1 / 4, 1 / 4, 1 / 2]) ** 2
    share = {}
    for a, b in permutations(range(4), 2):
        p = weight[a] / weight.sum() * weight[b] / (weight.sum() - weight[a])
        pair = (min(a, b) + 2, max(a, b) + 2)
        share[pair] = share.get(pair, 0) + p
    drawn = dict.fromkeys(share, 0)
    epochs = 4000
    method = Hgt(graph, 2, 3, neighbors=2, depth=1)
    for epoch in range(epochs):
        rows = method.sample(np.array([0, 1]), "node", epoch).nodes["node"][2:]
        drawn[tuple(sorted(rows.tolist()))] += 1
    assert chisquare(list(drawn.values()), np.array(list(share.values())) * epochs).pvalue > 1e-3


def test_budgets_of_types_add_up_and_remain_for_the_next_hop():
    t, other = EdgeType("a", "to", "b"), EdgeType("a", "also", "b")
    graph = Graph.from_coo(
        {"a": 50, "b": 1}, {t: np.stack([np.arange(49), np.zeros(49, int)]), other: np.array([[49], [0]])}
    )
    method = Hgt(graph, 2, 0, neighbors=5)
    found = [method.sample(np.array([0]), "b", epoch).nodes["a"] for epoch in range(20)]
    assert all(len(rows) == 10 for rows in found)  # the second hop draws from what the first left over
    assert all(49 in rows for rows in found)  # its weight is 49^2 times that of another


@pytest.mark.parametrize(("arguments", "name"), [({"neighbors": -1}, "neighbors"), ({"neighbors": 1.5}, "neighbors"),
                                                 ({"depth": 101}, "depth")])  # fmt: skip
def test_wrong_parameters_are_named(arguments, name):
    graph = Graph.from_coo(3, np.array([[0], [1]]))
    with pytest.raises(UsageError, match=name):
        Hgt(graph, 2, 0, **arguments)
    method = Hgt(graph, 2, 0)
    for given_, named in (
        ((np.array([0, 0]), "node", 0), "seeds"),
        ((np.array([-1]), "node", 0), "seeds"),
        ((np.array([0.0]), "node", 0), "seeds"),
        ((np.array([0]), "no", 0), "node_type"),
        ((np.array([0]), "node", -1), "epoch"),
    ):
        with pytest.raises((ValueError, TypeError), match=rf"^{named}"):
            method.sample(*given_)


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (1, np.array([3]), "seeds"),
        (1, np.array([0], np.int32), "seeds"),
        (1, np.array([[0]]), "seeds"),
        (2, 1, "node_type"),
        (3, [-1], "takes"),
        (4, [], "keys"),
        (4, [[1, 2]], "keys"),
    ],
)
def test_native_arguments_are_checked(place, value, name):
    graph = Adjacency.of(Graph.from_coo(3, np.array([[0], [1]])))
    arguments = [graph.native, np.array([1]), 0, [2], [[5]]]
    assert [rows.tolist() for rows in hgt_nodes(*arguments)] == [[0]]
    arguments[place] = value
    with pytest.raises((ValueError, TypeError), match=rf"^{name}"):
        hgt_nodes(*arguments)
