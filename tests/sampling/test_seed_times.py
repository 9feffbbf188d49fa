"""What seeds see at their times beyond the neighbours drawn: degrees, edges among the nodes, and what records keep."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from sampling_cases import graph_before, rich_cases

from gnnctl.errors import ArtifactError
from gnnctl.graph import Graph
from gnnctl.graph.batch import Batch, graph_degrees
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.columns import Layout, RecordColumns
from gnnctl.sampling.concatenate import concatenate
from gnnctl.sampling.merge import merge_columns
from gnnctl.sampling.records import Block, from_arrow, record_digests, to_arrow
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec

few = settings(deadline=None, max_examples=80)


def timed(case):
    """The case, if its seeds have times that a graph heeds, and draws by what the graph has."""
    graph, spec = case[:2]
    stores = [*graph.nodes.values(), *graph.edges.values()]
    assume(spec.time is not None and any(s.time is not None for s in stores))
    return graph, dataclasses.replace(spec, draw="uniform"), *case[2:]


@few
@given(rich_cases())
def test_degrees_are_those_of_the_graph_before_the_seeds_time(case):
    graph, spec, seeds, node_type, epoch, times = timed(case)
    subgraph = Sampler(graph, spec).sample(seeds, node_type, epoch, times)
    batch = Batch.from_subgraph(subgraph, graph, degrees=True)
    for i, time in enumerate(times):
        before = graph_before(graph, int(time) + (spec.time == "until"))
        for t in graph.edge_types:
            whole, found = graph_degrees(before, t), batch.degree[t]
            src, dst = (subgraph.node_group[name] == i for name in (t.src, t.dst))
            np.testing.assert_allclose(found.src[src], whole.out[subgraph.nodes[t.src][src]], rtol=1e-5, atol=1e-3)
            np.testing.assert_allclose(found.dst[dst], whole.into[subgraph.nodes[t.dst][dst]], rtol=1e-5, atol=1e-3)
            assert np.array_equal(found.in_edges[dst], whole.in_edges[subgraph.nodes[t.dst][dst]])
            if found.dst_loop is not None:
                loops = np.zeros(graph.num_nodes(t.dst)) if whole.loops is None else whole.loops
                assert np.array_equal(found.dst_loop[dst], loops[subgraph.nodes[t.dst][dst]])
                assert torch.equal(found.src_loop, found.dst_loop)
            else:
                assert whole.loops is None


def test_degrees_of_a_graph_of_one_type_are_in_degrees():
    graph = Graph.from_coo(3, np.array([[0, 0, 1, 2], [1, 2, 2, 0]]), edge_time=np.array([5, 1, 7, 2]))
    spec = SampleSpec.uniform(graph.edge_types, (-1, -1), disjoint=True, time="before")
    subgraph = Sampler(graph, spec).sample(np.array([2, 1]), "node", 0, np.array([6, 9]))
    (degree,) = Batch.from_subgraph(subgraph, graph, degrees=True).degree.values()
    by_node = dict(zip(zip(subgraph.node_group["node"].tolist(), subgraph.nodes["node"].tolist(), strict=True),
                       degree.src.tolist(), strict=True))  # fmt: skip
    assert by_node[0, 2] == 1  # the edge of time 7 is not seen at 6
    assert by_node[1, 2] == 2
    assert torch.equal(degree.src, degree.dst)


@few
@given(rich_cases())
def test_widened_subgraphs_have_no_edge_of_the_future(case):
    graph, spec, seeds, node_type, epoch, times = timed(case)
    for wide in ("bidirectional", "induced"):
        widened = dataclasses.replace(spec, subgraph=wide, replace=False)
        for seed, time in zip(seeds, times, strict=True):
            one, at = np.array([seed]), np.array([time])
            before = graph_before(graph, int(time) + (spec.time == "until"))
            found = Sampler(graph, widened).sample(one, node_type, epoch, at)
            expected = Sampler(before, widened).sample(one, node_type, epoch, at)
            assert found.edge_counts == expected.edge_counts
            for t in graph.edge_types:
                assert np.array_equal(found.edges[t].colptr, expected.edges[t].colptr)
                assert np.array_equal(found.edges[t].row, expected.edges[t].row)


@few
@given(rich_cases())
def test_records_keep_the_times_of_their_seeds(case):
    graph, spec, seeds, node_type, epoch, times = timed(case)
    sampler = Sampler(graph, spec)
    subgraphs = [sampler.sample(seeds[i : i + 1], node_type, epoch, times[i : i + 1]) for i in range(len(seeds))]
    layout = Layout.of(graph, spec.hops, node_type, True, time=spec.time)
    block = Block(RecordColumns.of(subgraphs, layout), 0, "train", 1, None)
    batch = to_arrow(block)
    assert batch.column("seeds").flatten().field("time").to_pylist() == times.tolist()
    read = from_arrow(batch, layout, None, graph, "here")
    assert record_digests(read) == record_digests(block)
    assert all(read.columns.subgraph(i).same_as(s) for i, s in enumerate(subgraphs))
    whole = sampler.sample(seeds, node_type, epoch, times)
    for together in (merge_columns(read.columns), concatenate(read.columns)):
        assert np.array_equal(together.seed_times.times, whole.seed_times.times)
        assert together.seed_times.inclusive == (spec.time == "until")


def test_records_that_lost_their_times_are_refused():
    graph = Graph.from_coo(3, np.array([[0, 1], [1, 2]]), edge_time=np.array([1, 2]))
    spec = SampleSpec.uniform(graph.edge_types, (2,), disjoint=True, time="until")
    subgraph = Sampler(graph, spec).sample(np.array([2]), "node", 0, np.array([2]))
    columns = RecordColumns.of([subgraph], Layout.of(graph, 1, "node", True, time="until"))
    with pytest.raises(ArtifactError, match="counts do not fit"):
        dataclasses.replace(columns, seed_times=None).check(graph, "here")
    with pytest.raises(ValueError, match="times of their seeds"):
        RecordColumns.of([dataclasses.replace(subgraph, seed_times=None)], columns.layout)


def test_prediction_sees_the_latest_where_training_did_and_else_everything():
    t = EdgeType("node", "to", "node")
    recent = SampleSpec({t: (3, 2)}, disjoint=True, time="before", draw="recent")
    assert recent.whole() == recent
    uniform = SampleSpec({t: (3, 2)}, disjoint=True, time="before").whole()
    assert uniform is not None
    assert uniform.num_neighbors == {t: (-1, -1)}
    assert SampleSpec({t: (3, 2)}, draw="recent").whole() is None
