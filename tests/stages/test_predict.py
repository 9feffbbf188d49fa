"""gnnctl predict: original ids with scores, exact or sampled, on this graph or another."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from areas_task import write_graph
from sklearn.metrics import accuracy_score

from gnnctl.artifacts import Artifact
from gnnctl.graph import Graph
from gnnctl.splits import NodeSplit
from gnnctl.training.trained import TrainedModel

FILE = "predictions.parquet"


@pytest.fixture(scope="module")
def models(areas, tmp_path_factory):
    """A folder with `model`, trained on samples, and `ages`, a regression."""
    import sys

    from gnnctl.cli import main

    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        for split, name in (("split", "model"), ("ages", "ages")):
            arguments = ["train", areas / split, "-o", folder / name, "--num-neighbors", "4,3", "--hidden", "16"]
            patch.setattr(sys, "argv", ["gnnctl", *map(str, arguments), "--epochs", "6", "--lr", "0.02", "--quiet"])
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code
    return folder


def test_all_nodes_come_back_under_their_original_ids(cli, areas, models, tmp_path):
    code, text, error = cli("predict", models / "model", "-o", tmp_path / "p", "--json", "--quiet")
    assert code == 0, error
    table = pq.read_table(tmp_path / "p" / FILE)
    graph = Graph.open(areas / "graph")
    assert table["id"].to_pylist() == graph.nodes["paper"].ids.to_pylist()
    assert table["target"].to_pylist() == graph.nodes["paper"].columns["area"].to_pylist()
    scores = np.stack([table[f"score_area {i}"].to_numpy() for i in range(3)], axis=1)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    assert table["prediction"].to_pylist() == [f"area {i}" for i in scores.argmax(axis=1)]
    split = NodeSplit.open(areas / "split")
    for part in ("train", "val", "test"):
        rows = np.flatnonzero(np.array(table["split"].to_pylist()) == part)
        np.testing.assert_array_equal(rows, split.part(part)[0])
        truth, predicted = (np.array(table[name].to_pylist())[rows] for name in ("target", "prediction"))
        document = json.loads(text)
        assert document["metrics"][part]["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    stored = json.loads((models / "model" / "metrics.json").read_text())
    assert document["metrics"]["test"]["accuracy"] == pytest.approx(stored["test"]["accuracy"])
    assert Artifact.open(tmp_path / "p").verify() == []


def test_chosen_nodes_score_as_they_do_among_all(cli, models, tmp_path):
    (tmp_path / "ids.txt").write_text("p0007\n\np0003\n")
    pq.write_table(pa.table({"id": ["p0003"], "other": [1]}), tmp_path / "ids.parquet")
    found = {}
    for name, arguments in {
        "all": [],
        "test": ["--part", "test"],
        "two": ["--node", "p0003", "--node", "p0007"],
        "file": ["--nodes", tmp_path / "ids.txt"],
        "parquet": ["--nodes", tmp_path / "ids.parquet"],
    }.items():
        code, _, error = cli("predict", models / "model", "-o", tmp_path / name, *arguments, "--quiet")
        assert code == 0, error
        table = pq.read_table(tmp_path / name / FILE)
        found[name] = dict(zip(table["id"].to_pylist(), table["score_area 1"].to_pylist(), strict=True))
    assert list(found["two"]) == ["p0003", "p0007"]
    assert list(found["file"]) == ["p0007", "p0003"]
    assert list(found["parquet"]) == ["p0003"]
    for scores in found.values():
        for node, score in scores.items():
            assert score == pytest.approx(found["all"][node], abs=1e-5)


def test_sampled_prediction_is_the_same_in_batches_of_any_size(cli, models, tmp_path):
    tables = []
    for name, size in (("a", 1), ("b", 17), ("c", 1000)):
        code, _, error = cli(
            "predict", models / "model", "-o", tmp_path / name, "--num-neighbors", "4,3", "--batch-size", size, "-q"
        )
        assert code == 0, error
        tables.append(pq.read_table(tmp_path / name / FILE))
    for other in tables[1:]:
        assert other.drop_columns([f"score_area {i}" for i in range(3)]) == tables[0].drop_columns(
            [f"score_area {i}" for i in range(3)]
        )
        for i in range(3):
            np.testing.assert_allclose(
                other[f"score_area {i}"].to_numpy(), tables[0][f"score_area {i}"].to_numpy(), atol=1e-6
            )


def test_numbers_are_predicted_in_their_own_unit(cli, models, tmp_path):
    code, _, error = cli("predict", models / "ages", "-o", tmp_path / "p", "--embeddings", "--quiet")
    assert code == 0, error
    table = pq.read_table(tmp_path / "p" / FILE)
    assert table.column_names == ["id", "split", "target", "prediction", "score", "embedding"]
    assert table["embedding"].type.list_size == 16
    error = table["target"].to_numpy() - table["prediction"].to_numpy()
    assert np.sqrt((error**2).mean()) < 0.8 * table["target"].to_numpy().std()


def test_another_graph_is_scored_and_shared_ids_keep_their_embeddings(cli, areas, models, tmp_path):
    code, _, error = cli("predict", models / "model", "-o", tmp_path / "own", "--quiet")
    assert code == 0, error
    code, _, error = cli("predict", models / "model", "-o", tmp_path / "same", "--on", areas / "graph", "--quiet")
    assert code == 0, error
    own, same = (pq.read_table(tmp_path / name / FILE) for name in ("own", "same"))
    assert set(same["split"].to_pylist()) == {""}
    np.testing.assert_allclose(own["score_area 0"].to_numpy(), same["score_area 0"].to_numpy(), atol=1e-6)
    write_graph(tmp_path / "new", seed=5, extra=40)
    code, _, error = cli("predict", models / "model", "-o", tmp_path / "new-p", "--on", tmp_path / "new", "--quiet")
    assert code == 0, error
    table = pq.read_table(tmp_path / "new-p" / FILE)
    assert table.num_rows == 340
    right = np.array(table["target"].to_pylist()) == np.array(table["prediction"].to_pylist())
    assert right.mean() > 0.6


def test_a_graph_of_another_schema_is_refused(cli, models, tmp_path):
    write_graph(tmp_path / "wide", features=7)
    code, _, error = cli("predict", models / "model", "-o", tmp_path / "p", "--on", tmp_path / "wide")
    assert code == 4
    assert "paper has 7 features, the model was trained on 4" in error
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--node", "p9999"], 3, "no paper has the id 'p9999'"),
        (["--node", "p0001", "--part", "test"], 2, "both choose nodes"),
        (["--num-neighbors", "4"], 2, "1 hops"),
        (["--nodes", "/nowhere/ids.txt"], 3, "/nowhere/ids.txt"),
    ],
)
def test_bad_requests_are_one_line(cli, models, tmp_path, arguments, code, says):
    found, _, error = cli("predict", models / "model", "-o", tmp_path / "p", "--quiet", *arguments)
    assert found == code, error
    assert says in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_repeated_prediction_does_nothing(cli, models, tmp_path):
    for _ in range(2):
        code, _, error = cli("predict", models / "model", "-o", tmp_path / "p")
        assert code == 0
    assert "up to date" in error


def test_damaged_or_moved_models_are_artifact_errors(cli, areas, models, tmp_path):
    import shutil

    moved = tmp_path / "some" / "where" / "else"
    shutil.copytree(models / "model", moved)
    code, _, error = cli("predict", moved, "-o", tmp_path / "p")
    assert code == 4
    assert "--graph" in error or "--split" in error
    places = ["--graph", areas / "graph", "--split", areas / "split"]
    code, _, error = cli("predict", moved, "-o", tmp_path / "p", *places)
    assert code == 0, error
    (moved / "weights.safetensors").write_bytes(b"\0" * 10)
    code, _, error = cli("predict", moved, "-o", tmp_path / "q", *places)
    assert code == 4
    code, _, error = cli("predict", areas / "split", "-o", tmp_path / "q")
    assert code == 4
    assert "is a split, not a model" in error


def test_a_trained_model_opens_with_all_it_was_made_from(models):
    trained = TrainedModel.open(models / "model")
    assert not trained.model.training
    assert trained.spec is not None
    assert trained.spec.hops == trained.options.layers == 2
    assert trained.target.classes == ["area 0", "area 1", "area 2"]
    assert trained.schema.to_json() == trained.graph.schema.to_json()
