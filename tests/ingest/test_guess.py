import datetime as dt
import tomllib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gnnctl.errors import DataError
from gnnctl.graph import EdgeType
from gnnctl.ingest.engine import Engine
from gnnctl.ingest.flags import type_name
from gnnctl.ingest.guess import guess_toml


@pytest.fixture
def guess(tmp_path, build):
    """Guess a spec for tables given as dictionaries, ingest it as it is, return the document and the graph."""

    def make(**tables):
        for name, columns in tables.items():
            pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        with Engine(".", 1 << 30, 2, tmp_path / "spill") as engine:
            text = guess_toml(engine, [str(tmp_path / f"{name}.parquet") for name in tables])
        document = tomllib.loads(text)
        return document, build(document), text

    return make


IDS = [f"p{i:03d}" for i in range(60)]


def test_node_and_edge_tables_are_recognised(guess):
    rng = np.random.default_rng(0)
    document, graph, _ = guess(
        cites={"citing": rng.choice(IDS, 200), "cited": rng.choice(IDS, 200), "weight": rng.random(200)},
        papers={
            "paper": IDS,
            "year": rng.integers(1990, 2020, 60),
            "pages": rng.lognormal(2, 3, 60).astype(int),
            "venue": rng.choice(["A", "B", "C"], 60),
            "open": rng.random(60) > 0.5,
            "title": [f"A study of the topic number {i}" for i in range(60)],
            "words": [[float(i), 1.0] for i in range(60)],
            "keys": [["x", "y"][: i % 3] for i in range(60)],
            "topic": rng.choice(["graph", "text"], 60),
            "split": rng.choice(["train", "test"], 60),
            "score": [None if i == 3 else float("nan") if i == 4 else float(i) for i in range(60)],
            "added": [dt.date(2020, 1, 1)] * 60,
        },
    )
    paper = document["nodes"]["papers"]
    assert (paper["id"], paper["label"]) == ("paper", "topic")
    assert paper["columns"] == ["split", "added"]
    assert paper["features"] == {
        "year": "standard",
        "pages": "log",
        "venue": "onehot",
        "open": "raw",
        "title": "text:512",
        "words": "vector",
        "keys": "multihot",
        "score": {"encoder": "standard", "nan": "null"},
    }
    (name, edge), *rest = document["edges"].items()
    assert not rest
    assert (name, edge["source"], edge["target"], edge["weight"]) == (
        "papers cites papers",
        "citing",
        "cited",
        "weight",
    )
    assert graph.num_edges == 200


def test_several_node_types_and_integer_ids(guess):
    rng = np.random.default_rng(1)
    document, graph, _ = guess(
        author={"id": np.arange(40), "h": rng.random(40)},
        paper={"id": np.arange(30), "label": rng.integers(0, 3, 30)},
        author__wrote__paper={"src": np.r_[np.arange(30), 39], "dst": np.r_[np.arange(30), 0]},
        paper__cites__paper={"src": rng.integers(0, 30, 50), "dst": rng.integers(0, 30, 50)},
    )
    assert set(document["edges"]) == {"author wrote paper", "paper cites paper"}
    assert document["edges"]["author wrote paper"]["reverse"]
    assert graph.edges[EdgeType("author", "wrote", "paper")].num_edges == 31


def test_a_table_that_others_point_to_holds_nodes(guess):
    people = {"id": IDS, "boss": [IDS[0]] * 60, "friend": [IDS[i // 2] for i in range(60)]}
    document, _, _ = guess(people=people, mails={"from": IDS[1:] * 2, "to": IDS[:-1] * 2})
    assert list(document["nodes"]) == ["people"]
    assert list(document["edges"]) == ["people mails people"]


def test_edges_alone_make_their_nodes(guess):
    document, graph, _ = guess(triples={"head": ["a", "b", "a"], "relation": ["r", "q", "r"], "tail": ["b", "c", "c"]})
    assert list(document["edges"]) == ["node triples node"]
    assert graph.num_nodes("node") == 3


def test_a_column_that_tells_the_label_is_no_feature(guess):
    rng = np.random.default_rng(2)
    label = rng.integers(0, 3, 60)
    document, _, text = guess(n={"id": IDS, "label": label, "class_name": [f"class {i}" for i in label]})
    assert "features" not in document["nodes"]["n"]
    assert document["nodes"]["n"]["columns"] == ["class_name"]
    assert "class_name tells the label" in text


def test_a_table_of_neither_kind_is_left_out_with_a_remark(guess):
    document, _, text = guess(n={"id": IDS}, other={"value": [1.5, 1.5]})
    assert list(document["nodes"]) == ["n"]
    assert "other.parquet is left out" in text


def test_no_sense_at_all_is_an_error(guess):
    with pytest.raises(DataError, match="no table has a column of unique values"):
        guess(other={"value": [1.5, 1.5]})


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/papers.csv.gz", "papers"), ("a b's.parquet", "a_b_s"), ("x__y.csv", "x_y"), ("_.csv", "node")],
)
def test_type_names_come_from_file_names(path, name):
    assert type_name(path) == name


def test_odd_names_survive_the_way_through_toml(guess):
    columns = {"id": IDS, 'a "quoted" name': list(range(60)), "umläut": [i / 2 for i in range(60)]}
    document, graph, _ = guess(**{"odd name": columns})
    assert set(document["nodes"]["odd_name"]["features"]) == {'a "quoted" name', "umläut"}
    assert graph.nodes["odd_name"].x.shape == (60, 2)
