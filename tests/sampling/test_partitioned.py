"""Graphs in partitions: every row has one owner, and what is sampled is what the whole graph gives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partition_cases import dealt, everyone, write_parts
from sampling_cases import cases, rich_cases, rich_graph

from gnnctl.errors import UsageError
from gnnctl.graph.store_interfaces import Column
from gnnctl.sampling.methods import MethodSpec, open_method
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec

few = settings(deadline=None, max_examples=40)


def same(one, other):
    """Whether two subgraphs are, to the byte."""
    assert list(one.nodes) == list(other.nodes)
    for t in one.nodes:
        for name in ("nodes", "node_group"):
            left, right = (getattr(s, name) and getattr(s, name)[t] for s in (one, other))
            assert (left is None) == (right is None)
            assert left is None or (left.dtype == right.dtype and np.array_equal(left, right)), (t, name)
        assert one.node_counts[t] == other.node_counts[t]
    for t, edges in one.edges.items():
        for name in ("colptr", "row", "pos"):
            left, right = getattr(edges, name), getattr(other.edges[t], name)
            assert left.dtype == right.dtype, (t, name)
            assert np.array_equal(left, right), (t, name)
        assert one.edge_counts[t] == other.edge_counts[t]


@few
@given(rich_cases(), st.integers(1, 4), st.integers(0, 2**32))
def test_every_way_of_drawing_gives_the_subgraph_of_the_whole_graph(case, parts, seed):
    graph, spec, seeds, node_type, epoch, times = case
    own = dealt(graph, parts, seed)
    expected = Sampler(graph, spec).sample(seeds, node_type, epoch, times)
    for one in own:
        same(open_method(one, spec).sample(seeds, node_type, epoch, times), expected)


@few
@given(cases(), st.integers(2, 3), st.integers(0, 2**32))
def test_budgets_replacement_and_disjoint_trees_too(case, parts, seed):
    graph, spec, seeds, node_type, epoch = case
    [first, *_] = dealt(graph, parts, seed)
    same(open_method(first, spec).sample(seeds, node_type, epoch), Sampler(graph, spec).sample(seeds, node_type, epoch))


@few
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_the_partitions_together_are_the_graph(seed, parts):
    rng = np.random.default_rng(seed)
    graph = rich_graph(rng, 2, 3)
    own = dealt(graph, parts, seed)
    owned = {t: np.sort(np.concatenate([one.part.rows[t] for one in own])) for t in graph.node_types}
    for t in graph.node_types:
        assert np.array_equal(owned[t], np.arange(graph.num_nodes(t)))
    for t, store in graph.edges.items():
        assert sum(len(one.part.edges(t, None).arrays["row"]) for one in own) == store.num_edges
        found = own[-1].edges[t]
        assert np.array_equal(found.colptr, store.colptr)
        for name in ("row", "weight", "time"):
            values, column = getattr(store, name), getattr(found, name)
            assert (values is None) == (column is None)
            if values is not None:
                assert np.array_equal(np.asarray(column), values)
                some = rng.permutation(len(values))[:5]
                assert np.array_equal(column[some], values[some])


def test_features_are_read_from_their_owners_and_no_owner_gives_those_of_another(tmp_path):
    rng = np.random.default_rng(1)
    graph = rich_graph(rng, 2, 3)
    x = rng.random((graph.num_nodes("a"), 5), dtype=np.float32)
    graph.nodes["a"] = replace(graph.nodes["a"], x=x, feature_names=list("vwxyz"))
    owner = {t: rng.integers(0, 3, graph.num_nodes(t)) for t in graph.node_types}
    own = everyone(write_parts(tmp_path, graph, owner, 3))
    rows = rng.integers(0, len(x), 50)
    column = own[1].nodes["a"].x
    assert isinstance(column, Column)
    assert np.array_equal(column[rows], x[rows])
    assert np.array_equal(own[1].nodes["a"].features(rows), x[rows])
    assert own[0].schema == graph.schema
    alien = own[0].part.rows["a"][:1]
    with pytest.raises(IndexError, match="not in partition 1"):
        own[1].owners[1].features(None).read(column.key, alien, np.empty((1, 5), np.float32))


def test_what_partitions_cannot_do_is_refused():
    graph = rich_graph(np.random.default_rng(2), 1, 2)
    [one, _] = dealt(graph, 2, 0)
    with pytest.raises(UsageError, match="--sampler shadow"):
        open_method(one, MethodSpec("shadow"))
    with pytest.raises(UsageError, match="--subgraph induced"):
        open_method(one, SampleSpec(dict.fromkeys(one.edge_types, (2,)), subgraph="induced"))
    sampler = open_method(one, SampleSpec.uniform(one.edge_types, (2,)))
    with pytest.raises(ValueError, match="outside"):
        sampler.sample(np.array([10**6]), "a", 0)
    with pytest.raises(ValueError, match="twice"):
        sampler.sample(np.array([0, 0]), "a", 0)
