import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

import gnnctl
from gnnctl.errors import DataError
from gnnctl.graph import EdgeType
from gnnctl.ingest import FeatureSpec, NodeSpec, parse, parse_spec, read_spec
from gnnctl.ingest.encoders import BUILTIN

EDGE = {"table": "cites.csv"}


def refused(document):
    with pytest.raises(DataError) as caught:
        parse_spec(document)
    return str(caught.value)


def test_a_full_spec_is_read(tmp_path):
    path = tmp_path / "graph.toml"
    path.write_text(
        """
        self_loops = "drop"
        [nodes.package]
        table = ["a.parquet", "b.parquet"]
        id = "name"
        label = "section"
        columns = ["source"]
        [nodes.package.features]
        size = "log"
        summary = { encoder = "text", column = "a || b", size = 64 }
        [edges."package depends package"]
        sql = "select * from 'depends.csv';"
        reverse = true
        [edges."package by maintainer"]
        table = "by.csv"
        self_loops = "keep"
        """
    )
    spec = read_spec(path)
    package, maintainer = spec.nodes
    assert package.source.table == ("a.parquet", "b.parquet")
    assert package.label == ("section", "section")
    assert package.columns == {"source": "source"}
    assert package.features[1] == FeatureSpec("summary", "a || b", "text", {"size": 64})
    assert maintainer == NodeSpec("maintainer")
    depends, by = spec.edges
    assert depends.source.sql == "select * from 'depends.csv'"
    assert depends.reverse_type == EdgeType("package", "rev_depends", "package")
    assert (depends.self_loops, by.self_loops) == ("drop", "keep")
    assert spec.folder == str(tmp_path)


def test_the_recipe_does_not_depend_on_the_folder():
    document = {"edges": {"a to b": EDGE}}
    assert parse_spec(document, folder="x").to_json() == parse_spec(document, folder="y").to_json()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"node": {}}, "unknown key 'node'; did you mean 'nodes'?"),
        (
            {"nodes": {"p": {"table": "p.csv", "lable": "x"}}},
            "[nodes.p] has unknown key 'lable'; did you mean 'label'?",
        ),
        ({"edges": {"a to b": {**EDGE, "src": "x"}}}, "[edges.\"a to b\"] has unknown key 'src'"),
        ({"edges": {"a b": EDGE}}, "is no edge type"),
        ({"edges": {"a to b": {}}}, "has no table and no sql"),
        ({"edges": {"a to b": {**EDGE, "sql": "x"}}}, "both table and sql"),
        ({"edges": {"a to b": {**EDGE, "undirected": True}}}, "one node type at both ends"),
        ({"edges": {"a to a": {**EDGE, "undirected": True, "reverse": True}}}, "both undirected and reverse"),
        ({"edges": {"a to b": {**EDGE, "duplicates": "some"}}}, "it takes keep, first, last, error"),
        ({"edges": {"a to b": {**EDGE, "reverse": "yes"}}}, "reverse must be true or false"),
        (
            {"edges": {"a to b": {**EDGE, "reverse": True}, "b rev_to a": EDGE}},
            "two edge types are called 'b rev_to a'",
        ),
        ({"nodes": {"a/b": {"table": "x"}}}, "'a/b' cannot name a node type"),
        ({"nodes": {"a__b": {"table": "x"}}}, "'a__b' cannot name a node type"),
        ({"nodes": {"p": {"id": "x"}}}, "has no table and no sql"),
        ({"nodes": {"p": {}}}, "no edge type mentions it"),
        ({"nodes": {"p": {"table": "x", "features": {"f": 3}}}}, "'f' needs an encoder"),
        ({"nodes": {"p": {"table": 3}}}, "must be a list of strings"),
        ({}, "there is no [nodes.NAME]"),
    ],
)
def test_what_is_wrong_is_named(document, words):
    assert words in refused(document)


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_spec(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("[nodes")
    with pytest.raises(DataError, match="is not TOML"):
        read_spec(tmp_path / "bad.toml")


def test_the_written_contract_names_every_key_and_encoder_and_its_example_is_valid():
    text = (Path(gnnctl.__file__).parent / "schemas" / "spec.md").read_text()
    options = {f.name for kind in BUILTIN.values() for f in dataclasses.fields(kind) if f.init}
    for word in {*parse._TOP, *parse._NODE, *parse._EDGE, *BUILTIN, *options} - {"nodes", "edges", "graphs"}:
        assert f"`{word}`" in text, word
    example = "\n".join(re.findall(r"^    (.*)$", text, re.MULTILINE))
    spec = parse_spec(tomllib.loads(example))
    assert [node.name for node in spec.nodes] == ["package"]


def test_the_written_example_of_many_graphs_is_valid():
    text = (Path(gnnctl.__file__).parent / "schemas" / "spec.md").read_text()
    graphs, triples, _ = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (edge,) = parse_spec(tomllib.loads(triples)).edges
    assert edge.relation == "relation"
    assert edge.source.parts == ("train", "valid", "test")
    assert edge.columns == {"split": "split"}
    spec = parse_spec(tomllib.loads(graphs))
    assert spec.graphs is not None
    assert spec.graphs.label == ("toxic", "toxic")
    assert spec.nodes[0].graph == "molecule"
