"""Graphs in partitions: every row has one owner, and what is sampled is what the whole graph gives."""

import importlib.util
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from partition_cases import dealt, everyone, write_parts
from sampling_cases import cases, random_graph, rich_cases, rich_graph, write_link_split

from gnnctl.errors import UsageError
from gnnctl.graph import Graph
from gnnctl.graph.batch import Batch
from gnnctl.graph.features import encode_features
from gnnctl.graph.store_interfaces import Column
from gnnctl.sampling.assign import assign, method_for
from gnnctl.sampling.link_negatives import LinkNegatives
from gnnctl.sampling.link_sampler import LinkSampler, opposites_of
from gnnctl.sampling.methods import MethodSpec, open_method
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.share import Share
from gnnctl.sampling.spec import SampleSpec
from gnnctl.splits import LinkSplit, NodeSplit
from gnnctl.splits.target import Target

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
@given(st.integers(0, 2**32), st.sampled_from([None, "before", "until"]))
def test_degrees_are_those_of_the_whole_graph_then_and_at_all_times(seed, time):
    rng = np.random.default_rng(seed)
    graph = rich_graph(rng, 2, 3)
    one = dealt(graph, 2, seed)[0]
    spec = SampleSpec(dict.fromkeys(graph.edge_types, (3, 2)), disjoint=time is not None, time=time)
    seeds = rng.permutation(graph.num_nodes("a"))[:6].astype(np.int64)
    times = None if time is None else rng.integers(-6, 16, len(seeds))
    expected, found = (
        Batch.from_subgraph(open_method(g, spec).sample(seeds, "a", 1, times), g, degrees=True) for g in (graph, one)
    )
    for t, degrees in expected.degree.items():
        for name, values in degrees._asdict().items():
            other = getattr(found.degree[t], name)
            assert (values is None) == (other is None)
            assert values is None or torch.equal(other, values), (t, name)


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
    owned = {t: np.sort(np.concatenate([one.part.rows(t) for one in own])) for t in graph.node_types}
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


@pytest.mark.parametrize("format", ["float16", "bfloat16", "int8"])
def test_features_in_any_format(format):
    rng = np.random.default_rng(3)
    graph = rich_graph(rng, 1, 1)
    stored = encode_features(rng.random((graph.num_nodes("a"), 4), dtype=np.float32), format)
    graph.nodes["a"] = replace(graph.nodes["a"], x=stored.values, x_scale=stored.scale, feature_names=list("wxyz"))
    rows = rng.integers(0, graph.num_nodes("a"), 20)
    one = dealt(graph, 2, 1)[1]
    assert np.array_equal(one.nodes["a"].features(rows), graph.nodes["a"].features(rows))
    assert one.traffic.rows == 20
    assert one.traffic.others == int((one.index.owner["a"][rows] == 0).sum())


def test_features_are_read_from_their_owners_and_no_owner_gives_those_of_another(tmp_path):
    rng = np.random.default_rng(1)
    graph = rich_graph(rng, 2, 3)
    x = rng.random((graph.num_nodes("a"), 5), dtype=np.float32)
    graph.nodes["a"] = replace(graph.nodes["a"], x=x, feature_names=list("vwxyz"))
    for t, store in graph.edges.items():
        attr = rng.random((store.num_edges, 2), dtype=np.float32)
        graph.edges[t] = replace(store, edge_attr=attr, feature_names=["p", "q"])
    owner = {t: rng.integers(0, 3, graph.num_nodes(t)) for t in graph.node_types}
    own = everyone(write_parts(tmp_path, graph, owner, 3))
    rows = rng.integers(0, len(x), 50)
    column = own[1].nodes["a"].x
    assert isinstance(column, Column)
    assert np.array_equal(column[rows], x[rows])
    assert np.array_equal(own[1].nodes["a"].features(rows), x[rows])
    assert own[0].schema == graph.schema
    for t, store in graph.edges.items():
        pos = rng.permutation(store.num_edges)[:20]
        assert np.array_equal(own[2].edges[t].edge_attr[pos], store.edge_attr[pos])
    alien = own[0].part.rows("a")[:1]
    with pytest.raises(IndexError, match="not in partition 1"):
        own[1].owners[1].features(None).read(column.key, alien, np.empty((1, 5), np.float32))


@pytest.mark.parametrize(
    ("rules", "times"), [({}, False), ({"disjoint": True}, False), ({"disjoint": True, "time": "before"}, True)]
)
def test_links_their_views_and_their_negatives_are_those_of_the_whole_graph(rules, times, tmp_path):
    predicted = ("user buys item",) if times else ("user buys item", "user knows user")
    split = LinkSplit.open(write_link_split(tmp_path, predicted=predicted, times=times))
    own = dealt(split.graph, 3, 4, split.codes)
    parts = [replace(split, graph=graph, _views={}) for graph in own]
    spec = SampleSpec(dict.fromkeys(split.graph.edge_types, (3, 2)), seed=6, **rules)
    opposite, edge_types = opposites_of(split), split.target.edge_types
    for name in ("train", "val"):
        links = split.part(name)
        for t, store in split.view(name).edges.items():
            found = parts[2].view(name).edges[t]
            for array in ("colptr", "row", "weight", "time"):
                values = getattr(store, array)
                assert values is None or np.array_equal(np.asarray(getattr(found, array)), values), (name, t, array)
        whole, other = (
            LinkSampler(
                open_method(one.view(name), spec), links, edge_types, LinkNegatives.of(one, 2), opposite=opposite
            )
            for one in (split, parts[1])
        )
        numbers = np.random.default_rng(3).permutation(links.size)[:40].astype(np.int64)
        expected, drawn = whole.sample(numbers, "", 2), other.sample(numbers, "", 2)
        same(drawn, expected)
        assert np.array_equal(drawn.links.src, expected.links.src)
        assert np.array_equal(drawn.links.dst, expected.links.dst)
        batch, wanted = (Batch.from_subgraph(s, one.view(name)) for s, one in ((drawn, parts[1]), (expected, split)))
        assert all(b is None or torch.equal(batch.x[t], b) for t, b in wanted.x.items())
        assert all(w is None or torch.equal(batch.edge_weight[t], w) for t, w in wanted.edge_weight.items())


def test_seeds_are_their_owners_and_a_process_without_any_computes_all_the_same():
    owner = np.array([1, 0, 1, 2, 1])
    batch = np.array([4, 3, 0])
    parts = [list(Share(rank, 3, owner).of([batch], filled=True)) for rank in range(3)]
    assert [(own.tolist(), counted) for [(own, counted)] in parts] == [([4], False), ([4, 0], True), ([3], True)]
    assert list(Share(0, 3, owner).of([batch], filled=False)) == []


@few
@given(st.integers(0, 2**32), st.integers(2, 5))
def test_every_node_has_one_owner_and_the_largest_partition_is_bounded(seed, parts):
    graph = random_graph(np.random.default_rng(seed), 2, 3)
    name = graph.node_types[0]
    rows = np.arange(graph.num_nodes(name))[::3]
    target = Target(name, "y", "multiclass", [0], 1)
    split = NodeSplit(graph, target, {"train": (rows, rows), "val": (rows[:0], rows[:0]), "test": (rows[:0], rows[:0])})
    found = assign(split, parts, seed=seed, method="stream")
    nodes = sum(graph.num_nodes(t) for t in graph.node_types)
    assert sum(found.nodes) == nodes
    assert max(found.nodes) <= max(1, math.ceil(1.05 * nodes / parts))
    assert sum(found.edges) == graph.num_edges
    assert sum(found.seeds) == len(rows)
    assert found.seeds == np.bincount(found.owner[name][rows], minlength=parts).tolist()
    crossing = 0
    for t, store in graph.edges.items():
        into = np.repeat(found.owner[t.dst], np.diff(store.colptr))
        crossing += int((found.owner[t.src][store.row] != into).sum())
    assert found.cut == pytest.approx(crossing / max(1, graph.num_edges))


def test_metis_deals_training_seeds_out_evenly_too():
    pytest.importorskip("pymetis")
    rng = np.random.default_rng(0)
    block = rng.integers(0, 4, 600)
    edges = rng.integers(0, 600, (2, 20000))
    graph = Graph.from_coo(600, edges[:, block[edges[0]] == block[edges[1]]])
    rows = np.flatnonzero(block < 2)  # by nodes alone each of two partitions would be two of the four blocks
    none = rows[:0]
    target = Target("node", "y", "multiclass", [0], 1)
    split = NodeSplit(graph, target, {"train": (rows, rows), "val": (none, none), "test": (none, none)})
    found = assign(split, 2, method="metis")
    assert max(found.seeds) < 0.6 * len(rows)
    assert found.cut < 0.2
    assert np.array_equal(found.owner["node"], assign(split, 2, method="metis").owner["node"])


def test_streaming_stands_in_for_metis(monkeypatch):
    graph = random_graph(np.random.default_rng(0), 1, 1)
    assert method_for(graph) == ("metis" if importlib.util.find_spec("pymetis") else "stream")
    monkeypatch.setitem(sys.modules, "pymetis", None)
    assert method_for(graph) == "stream"


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
