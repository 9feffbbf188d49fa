"""Drawing by weight, by recency, at the seeds' times, and with shared draws."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from sampling_cases import graph_before, rich_cases
from sampling_reference import assert_is_reference
from scipy.stats import chisquare

from gnnctl.errors import DataError, UsageError
from gnnctl.graph import Graph
from gnnctl.graph.graph import DEFAULT_EDGE, EdgeStore, NodeStore
from gnnctl.sampling.merge import merge
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec

few = settings(deadline=None, max_examples=150)


def possible(graph, spec):
    """Whether a sampler would take the pair: some type must have the weights or times that the spec draws by."""
    stores = [*graph.nodes.values(), *graph.edges.values()]
    weights = spec.draw != "weighted" or any(e.weight is not None for e in graph.edges.values())
    return weights and (spec.time is None or any(s.time is not None for s in stores))


@few
@given(rich_cases())
def test_every_way_of_drawing_repeats_the_written_contract(case):
    graph, spec, seeds, node_type, epoch, times = case
    if not possible(graph, spec):
        with pytest.raises(DataError):
            Sampler(graph, spec)
        return
    assert_is_reference(Sampler(graph, spec).sample(seeds, node_type, epoch, times), *case)


@few
@given(rich_cases())
def test_no_seed_sees_the_future(case):
    graph, spec, seeds, node_type, epoch, times = case
    if spec.time is None or not possible(graph, spec):
        return
    subgraph = Sampler(graph, spec).sample(seeds, node_type, epoch, times)
    for t, edges in subgraph.edges.items():
        limit = times[subgraph.node_group[t.dst][edges.col()]]
        if graph.nodes[t.src].time is not None:
            seen = graph.nodes[t.src].time[subgraph.nodes[t.src][edges.row]]
            assert np.all(seen <= limit if spec.time == "until" else seen < limit)
        if graph.edges[t].time is not None:
            seen = graph.edges[t].time[edges.pos]
            assert np.all(seen <= limit if spec.time == "until" else seen < limit)


@few
@given(rich_cases())
def test_what_comes_later_changes_nothing(case):
    """Cutting every edge that the latest seed cannot see out of the graph leaves the same sample."""
    graph, spec, seeds, node_type, epoch, times = case
    if spec.time is None or not possible(graph, spec):
        return
    last = int(times.max()) + (spec.time == "until")
    before = graph_before(graph, last)
    a = Sampler(graph, spec).sample(seeds, node_type, epoch, times)
    b = Sampler(before, spec).sample(seeds, node_type, epoch, times)
    assert all(np.array_equal(a.nodes[t], b.nodes[t]) for t in graph.node_types)
    assert all(np.array_equal(a.edges[t].row, b.edges[t].row) for t in graph.edge_types)


def centre(weights, extra=0):
    """One node with an in-edge from each of len(weights) others, in order."""
    n = len(weights)
    colptr = np.concatenate([[0], np.full(n + extra, n)]).astype(np.int64)
    store = EdgeStore(colptr, np.arange(n, dtype=np.int32), weight=np.asarray(weights, np.float32))
    return Graph({"node": NodeStore(n + extra)}, {DEFAULT_EDGE: store})


def draws(graph, fan_out, epochs, **rules):
    spec = SampleSpec.uniform(graph.edge_types, (fan_out,), seed=4, **rules)
    sampler, seed = Sampler(graph, spec), np.array([0])
    return [sampler.sample(seed, "node", epoch).edges[DEFAULT_EDGE].pos for epoch in range(epochs)]


@pytest.mark.parametrize("size", [6, 70, 5000])
def test_draws_with_replacement_are_in_proportion_to_weights(size):
    weights = np.random.default_rng(1).pareto(1.5, size) + 0.01
    counts = np.zeros(size)
    for pos in draws(centre(weights), 50, 400, draw="weighted", replace=True):
        np.add.at(counts, pos, 1)
    order = np.argsort(weights)
    bins = np.array_split(order, min(size, 20))
    expected = np.array([weights[b].sum() for b in bins]) / weights.sum() * counts.sum()
    assert chisquare([counts[b].sum() for b in bins], expected).pvalue > 1e-4


def test_draws_without_replacement_are_successive():
    """Pairs (first, second) have the probability w_i / W * w_j / (W - w_i), the giant weight and its remainder too."""
    weights = np.array([1.0, 2.0, 0.0, 3.0, 50.0])
    pairs = np.zeros((5, 5))
    for first, second in draws(centre(weights), 2, 20_000, draw="weighted"):
        pairs[first, second] += 1
    total = weights.sum()
    expected = weights[:, None] / total * weights[None] / (total - weights[:, None])
    np.fill_diagonal(expected, 0)
    live = expected > 0
    assert pairs[~live].sum() == 0
    assert chisquare(pairs[live], expected[live] * pairs.sum()).pvalue > 1e-4


def test_no_more_is_drawn_than_has_weight():
    weights = np.zeros(300)
    weights[[3, 250]] = 1e-3, 5.0
    assert all(set(pos) == {3, 250} for pos in draws(centre(weights), 7, 20, draw="weighted"))
    assert all(pos.tolist() == [3, 250] for pos in draws(centre(weights), -1, 2, draw="weighted"))
    assert all(len(pos) == 0 for pos in draws(centre(np.zeros(300)), 7, 5, draw="weighted"))
    assert all(len(pos) == 0 for pos in draws(centre(np.zeros(300)), 7, 5, draw="weighted", replace=True))


def test_labor_reaches_fewer_nodes_and_is_uniform():
    rng = np.random.default_rng(0)
    graph = Graph.from_coo(3000, np.stack([rng.integers(0, 3000, 150_000), rng.integers(0, 300, 150_000)]))
    seeds = np.arange(300, dtype=np.int64)
    found = {
        way: Sampler(graph, SampleSpec.uniform(graph.edge_types, (10,), draw=way)).sample(seeds, "node", 1)
        for way in ("uniform", "labor")
    }
    assert found["labor"].num_edges == found["uniform"].num_edges
    assert found["labor"].num_nodes < 0.5 * found["uniform"].num_nodes
    counts = np.zeros(200)
    for pos in draws(centre(np.ones(200)), 5, 4000, draw="labor"):
        assert len(set(pos)) == 5
        np.add.at(counts, pos, 1)
    assert chisquare(counts).pvalue > 1e-4


@few
@given(rich_cases())
def test_records_of_single_seeds_merge_however_they_are_drawn(case):
    graph, spec, seeds, node_type, epoch, _ = case
    fan_outs = {t: tuple(sorted(k, key=lambda x: -np.inf if x < 0 else -x)) for t, k in spec.num_neighbors.items()}
    spec = dataclasses.replace(spec, num_neighbors=fan_outs, disjoint=False, time=None, budget=None)
    if not possible(graph, spec):
        return
    sampler = Sampler(graph, spec)
    records = [sampler.sample(seeds[i : i + 1], node_type, epoch) for i in range(len(seeds))]
    assert merge(records, graph, spec).same_as(sampler.sample(seeds, node_type, epoch))


def test_seeds_take_their_own_times():
    times = np.array([5, 1, 2, 3, 4])
    graph = centre(np.ones(5))
    graph = Graph({"node": NodeStore(5, time=times)}, graph.edges)
    with pytest.raises(ValueError, match="not sorted by visible time"):
        Sampler(graph, SampleSpec.uniform(graph.edge_types, (9,), disjoint=True, time="before"))
    store = graph.edges[DEFAULT_EDGE]
    ordered = EdgeStore(store.colptr, np.array([1, 2, 3, 4, 0], np.int32))
    graph = Graph(graph.nodes, {DEFAULT_EDGE: ordered})
    for rule, seen in (("before", [1, 2, 3, 4]), ("until", [1, 2, 3, 4, 0])):
        spec = SampleSpec.uniform(graph.edge_types, (9,), disjoint=True, time=rule)
        found = Sampler(graph, spec).sample(np.array([0]), "node", 0)
        edges = found.edges[DEFAULT_EDGE]
        assert found.nodes["node"][edges.row].tolist() == seen


def test_the_latest_come_first():
    assert [p.tolist() for p in draws(centre(np.ones(6)), 3, 2, draw="recent")] == [[5, 4, 3]] * 2


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"draw": "best"}, "--draw best"),
        ({"time": "before"}, "--time"),
        ({"time": "never", "disjoint": True}, "--time never"),
        ({"draw": "recent", "replace": True}, "--replace"),
        ({"draw": "labor", "disjoint": True}, "--disjoint"),
    ],
)
def test_rules_that_do_not_go_together_are_refused(rules, said):
    with pytest.raises(UsageError, match=said):
        SampleSpec.uniform([DEFAULT_EDGE], (2,), **rules)


def test_a_spec_survives_its_document():
    for rules in ({}, {"draw": "weighted"}, {"draw": "recent", "disjoint": True, "time": "until"}):
        spec = SampleSpec.uniform([DEFAULT_EDGE], (2, 1), **rules)
        assert SampleSpec.from_json(spec.to_json()) == spec


def test_a_spec_says_what_it_does():
    assert SampleSpec.uniform([DEFAULT_EDGE], (25, 10)).describe() == "25,10"
    timed = SampleSpec.uniform([DEFAULT_EDGE], (5,), draw="recent", disjoint=True, time="until")
    assert timed.describe() == "5, disjoint, recent, until its time"
