import pytest

from gnnctl.bench import rmat, typed_rmat
from gnnctl.bench.loading import LoadingOptions, bench_loading
from gnnctl.bench.loading_report import loading_report
from gnnctl.errors import DataError
from gnnctl.sampling.spec import SampleSpec

OPTIONS = LoadingOptions(
    threads=(1, 2),
    batch_size=32,
    num_batches=3,
    repeats=2,
    feature_formats=("float32", "bfloat16"),
    limit_bytes=1 << 16,
)


@pytest.mark.parametrize(("graph", "node_type"), [(rmat(9, features=4), "node"), (typed_rmat(10, features=4), "paper")])
def test_what_is_counted_is_what_was_loaded(graph, node_type):
    spec = SampleSpec.parse(graph, ["5,3"])
    result = bench_loading(graph, node_type, spec, OPTIONS)
    assert len(result.rows) == 8
    assert {row.batches for row in result.rows} == {3}
    assert len({(row.rows, row.edges) for row in result.rows}) == 1
    for row in result.rows:
        assert row.rows_per_random_row == pytest.approx(row.rows / row.seconds.median / result.limits["rows"].median)
    assert len(loading_report(graph, "a graph", spec, OPTIONS, result).rows) == 8


def test_a_graph_without_features_has_nothing_to_load():
    graph = rmat(8)
    with pytest.raises(DataError, match="features"):
        bench_loading(graph, "node", SampleSpec.parse(graph, ["3"]), OPTIONS)
