"""The same rows from every format that can be read."""

import gzip
import json

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from gnnctl.graph import EdgeType

NODES = pa.table({"id": ["c", "a", "b"], "size": [3.0, 1.0, 2.0]})
EDGES = pa.table({"source": ["a", "b", "c", "a"], "target": ["b", "c", "a", "c"]})


def write_stream(table, path):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def write_ipc(table, path):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def write_lines(table, path):
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


def write_gzip(table, path):
    pcsv.write_csv(table, path)
    path.write_bytes(gzip.compress(path.read_bytes()))


WRITERS = {
    "csv": pcsv.write_csv,
    "csv.gz": write_gzip,
    "parquet": pq.write_table,
    "feather": lambda table, path: feather.write_feather(table, str(path)),
    "arrow": write_ipc,
    "arrows": write_stream,
    "jsonl": write_lines,
    "json": lambda table, path: path.write_text(json.dumps(table.to_pylist())),
}


def check(graph):
    assert graph.nodes["n"].ids.to_pylist() == ["a", "b", "c"]
    np.testing.assert_array_equal(graph.nodes["n"].x[:, 0], [1, 2, 3])
    edges = graph.edges[EdgeType("n", "to", "n")]
    assert edges.colptr.tolist() == [0, 1, 2, 4]
    assert edges.row.tolist() == [2, 0, 0, 1]


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_gives_the_same_graph(build, tmp_path, suffix):
    WRITERS[suffix](NODES, tmp_path / f"nodes.{suffix}")
    WRITERS[suffix](EDGES, tmp_path / f"edges.{suffix}")
    document = {
        "nodes": {"n": {"table": f"nodes.{suffix}", "features": {"size": "raw"}}},
        "edges": {"n to n": {"table": f"edges.{suffix}"}},
    }
    check(build(document))


def test_globs_lists_and_odd_file_names(build, tmp_path):
    (tmp_path / "it's [1]").mkdir()
    for i in range(3):
        pq.write_table(NODES.slice(i, 1), tmp_path / "it's [1]" / f"part-{i}.parquet")
    for i in range(2):
        pcsv.write_csv(EDGES.slice(2 * i, 2), tmp_path / f"e{i}.csv")
    document = {
        "nodes": {"n": {"table": ["it's [[]1]/part-*.parquet"], "features": {"size": "raw"}}},
        "edges": {"n to n": {"table": ["e1.csv", "e0.csv"]}},
    }
    check(build(document))


def test_queries_attached_databases_and_reader_options(build, tmp_path):
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as shop:
        shop.register("nodes", NODES)
        shop.execute("create table things as from nodes")
    (tmp_path / "edges.txt").write_text("a;b\nb;c\nc;a\na;c\n")
    document = {
        "setup": f"ATTACH '{tmp_path}/shop.duckdb' AS shop (READ_ONLY)",
        "nodes": {"n": {"sql": "select upper(id) as name, size from shop.things;", "id": "lower(name)",
                        "features": {"twice": {"column": "size / 1", "encoder": "raw"}}}},
        "edges": {"n to n": {"table": "edges.txt", "source": "one", "target": "two",
                             "options": {"delim": ";", "header": False, "names": ["one", "two"]}}},
    }  # fmt: skip
    check(build(document))


def test_a_query_that_reads_csv_keeps_the_types_it_gives(build, tmp_path):
    lines = [(a, b) for a, b in [(1, 2), (2, 3), (3, 1)]]
    (tmp_path / "edges.csv").write_text("".join(f"{a},{b}\n" for a, b in lines))
    names = "from read_csv('edges.csv', header = false, names = ['one', 'two'])"
    graph = build({"edges": {"n to n": {"sql": names, "source": "one", "target": "two"}}})
    assert graph.num_nodes("n") == 3


def test_file_names_in_a_query_are_relative_to_the_spec(build, tmp_path):
    pq.write_table(NODES, tmp_path / "nodes.parquet")
    pcsv.write_csv(EDGES, tmp_path / "edges.csv")
    document = {
        "nodes": {"n": {"sql": "from 'nodes.parquet'", "features": {"size": "raw"}}},
        "edges": {
            "n to n": {"sql": "select * from 'edges.csv' union all select * from 'edges.csv'", "duplicates": "first"}
        },
    }
    check(build(document))
