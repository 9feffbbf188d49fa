"""Tables of triples, tables in parts, kept columns of edges."""

import tomllib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gnnctl.errors import DataError
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.types import relation_name
from gnnctl.ingest import parse, parse_spec
from gnnctl.ingest.engine import Engine
from gnnctl.ingest.guess import guess_toml
from gnnctl.splits.link_groups import ends_of

STAR = "entity * entity"
TRIPLES = [("ada", "likes", "ben"), ("ben", "likes", "cy"), ("cy", "knows", "ada"), ("ada", "knows", "ben")]


def triples(rows=TRIPLES, **more):
    head, relation, tail = zip(*rows, strict=True)
    return pa.table({"head": head, "relation": relation, "tail": tail, **more})


def kg(build, tmp_path, table=None, **edge):
    pq.write_table(triples() if table is None else table, tmp_path / "kg.parquet")
    columns = {"source": "head", "target": "tail", "relation": "relation"}
    return build({"edges": {STAR: {"table": "kg.parquet", **columns, **edge}}})


def named(graph, edge_type, *columns):
    """Edges as (source id, target id, kept values), in the graph's order."""
    ids = [graph.nodes[t].ids.to_pylist() for t in (edge_type.src, edge_type.dst)]
    src, dst = ends_of(graph, edge_type)
    kept = [graph.edges[edge_type].columns[c].to_pylist() for c in columns]
    return [(ids[0][s], ids[1][d], *rest) for s, d, *rest in zip(src, dst, *kept, strict=True)]


def test_each_relation_is_an_edge_type(build, tmp_path):
    graph = kg(build, tmp_path, reverse=True)
    knows, likes = (EdgeType("entity", r, "entity") for r in ("knows", "likes"))
    rev_knows, rev_likes = (EdgeType("entity", f"rev_{r}", "entity") for r in ("knows", "likes"))
    assert graph.edge_types == [knows, rev_knows, likes, rev_likes]
    assert named(graph, knows) == [("cy", "ada"), ("ada", "ben")]
    assert named(graph, likes) == [("ada", "ben"), ("ben", "cy")]
    assert graph.edges[rev_likes].forward.tolist() == [0, 1]
    assert graph.nodes["entity"].ids.to_pylist() == ["ada", "ben", "cy"]


def test_it_is_what_a_section_for_each_would_make(build, tmp_path):
    more = {"weight": [1.0, 2.0, 3.0, 4.0], "kind": ["x", "y", "x", "z"], "at": [5, 4, 3, 2]}
    rest = {"weight": "weight", "features": {"kind": "onehot"}, "time": "at", "columns": ["kind"], "undirected": True}
    one = kg(build, tmp_path, triples(**more), **rest)
    ends = {"source": "head", "target": "tail"}
    sections = {
        f"entity {r} entity": {"sql": f"select * from 'kg.parquet' where relation = '{r}'", **ends, **rest}
        for r in ("knows", "likes")
    }
    assert one.artifact.content == build({"edges": sections}).artifact.content


def test_the_order_of_rows_does_not_matter(build, tmp_path):
    rows = [(f"n{i % 7}", f"r{i % 3}", f"n{i % 5}") for i in range(60)]
    note = [f"{i * 7919 % 13}" for i in range(60)]
    content = set()
    for seed in (0, 1):
        order = np.random.default_rng(seed).permutation(60)
        table = triples([rows[i] for i in order], note=[note[i] for i in order])
        content.add(kg(build, tmp_path, table, columns=["note"], reverse=True).artifact.content)
    assert len(content) == 1


def test_columns_follow_their_edges(build, tmp_path):
    graph = kg(build, tmp_path, triples(stars=[4, None, 2, 1]), columns={"stars": "stars", "twice": "stars * 2"})
    likes = EdgeType("entity", "likes", "entity")
    assert named(graph, likes, "stars", "twice") == [("ada", "ben", 4, 8), ("ben", "cy", None, None)]
    assert graph.layout()["edges"][0]["columns"] == ["stars", "twice"]


def test_columns_are_on_both_directions_and_the_type_is_known_to_be_undirected(build, tmp_path):
    graph = kg(build, tmp_path, triples(stars=[4, 3, 2, 1]), columns=["stars"], undirected=True)
    likes = EdgeType("entity", "likes", "entity")
    assert graph.edges[likes].undirected
    assert {(a, b): n for a, b, n in named(graph, likes, "stars")} == {
        ("ada", "ben"): 4,
        ("ben", "ada"): 4,
        ("ben", "cy"): 3,
        ("cy", "ben"): 3,
    }
    assert Graph.open(graph.artifact.path).layout() == graph.layout()


def test_columns_of_a_graph_in_memory_break_ties_and_are_written(tmp_path):
    from gnnctl.artifacts import ArtifactWriter, Recipe

    edges = np.asarray([[0, 0, 0, 1], [1, 1, 1, 1]])
    contents = set()
    for order in ([0, 1, 2, 3], [2, 3, 0, 1]):
        table = pa.table({"word": ["b", "a", "c", "z"]}).take(order)
        graph = Graph.from_coo(2, edges[:, order], edge_columns=table)
        (store,) = graph.edges.values()
        assert store.columns["word"].to_pylist() == ["a", "b", "c", "z"]
        output = tmp_path / f"graph-{order[0]}"
        with ArtifactWriter(output, Recipe("graph", "ingest", 1, {})) as writer:
            graph.write(writer)
        opened = Graph.open(output)
        assert next(iter(opened.edges.values())).columns.equals(store.columns)
        contents.add(opened.artifact.content)
    assert len(contents) == 1
    with pytest.raises(ValueError, match="edge_columns: expected 4 rows"):
        Graph.from_coo(2, edges, edge_columns=pa.table({"word": ["a"]}))


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_table_in_parts_keeps_the_part(build, tmp_path, suffix):
    import pyarrow.csv

    write = pq.write_table if suffix == "parquet" else pyarrow.csv.write_csv
    for name, rows in (("a", TRIPLES[:2]), ("b", TRIPLES[2:3]), ("c", TRIPLES[3:])):
        write(triples(rows), tmp_path / f"{name}.{suffix}")
    parts = {"train": f"a.{suffix}", "valid": f"b.{suffix}", "test": f"c.{suffix}"}
    columns = {"source": "head", "target": "tail", "relation": "relation"}
    graph = build({"edges": {STAR: {"table": parts, **columns}}})
    assert named(graph, EdgeType("entity", "likes", "entity"), "split") == [
        ("ada", "ben", "train"),
        ("ben", "cy", "train"),
    ]
    assert named(graph, EdgeType("entity", "knows", "entity"), "split") == [
        ("cy", "ada", "valid"),
        ("ada", "ben", "test"),
    ]


def test_ids_of_all_parts_are_read_alike(build, tmp_path):
    (tmp_path / "a.csv").write_text("source,target\n7,8\n")
    (tmp_path / "b.csv").write_text("source,target\n007,8\n")
    graph = build({"edges": {"n to n": {"table": {"train": "a.csv", "test": "b.csv"}}}})
    assert graph.nodes["n"].ids.to_pylist() == ["007", "7", "8"]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("likes", "likes"),
        ("likes_", "likes_"),
        ("a.b:c+d-1", "a.b:c+d-1"),
        ("_hypernym", "hypernym"),
        ("/people/person/born", "people_person_born"),
        ("a__b", "a_b"),
        ("<was born in>", "was_born_in"),
        ("7", "7"),
        ("Größe", "Gr_e"),
        ("...", ""),
        ("_", ""),
        ("関係", ""),
    ],
)
def test_what_a_relation_is_called(value, name):
    assert relation_name(value) == name
    if name:
        assert parse._NAME.fullmatch(name)
        assert "__" not in name


def test_changed_names_are_noted(build, tmp_path):
    graph = kg(build, tmp_path, triples([("a", "_is", "b"), ("b", "has", "a")]))
    assert [t.rel for t in graph.edge_types] == ["has", "is"]
    assert any("'_is' is is" in note for note in graph.notes)


BAD = [
    ({"relation": ["likes", None, "likes", "knows"]}, "null or empty in 1 row;"),
    ({"relation": ["likes", " ", "", "knows"]}, "null or empty in 2 rows;"),
    ({"relation": ["a b", "a_b", "a b", "a_b"]}, "'a b' and 'a_b' would both be called 'a_b'"),
    ({"relation": ["likes", "!!", "likes", "knows"]}, "'!!' has no letter from A to Z"),
    ({"relation": [["x"], ["y"], ["x"], ["y"]]}, "no type for names"),
]


@pytest.mark.parametrize(("columns", "says"), BAD)
def test_relations_that_cannot_name_types(build, tmp_path, columns, says):
    table = triples()
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    with pytest.raises(DataError) as caught:
        kg(build, tmp_path, table)
    assert says in str(caught.value)


def test_too_many_relations_are_something_else(build, tmp_path):
    rows = [("a", f"r{i}", "b") for i in range(2049)]
    with pytest.raises(DataError, match="2,049 distinct values; at most 2,048 edge types"):
        kg(build, tmp_path, triples(rows))


@pytest.mark.parametrize(
    ("edges", "says"),
    [
        ({"a * a": {"table": "x"}}, "names no relation"),
        ({"a r a": {"table": "x", "relation": "rel"}}, "names the relation 'r' and a column of them"),
        ({"* r a": {"table": "x"}}, "'*' cannot name a node type"),
        ({"a * a": {"table": "x", "relation": 3}}, "relation must be a string"),
        ({"a r a": {"table": {}}}, "table names no part"),
        ({"a r a": {"table": {"train": 3}}}, "must be a list of strings"),
        ({"a r a": {"table": "x", "columns": "split"}}, "must be a list of strings"),
        ({"a r a": {"table": "x", "columns": {"a": 1}}}, "must be a list of strings"),
    ],
)
def test_sections_that_do_not_fit(edges, says):
    with pytest.raises(DataError) as caught:
        parse_spec({"edges": edges})
    assert says in str(caught.value)


def test_tables_that_do_not_fit(build, tmp_path):
    with pytest.raises(DataError, match="relation column 'rel' is missing; its columns are head"):
        kg(build, tmp_path, relation="rel")
    with pytest.raises(DataError, match="kept column 'stars' is missing"):
        kg(build, tmp_path, columns=["stars"])
    with pytest.raises(DataError, match="two edge types are called 'entity rev_likes entity'"):
        kg(build, tmp_path, triples([("a", "likes", "b"), ("a", "rev_likes", "b")]), reverse=True)
    pq.write_table(triples(split=["x"] * 4), tmp_path / "s.parquet")
    ends = {"source": "head", "target": "tail"}
    with pytest.raises(DataError, match=r"s.parquet has a column 'split' already"):
        build({"edges": {"n to n": {"table": {"train": "s.parquet"}, **ends}}})
    with pytest.raises(DataError, match=r"no.parquet does not exist"):
        build({"edges": {"n to n": {"table": {"train": "no.parquet"}, **ends}}})


def test_a_guess_finds_the_relations_and_the_parts(build, tmp_path):
    rows = [(f"n{i % 7}", f"r{i % 3}", f"n{i % 5}") for i in range(40)]
    for name in ("train", "valid", "test"):
        pq.write_table(triples(rows), tmp_path / f"{name}.parquet")
    with Engine(".", 1 << 30, 1, tmp_path / "spill") as engine:
        files = [str(tmp_path / f"{name}.parquet") for name in ("test", "train", "valid")]
        guessed = tomllib.loads(guess_toml(engine, files))
    with Engine(".", 1 << 30, 1, tmp_path / "spill") as engine:
        (alone,) = tomllib.loads(guess_toml(engine, files[:1]))["edges"].values()
    (name,) = guessed["edges"]
    assert name == "node * node"
    assert list(guessed["edges"][name]["table"]) == ["train", "valid", "test"]
    assert guessed["edges"][name]["relation"] == alone["relation"] == "relation"
    assert alone["table"] == files[0]
    graph = build(guessed)
    assert len(graph.edge_types) == 6
    assert sum(store.num_edges for store in graph.edges.values()) == 240
