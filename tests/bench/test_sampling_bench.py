import numpy as np
import pytest

from gnnctl.bench import rmat, typed_rmat
from gnnctl.bench.sampling import SamplingOptions, bench_sampling, seeds_with_edges
from gnnctl.bench.sampling_report import sampling_report
from gnnctl.errors import DataError
from gnnctl.graph import Graph
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.seeds import batches
from gnnctl.sampling.spec import SampleSpec

OPTIONS = SamplingOptions(threads=(1, 2), batch_size=32, num_batches=3, repeats=3, gather_entries=1 << 12)


@pytest.mark.parametrize(("graph", "node_type"), [(rmat(9), "node"), (typed_rmat(10), "paper")])
def test_what_is_counted_is_what_was_sampled(graph, node_type):
    spec = SampleSpec.parse(graph, ["5,3"])
    result = bench_sampling(graph, node_type, spec, OPTIONS)
    rows = seeds_with_edges(graph, node_type)
    cut = batches(rows, 32, shuffle=True, seed=0, epoch=1)[:3]
    sampler = Sampler(graph, spec)
    edges = sum(sampler.sample(seeds, node_type, 1).num_edges for seeds in cut)
    assert [(row.side, row.threads) for row in result.rows] == [("gnnctl", 1), ("gnnctl", 2)]
    for row in result.rows:
        assert (row.seeds, row.edges) == (96, edges)
        assert row.edges_per_second == pytest.approx(edges / row.seconds.median)
        assert row.edges_per_gather == pytest.approx(row.edges_per_second / result.limits["gather"].median)
    report = sampling_report(graph, "a graph", spec, OPTIONS, result)
    assert len(report.rows) == 2
    assert report.document["graph"]["fingerprint"] == graph.fingerprint


def test_a_peer_that_is_not_there_is_a_note():
    graph = rmat(9)
    options = SamplingOptions((1,), 32, 1, 1, against_peer=True, gather_entries=1 << 12)
    result = bench_sampling(graph, "node", SampleSpec.parse(graph, ["3"]), options)
    assert len(result.rows) == 2 or "torch-geometric" in result.notes[0]


def test_a_type_without_edges_has_no_seeds():
    graph = Graph.from_coo(5, np.zeros((2, 0), np.int64))
    with pytest.raises(DataError, match="in-edge"):
        seeds_with_edges(graph, "node")
