"""The stage as the shell sees it: output, exit codes, one-line errors, nothing left behind."""

import json
import math
import os
import tomllib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gnnctl.cli import main
from gnnctl.graph import Graph, decode_features, encode_features

SPEC = """
[nodes.paper]
table = "papers.parquet"
label = "topic"
[nodes.paper.features]
year = "standard"
[edges."paper cites paper"]
table = "cites.csv"
source = "citing"
target = "cited"
"""
PAPERS = {"id": ["a", "b", "c"], "year": [2001.0, 2002.0, 2003.0], "topic": ["x", "y", "x"]}
CITES = "citing,cited\na,b\nb,c\nc,a\n"


@pytest.fixture
def gnnctl(monkeypatch, capsys):
    """Run the command in this process, through the entry point that turns errors into exit codes."""

    def run(*arguments, cwd, code=0):
        monkeypatch.chdir(cwd)
        monkeypatch.setattr("sys.argv", ["gnnctl", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr()
        assert (caught.value.code or 0) == code, said.err
        return said

    return run


@pytest.fixture
def tables(tmp_path):
    (tmp_path / "graph.toml").write_text(SPEC)
    (tmp_path / "cites.csv").write_text(CITES)
    pq.write_table(pa.table(PAPERS), tmp_path / "papers.parquet")
    return tmp_path


def test_a_spec_becomes_a_graph_and_a_second_run_does_nothing(gnnctl, tables):
    done = gnnctl("ingest", "graph.toml", "-o", "out", "--quiet", cwd=tables)
    assert done.err == ""
    assert "paper cites paper" in done.out
    graph = Graph.open(tables / "out")
    assert graph.nodes["paper"].ids.to_pylist() == ["a", "b", "c"]
    assert graph.nodes["paper"].label == "topic"
    assert graph.num_edges == 3
    written = (tables / "out" / "manifest.json").stat().st_mtime_ns
    again = gnnctl("ingest", "graph.toml", "-o", "out", cwd=tables)
    assert "up to date" in again.err
    assert (tables / "out" / "manifest.json").stat().st_mtime_ns == written
    (tables / "cites.csv").write_text(CITES + "a,c\n")
    refused = gnnctl("ingest", "graph.toml", "-o", "out", cwd=tables, code=4)
    assert "the input changed: cites.csv" in refused.err
    gnnctl("ingest", "graph.toml", "-o", "out", "--force", cwd=tables)
    assert Graph.open(tables / "out").num_edges == 4


def test_moving_the_tables_changes_nothing(gnnctl, tables):
    document = json.loads(gnnctl("ingest", "graph.toml", "-o", "out", "--json", cwd=tables).out)
    assert document["schema"] == "gnnctl/ingest/1"
    elsewhere = tables.rename(tables.parent / "elsewhere")
    again = json.loads(gnnctl("ingest", elsewhere / "graph.toml", "-o", elsewhere / "out", "--json", cwd="/").out)
    assert again["up_to_date"]
    assert again["fingerprint"] == document["fingerprint"]


def test_flags_say_the_same_as_a_spec(gnnctl, tables):
    columns = [
        "--id",
        "id",
        "--label",
        "topic",
        "--features",
        "year=standard",
        "--source",
        "citing",
        "--target",
        "cited",
    ]
    gnnctl("ingest", "--nodes", "paper=papers.parquet", "--edges", "cites.csv", *columns, "-o", "flags", cwd=tables)
    gnnctl("ingest", "graph.toml", "-o", "spec", cwd=tables)
    assert (
        Graph.open(tables / "flags").artifact.manifest.content == Graph.open(tables / "spec").artifact.manifest.content
    )
    gnnctl("ingest", "--nodes", "papers.parquet", "--edges", "cites.csv", "--undirected", "-o", "bare", cwd=tables)
    assert Graph.open(tables / "bare").num_edges == 6
    gnnctl("ingest", "--edges", "cites.csv", "-o", "edges", cwd=tables)
    assert Graph.open(tables / "edges").summary()["nodes"] == {"node": 3}


def test_a_guess_ingests_as_it_is(gnnctl, tables):
    text = gnnctl("ingest", "--guess", "papers.parquet", "cites.csv", cwd=tables).out
    assert set(tomllib.loads(text)) == {"nodes", "edges"}
    (tables / "guess.toml").write_text(text)
    gnnctl("ingest", "guess.toml", "-o", "out", cwd=tables)
    assert Graph.open(tables / "out").num_edges == 3


def test_a_dry_run_writes_nothing(gnnctl, tables):
    before = sorted(p.name for p in tables.iterdir())
    done = gnnctl("ingest", "graph.toml", "-o", "out", "--dry-run", "--json", cwd=tables)
    document = json.loads(done.out)
    assert document["nodes"]["paper"] == {"rows": 3, "width": 1, "bytes": 84}
    assert document["edges"]["paper cites paper"]["rows"] == 3
    assert sorted(p.name for p in tables.iterdir()) == before


def test_encoders_are_reused_and_recorded_as_a_parent(gnnctl, tables):
    gnnctl("ingest", "graph.toml", "-o", "first", cwd=tables)
    new = tables / "new"
    new.mkdir()
    (new / "graph.toml").write_text(SPEC)
    (new / "cites.csv").write_text("citing,cited\nd,d\n")
    pq.write_table(pa.table({"id": ["d"], "year": [2003.0], "topic": [None]}), new / "papers.parquet")
    gnnctl("ingest", "new/graph.toml", "-o", "second", "--encoders-from", "first", cwd=tables)
    first, second = Graph.open(tables / "first"), Graph.open(tables / "second")
    assert second.nodes["paper"].x[0].tolist() == first.nodes["paper"].x[2].tolist()
    assert second.artifact.parent("encoders").fingerprint == first.fingerprint


def csv(text):
    return lambda path: (path / "cites.csv").write_text(text)


def papers(**columns):
    return lambda path: pq.write_table(pa.table({**PAPERS, **columns}), path / "papers.parquet")


def spec(old, new):
    return lambda path: (path / "graph.toml").write_text(SPEC.replace(old, new))


EMPTY = pa.table(PAPERS).slice(0, 0)
WHERE = "nodes 'paper' (papers.parquet)", "edges 'paper cites paper' (cites.csv)"
BAD = {
    "missing spec": (lambda path: (path / "graph.toml").unlink(), "spec graph.toml does not exist"),
    "missing file": (lambda path: (path / "cites.csv").unlink(), f"{WHERE[1]}: cites.csv does not exist"),
    "no parquet": (lambda path: (path / "papers.parquet").write_text("x"), f"{WHERE[0]}: "),
    "missing column": (
        spec("year =", "yaer ="),
        f"{WHERE[0]}: feature column 'yaer' is missing; did you mean 'year'? its columns are id, year, topic",
    ),
    "missing label": (spec('"topic"', '"label"'), f"{WHERE[0]}: label column 'label' is missing"),
    "unknown key": (spec("label =", "lable ="), "[nodes.paper] has unknown key 'lable'; did you mean 'label'?"),
    "bad expression": (spec("year =", '"year + 1 +" ='), "feature 'year + 1 +'"),
    "wrong type": (papers(year=["x", "y", "z"]), "feature 'year': encoder 'standard' needs numbers"),
    "dangling edge": (
        csv(CITES + "z,a\nq,a\n"),
        "source column 'citing': 2 endpoints are no known paper: 'q', 'z'; add the rows to papers.parquet or",
    ),
    "null endpoint": (csv(CITES + ",a\n"), f"{WHERE[1]}: source column 'citing' is null in 1 rows"),
    "duplicate id": (papers(id=["a", "b", "a"]), f"{WHERE[0]}: id column 'id' has 1 duplicate ids: 'a' (2 rows)"),
    "null id": (papers(id=["a", None, "c"]), f"{WHERE[0]}: id column 'id' is null in 1 rows: row 2"),
    "NaN feature": (papers(year=[1.0, math.nan, 2.0]), f"{WHERE[0]}: column 'year' has NaN at id 'b'"),
    "empty nodes": (lambda path: pq.write_table(EMPTY, path / "papers.parquet"), f"{WHERE[0]} has no rows"),
    "empty edges": (csv("citing,cited\n"), f"{WHERE[1]} has no rows"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(gnnctl, tables, case):
    spoil, words = BAD[case]
    spoil(tables)
    before = sorted(p.name for p in tables.iterdir())
    done = gnnctl("ingest", "graph.toml", "-o", "out", "--quiet", cwd=tables, code=3)
    assert done.out == ""
    assert done.err.startswith("gnnctl: error: ")
    assert done.err.count("\n") == 1
    assert words in done.err
    assert sorted(p.name for p in tables.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "there is nothing to ingest"),
        (["graph.toml"], 2, "there is no output; pass -o"),
        (["papers.parquet", "-o", "out"], 2, "is a table, not a spec"),
        (["graph.toml", "--label", "topic", "-o", "out"], 2, "do not go together"),
        (["--nodes", "papers.parquet", "--weight", "w", "-o", "out"], 2, "there is no --edges"),
        (["--nodes", "papers.parquet", "--features", "year", "-o", "out"], 2, "write COLUMN=ENCODER"),
        (["graph.toml", "-o", "out", "--on-missing", "skip"], 2, "it takes error, drop, add"),
        (["graph.toml", "-o", "out", "--memory", "lots"], 2, "is no usable size"),
        (["graph.toml", "-o", "out", "--encoders-from", "none"], 4, "none"),
        (["--guess", "absent.csv"], 3, "absent.csv does not exist"),
        (["--guess"], 2, "--guess needs tables"),
    ],
)
def test_options_that_make_no_sense(gnnctl, tables, arguments, code, words):
    assert words in gnnctl("ingest", *arguments, cwd=tables, code=code).err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_named(gnnctl, tables):
    (tables / "locked").mkdir(mode=0o500)
    done = gnnctl("ingest", "graph.toml", "-o", "locked/out", cwd=tables, code=5)
    assert "permission denied" in done.err


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_features_are_stored_in_the_format_asked_for(gnnctl, tables, dtype):
    gnnctl("ingest", "graph.toml", "-o", "wide", "--quiet", cwd=tables)
    said = gnnctl("ingest", "graph.toml", "-o", "narrow", "--feature-dtype", dtype, cwd=tables)
    wide, narrow = (Graph.open(tables / name) for name in ("wide", "narrow"))
    expected = encode_features(wide.nodes["paper"].features(), dtype)
    assert dtype in said.out
    assert np.array_equal(narrow.nodes["paper"].x, expected.values)
    assert np.array_equal(narrow.nodes["paper"].features(), decode_features(expected))
    (tables / "narrow.toml").write_text(SPEC.replace("label =", f'feature_dtype = "{dtype}"\nlabel ='))
    gnnctl("ingest", "narrow.toml", "-o", "same", "--quiet", cwd=tables)
    assert Graph.open(tables / "same").artifact.content == narrow.artifact.content
    # float32 asked for is the recipe of nothing asked for
    again = gnnctl("ingest", "graph.toml", "-o", "wide", "--feature-dtype", "float32", cwd=tables)
    assert "up to date" in again.err
    assert gnnctl("inspect", "narrow", "--verify", "--quiet", cwd=tables)


def test_on_missing_overrides_the_spec(gnnctl, tables):
    csv(CITES + "z,a\n")(tables)
    dropped = gnnctl("ingest", "graph.toml", "-o", "dropped", "--on-missing", "drop", cwd=tables)
    assert "dropped 1 with an unknown endpoint" in dropped.err
    gnnctl("ingest", "graph.toml", "-o", "added", "--on-missing", "add", cwd=tables)
    assert Graph.open(tables / "added").num_nodes("paper") == 4
