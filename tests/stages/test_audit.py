"""gnnctl audit: what it says, writes and exits with; and what split says by itself."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def families(tmp_path, cli):
    """A graph whose rows come in families of four with one label; and its split by chance."""
    n, rng = 160, np.random.default_rng(0)
    family = np.arange(n) // 4
    people = {"id": np.arange(n), "label": family % 2, "family": family, "x": rng.normal(size=n), "part": ["fit"] * n}
    pq.write_table(pa.table(people), tmp_path / "people.parquet")
    pq.write_table(pa.table({"source": np.arange(n - 1), "target": np.arange(1, n)}), tmp_path / "knows.parquet")
    (tmp_path / "graph.toml").write_text("""
        [nodes.person]
        table = "people.parquet"
        id = "id"
        label = "label"
        columns = ["family"]
        [nodes.person.features]
        x = "standard"
        [edges."person knows person"]
        table = "knows.parquet"
    """)
    assert cli("ingest", tmp_path / "graph.toml", "-o", tmp_path / "graph", "--quiet")[0] == 0
    code, _, error = cli("split", tmp_path / "graph", "-o", tmp_path / "split", "--quiet")
    assert code == 0, error
    return tmp_path


def test_findings_exit_with_6_and_are_written(families, cli):
    out = families / "report"
    code, text, _ = cli("audit", families / "split", "-o", out, "--group", "family", "--json")
    assert code == 6
    document = json.loads(text)
    assert document["leaks"] >= 1
    assert (out / "results.json").exists()
    assert any(path.suffix == ".html" for path in out.iterdir())
    code, text, _ = cli("audit", families / "split", "-o", out, "--group", "family")
    assert code == 6
    assert "family" in text


def test_clean_or_accepted_exits_with_0(families, cli):
    assert cli("audit", families / "split", "--rules", "overlap")[0] == 0
    accepted = ("--group", "family", "--allow", "groups", "--rules", "groups")
    code, text, _ = cli("audit", families / "split", *accepted)
    assert code == 0
    assert "allowed" in text
    split = ("split", families / "graph", "-o", families / "apart", "--by", "group:family", "--quiet")
    assert cli(*split)[0] == 0
    assert cli("audit", families / "apart", "--rules", "groups")[0] == 0


def test_an_encoder_fitted_on_all_rows_is_noted(families, cli):
    code, text, _ = cli("audit", families / "split", "--rules", "encoders")
    assert code == 0
    assert "note" in text


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--rules", "nothing"], 2, "no such rule"),
        (["--allow", "nothing"], 2, "no such rule"),
        (["--group", "clan"], 3, "clan"),
    ],
)
def test_bad_input_is_one_clear_line(families, cli, arguments, code, says):
    found, _, error = cli("audit", families / "split", *arguments)
    assert found == code
    assert says in error
    assert error.count("\n") == 1


def test_a_graph_is_no_split(families, cli):
    code, _, error = cli("audit", families / "graph")
    assert code == 4
    assert "split" in error


@pytest.mark.parametrize("twins", [True, False])
def test_graphs_that_stand_in_train_already(tmp_path, cli, twins):
    rng = np.random.default_rng(0)
    count, size = 40, 5
    x = rng.normal(size=(count, size))
    if twins:
        x[1::2] = x[::2, ::-1]  # the same path from its other end
    label = np.arange(count) // 2 % 2
    graph, node = np.repeat(np.arange(count), size), np.arange(count * size)
    pq.write_table(pa.table({"id": np.arange(count), "label": label}), tmp_path / "graphs.parquet")
    pq.write_table(pa.table({"id": node, "graph": graph, "x": x.ravel()}), tmp_path / "nodes.parquet")
    source = node[node % size != size - 1]
    pq.write_table(pa.table({"source": source, "target": source + 1}), tmp_path / "edges.parquet")
    (tmp_path / "graph.toml").write_text("""
        [graphs]
        table = "graphs.parquet"
        label = "label"
        [nodes.atom]
        table = "nodes.parquet"
        graph = "graph"
        features = { x = "raw" }
        [edges."atom bond atom"]
        table = "edges.parquet"
        undirected = true
    """)
    code, _, error = cli("ingest", tmp_path / "graph.toml", "-o", tmp_path / "graph", "--quiet")
    assert code == 0, error
    assert cli("split", tmp_path / "graph", "-o", tmp_path / "split", "--task", "graph", "--quiet")[0] == 0
    code, text, _ = cli("audit", tmp_path / "split", "--rules", "graphs")
    assert code == (6 if twins else 0), text
