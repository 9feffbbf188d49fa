import datetime as dt
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gnnctl.errors import DataError
from gnnctl.graph import EdgeType

TO = EdgeType("n", "to", "n")


def graph_of(build, tmp_path, ids, sources, targets, **edge):
    pq.write_table(pa.table({"id": ids}), tmp_path / "n.parquet")
    pq.write_table(pa.table({"source": sources, "target": targets}), tmp_path / "e.parquet")
    return build({"nodes": {"n": {"table": "n.parquet"}}, "edges": {"n to n": {"table": "e.parquet", **edge}}})


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["b", "a", "é", "Z", ""], ["", "Z", "a", "b", "é"]),
        ([10, 9, -1, 100, 2], [-1, 2, 9, 10, 100]),
        (pa.array([3, 1, 2, 9, 8], pa.uint16()), [1, 2, 3, 8, 9]),
        ([dt.date(2020, 1, d) for d in (5, 3, 4, 1, 2)], [dt.date(2020, 1, d) for d in (1, 2, 3, 4, 5)]),
    ],
)
def test_ids_of_any_type_are_sorted_and_mapped_back(build, tmp_path, ids, expected):
    values = ids if isinstance(ids, pa.Array) else pa.array(ids)
    graph = graph_of(build, tmp_path, values, values, values.take(pa.array([1, 2, 3, 4, 0])))
    assert graph.nodes["n"].ids.to_pylist() == expected
    edges = graph.edges[TO]
    pairs = {(expected[int(edges.row[i])], expected[i]) for i in range(5)}
    listed = values.to_pylist()
    assert pairs == {(listed[i], listed[(i + 1) % 5]) for i in range(5)}


def test_uuids_are_text(build, tmp_path):
    ids = [str(uuid.UUID(int=i)) for i in (2, 1)]
    graph = graph_of(build, tmp_path, ids, ids, ids, source="CAST(source AS UUID)")
    assert graph.nodes["n"].ids.to_pylist() == sorted(ids)
    assert graph.edges[TO].row.tolist() == [0, 1]


def test_ids_of_different_types_are_compared_as_text(build, tmp_path):
    graph = graph_of(build, tmp_path, [10, 9, 1], ["1", "10"], ["9", "9"])
    assert graph.nodes["n"].ids.to_pylist() == [1, 9, 10]
    assert graph.edges[TO].colptr.tolist() == [0, 0, 2, 2]
    assert graph.edges[TO].row.tolist() == [0, 2]


def test_numbers_with_a_fraction_are_no_ids(build, tmp_path):
    with pytest.raises(DataError, match=r"has type DOUBLE, no type for ids; choose .* CAST"):
        graph_of(build, tmp_path, [1.0], [1], [1])


def test_types_that_only_edges_mention_are_made_from_them(build, tmp_path):
    pq.write_table(pa.table({"p": ["x", "y", "x"], "m": [7, 5, 5], "o": ["7", "9", "9"]}), tmp_path / "by.parquet")
    edge = {"table": "by.parquet", "source": "p"}
    graph = build({"edges": {"p by m": {**edge, "target": "m"}}})
    assert graph.node_types == ["p", "m"]
    assert graph.nodes["p"].ids.to_pylist() == ["x", "y"]
    assert graph.nodes["m"].ids.to_pylist() == [5, 7]
    assert graph.edges[EdgeType("p", "by", "m")].row.tolist() == [0, 1, 0]
    mixed = build({"edges": {"p by m": {**edge, "target": "m"}, "p of m": {**edge, "target": "o"}}})
    assert mixed.nodes["m"].ids.to_pylist() == ["5", "7", "9"]


def test_missing_endpoints_are_refused_dropped_or_added(build, tmp_path):
    arguments = (build, tmp_path, ["a", "b"], ["a", "q", "b"], ["b", "a", "z"])
    with pytest.raises(
        DataError, match=r"1 endpoint is no known n: 'q'; add the rows to n.parquet or pass --on-missing"
    ):
        graph_of(*arguments)
    dropped = graph_of(*arguments, on_missing="drop")
    assert dropped.edges[TO].row.tolist() == [0]
    assert dropped.notes == ["edges 'n to n': dropped 2 with an unknown endpoint"]
    added = graph_of(*arguments, on_missing="add")
    assert added.nodes["n"].ids.to_pylist() == ["a", "b", "q", "z"]
    assert added.edges[TO].num_edges == 3


def test_added_nodes_have_no_features(build, tmp_path):
    nodes = {"id": ["a", "b"], "size": [1.0, 3.0], "name": ["x", "y"], "v": [[1.0], [2.0]], "t": [5, 6]}
    pq.write_table(pa.table(nodes), tmp_path / "n.parquet")
    pq.write_table(pa.table({"source": ["c"], "target": ["a"]}), tmp_path / "e.parquet")
    features = {"size": "standard", "name": "onehot", "v": {"encoder": "vector", "nulls": "indicator"}}
    graph = build(
        {
            "nodes": {"n": {"table": "n.parquet", "features": features, "time": "t", "columns": ["name"]}},
            "edges": {"n to n": {"table": "e.parquet", "on_missing": "add"}},
        }
    )
    store = graph.nodes["n"]
    assert store.feature_names == ["size", "size is null", "name=x", "name=y", "name is null", "v[0]", "v is null"]
    assert store.x[2].tolist() == [0, 1, 0, 0, 1, 0, 1]
    assert store.columns["name"].to_pylist() == ["x", "y", None]
    assert store.time.tolist() == [5, 6, np.iinfo(np.int64).min]


def test_kept_columns_keep_their_values_and_the_label_is_one_of_them(build, tmp_path):
    when = [dt.date(2020, 1, 1), None]
    table = pa.table({"id": [2, 1], "y": ["b", None], "tags": [["p"], ["q", "r"]], "when": when, "n": [1.5, 2.5]})
    pq.write_table(table, tmp_path / "n.parquet")
    node = {"table": "n.parquet", "label": "y", "columns": {"tags": "tags", "when": "when", "double": "2 * n"}}
    store = build({"nodes": {"n": node}}).nodes["n"]
    assert store.label == "y"
    assert store.columns.to_pylist() == [
        {"y": None, "tags": ["q", "r"], "when": None, "double": 5.0},
        {"y": "b", "tags": ["p"], "when": dt.date(2020, 1, 1), "double": 3.0},
    ]
    assert store.x is None
    assert build({"nodes": {"n": {"table": "n.parquet", "label": "n > 2"}}}).nodes["n"].label == "label"


def test_times_are_integers_or_microseconds(build, tmp_path):
    table = pa.table({"id": [1, 2], "when": [dt.datetime(1970, 1, 2), None], "year": [1999, 2001]})
    pq.write_table(table, tmp_path / "n.parquet")
    assert build({"nodes": {"n": {"table": "n.parquet", "time": "year"}}}).nodes["n"].time.tolist() == [1999, 2001]
    times = build({"nodes": {"n": {"table": "n.parquet", "time": "when"}}}).nodes["n"].time
    assert times.tolist() == [86_400_000_000, np.iinfo(np.int64).min]
    with pytest.raises(DataError, match="no type for times"):
        build({"nodes": {"n": {"table": "n.parquet", "time": "CAST(year AS VARCHAR)"}}})


@pytest.mark.parametrize("odd", ["007", "abc", "+5"])
def test_csv_ids_that_only_begin_like_integers_stay_text(build, tmp_path, odd):
    rows = [f"{i},{i + 1}" for i in range(30_000)]
    (tmp_path / "e.csv").write_text("\n".join(["source,target", *rows, f"{odd},5", ""]))
    graph = build({"edges": {"n to n": {"table": "e.csv"}}})
    assert odd in graph.nodes["n"].ids.to_pylist()
    assert graph.num_nodes("n") == 30_002
