"""Tasks of whole graphs, from tables to predictions, on the command line."""

import json

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from molecules_task import write_molecules

from gnnctl.artifacts import Artifact
from gnnctl.graph.graph import Graph
from gnnctl.graph.graph_batches import graphs_batch

FIT = [
    "--hidden",
    "16",
    "--layers",
    "3",
    "--norm",
    "batch",
    "--dropout",
    "0",
    "--batch-size",
    "16",
    "--monitor",
    "loss",
    "--quiet",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`graph`, and splits `rings` (classes), `count` (numbers), `groups` (sets of labels)."""
    from gnnctl.cli import main

    folder = tmp_path_factory.mktemp("molecules")
    spec = write_molecules(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        for arguments in (
            ["ingest", spec, "-o", folder / "graph"],
            ["split", folder / "graph", "-o", folder / "rings", "--task", "graph", "--by", "stratified"],
            ["split", folder / "graph", "-o", folder / "count", "--task", "graph", "--target", "nitrogens"],
            ["split", folder / "graph", "-o", folder / "groups", "--task", "graph", "--target", "graph.groups"],
            ["split", folder / "graph", "-o", folder / "given", "--task", "graph", "--by", "column:given"],
        ):
            patch.setattr("sys.argv", ["gnnctl", *map(str, arguments), "--quiet"])
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code, arguments
    return folder


def documents_fit(cli, path):
    code, out, _ = cli("inspect", path, "--schema")
    assert code == 0
    for document, schema in json.loads(out).items():
        if (path / document).exists():
            jsonschema.validate(json.loads((path / document).read_text()), schema)


@pytest.mark.parametrize("name", ["graph", "rings", "count", "groups"])
def test_documents_fit_their_schemas(cli, folder, name):
    documents_fit(cli, folder / name)


def test_the_answer_to_an_ingest_and_a_split_counts_graphs(cli, folder):
    code, out, _ = cli("inspect", folder / "graph")
    assert code == 0
    assert "graphs  60" in out
    target = json.loads((folder / "rings" / "target.json").read_text())
    assert (target["task"], target["node_type"], target["column"]) == ("graph", "graph", "label")
    assert Artifact.open(folder / "given").table("val").column_names == ["graph", "label"]


@pytest.mark.parametrize("model", ["gin", "graph"])
def test_rings_are_told_from_chains(cli, folder, tmp_path, model):
    out = tmp_path / "model"
    options = ["--model", model, "--readout", "sum", "--epochs", 40, *(["--export"] if model == "gin" else [])]
    code, _, err = cli("train", folder / "rings", "-o", out, *options, *FIT)
    assert code == 0, err
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["train"]["accuracy"] > 0.9
    documents_fit(cli, out)
    code, text, err = cli("predict", out, "-o", tmp_path / "predictions", "--embeddings")
    assert code == 0, err
    assert text.startswith("60 graphs in predictions.parquet")
    documents_fit(cli, tmp_path / "predictions")
    table = pq.read_table(tmp_path / "predictions" / "predictions.parquet").to_pydict()
    assert table["id"] == list(range(60))
    truth = pq.read_table(folder / "data" / "graphs.parquet").to_pydict()
    assert table["target"] == truth["label"]
    parts = np.array(table["split"])
    right = np.array(table["prediction"]) == np.array(table["target"])
    for part in ("train", "val", "test"):
        assert right[parts == part].mean() == pytest.approx(metrics[part]["accuracy"])
    assert {len(e) for e in table["embedding"]} == {16}
    if model == "gin":
        package_agrees(out, Graph.open(folder / "graph"), [table[f"score_{name}"] for name in ("chain", "ring")])


def package_agrees(model, graph, expected):
    """The package of a model of graphs gives these scores, of any number of them."""
    packed = torch._inductor.aoti_load_package(str(model / "model.pt2"))
    inputs = json.loads((model / "model.json").read_text())["package"]["inputs"]
    assert set(inputs) == {"x/atom", "ptr/atom", "colptr/atom__bond__atom", "row/atom__bond__atom"}
    for rows in (np.arange(60), np.array([7])):
        batch = graphs_batch(graph, rows)
        (edges,) = batch.edge_index.values()
        values = (batch.x["atom"], batch.ptr["atom"], edges.colptr, edges.row)
        found = packed(dict(zip(("x/atom", "ptr/atom", *list(inputs)[2:]), values, strict=True)))
        np.testing.assert_allclose(found.numpy(), np.stack(expected, 1)[rows], rtol=1e-5, atol=1e-6)


def test_numbers_and_sets_of_labels_are_learned(cli, folder, tmp_path):
    code, _, err = cli("train", folder / "count", "-o", tmp_path / "n", "--readout", "sum", "--epochs", 60, *FIT)
    assert code == 0, err
    assert json.loads((tmp_path / "n" / "metrics.json").read_text())["train"]["r2"] > 0.8
    code, _, err = cli("train", folder / "groups", "-o", tmp_path / "g", "--model", "gin", "--epochs", 40, *FIT)
    assert code == 0, err
    assert json.loads((tmp_path / "g" / "metrics.json").read_text())["train"]["micro_f1"] > 0.8


def test_a_run_is_the_same_with_any_number_of_loading_threads(cli, folder, tmp_path):
    weights = set()
    for threads in (0, 3):
        options = ["--model", "gin", "--epochs", 2, "--loader-threads", threads, "--balanced", "--threads", 1]
        assert cli("train", folder / "rings", "-o", tmp_path / f"{threads}", *options, *FIT)[0] == 0
        weights.add(json.loads((tmp_path / f"{threads}" / "model.json").read_text())["weights"])
    assert len(weights) == 1


def test_one_graph_and_new_graphs_are_scored(cli, folder, tmp_path):
    assert cli("train", folder / "rings", "-o", tmp_path / "m", "--model", "gin", "--epochs", 3, *FIT)[0] == 0
    spec = write_molecules(tmp_path / "new", 7, 5, first=500)
    options = ["--encoders-from", folder / "graph", "--quiet"]
    assert cli("ingest", spec, "-o", tmp_path / "other", *options)[0] == 0
    assert cli("predict", tmp_path / "m", "-o", tmp_path / "p", "--on", tmp_path / "other")[0] == 0
    all_of_them = pq.read_table(tmp_path / "p" / "predictions.parquet").to_pydict()
    assert all_of_them["id"] == list(range(500, 507))
    code, _, err = cli("predict", tmp_path / "m", "-o", tmp_path / "one", "--on", tmp_path / "other", "--node", "503")
    assert code == 0, err
    one = pq.read_table(tmp_path / "one" / "predictions.parquet").to_pydict()
    assert one["id"] == [503]
    assert one["score_ring"][0] == pytest.approx(all_of_them["score_ring"][3], abs=1e-6)


def test_folds_are_reported_by_both_protocols_and_go_on_where_they_stopped(cli, folder, tmp_path, monkeypatch):
    arguments = ["train", folder / "rings", "-o", tmp_path / "m", "--model", "gin", "--epochs", 4, "--folds", 3, *FIT]
    from gnnctl.training import folds

    done, run = [], folds._run

    def failing(*given):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(run(*given))
        return done[-1]

    monkeypatch.setattr(folds, "_run", failing)
    assert cli(*arguments)[0] == 130
    kept = tmp_path / "m.partial" / "folds.jsonl"
    kept.write_text(kept.read_text() + '{"fold": 2, "se')
    monkeypatch.setattr(folds, "_run", lambda *given: done.append(run(*given)) or done[-1])
    code, text, err = cli(*arguments)
    assert code == 0, err
    assert len(done) == 3
    documents_fit(cli, tmp_path / "m")
    found = json.loads((tmp_path / "m" / "metrics.json").read_text())["folds"]
    assert (found["count"], found["seeds"]) == (3, 42)
    accuracy = [fold["test"]["accuracy"] for fold in done]
    assert found["epoch_chosen_on_validation"]["accuracy"]["mean"] == pytest.approx(np.mean(accuracy))
    assert found["epoch_chosen_on_validation"]["accuracy"]["std"] == pytest.approx(np.std(accuracy))
    curves = np.array([fold["test_curves"]["accuracy"] for fold in done]).mean(axis=0)
    chosen = found["epoch_chosen_on_test_curves"]
    assert chosen["accuracy"]["mean"] == pytest.approx(curves.max())
    assert chosen["epoch"] == int(curves.argmax()) + 1
    assert "a validation fold" in text
    assert "the test curves" in text
    for fold in done:  # the best epoch's metrics are exact ones of its weights
        at = fold["epochs"].index(fold["best_epoch"])
        assert fold["test"]["accuracy"] == pytest.approx(fold["test_curves"]["accuracy"][at])


def test_folds_of_nodes_work_too(cli, tiny, tmp_path):
    code, text, err = cli(
        *("train", tiny / "split", "-o", tmp_path / "m", "--epochs", 2, "--hidden", 4, "--folds", 3, "--quiet")
    )
    assert code == 0, err
    assert "3 folds" in text
    assert cli("sample", tiny / "split", "-o", tmp_path / "s", "--num-neighbors", "2,2")[0] == 0
    code, _, err = cli("train", tmp_path / "s", "-o", tmp_path / "n", "--folds", 3)
    assert code == 2
    assert "holds samples of one split" in err


def test_a_dry_run_of_an_ingest_counts_graphs(cli, folder, tmp_path):
    code, out, _ = cli("ingest", folder / "data" / "molecules.toml", "-o", tmp_path / "g", "--dry-run", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["graphs"][""]["rows"] == 60
    assert document["bytes"] == sum(p["bytes"] for k in ("graphs", "nodes", "edges") for p in document[k].values())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "SPLIT", "--num-neighbors", "3,2"], 2, "--num-neighbors: graphs are trained on whole"),
        (["train", "SPLIT", "--sampler", "saint-rw"], 2, "--sampler: graphs are trained on whole"),
        (["train", "SPLIT", "--replace"], 2, "--replace: graphs are trained on whole"),
        (["train", "SPLIT", "--readout", "summ"], 2, "--readout 'summ'"),
        (["train", "SPLIT", "--model", "linkx"], 2, "linkx is for tasks of nodes, links and edges, not"),
        (["train", "SPLIT", "--export", "--readout", "gru"], 2, "--export: .* whose sizes depend on the data"),
        (["train", "SPLIT", "--folds", "2"], 2, "--folds 2: one is tested"),
        (["train", "SPLIT", "--folds", "99"], 3, "--folds 99: the train part has 42 seeds"),
        (["train", "COUNT", "--balanced"], 2, "--balanced: a regression has no classes"),
        (["train", "TINY", "--readout", "sum"], 2, "--readout: .* is not of graphs"),
        (["sample", "SPLIT", "--num-neighbors", "3"], 2, "is of graphs, which are taken whole"),
        (["split", "GRAPH"], 2, "pass --task graph"),
        (
            ["split", "GRAPH", "--task", "graph", "--by", "group:groups"],
            3,
            "column 'groups' holds list<.*>, not a value",
        ),
        (
            ["split", "GRAPH", "--task", "graph", "--by", "column:groups"],
            3,
            "column 'groups' holds list<.*>, not a value",
        ),
        (["audit", "SPLIT", "--group", "groups"], 3, "column 'groups' holds list<.*>, not a value"),
        (["split", "GRAPH", "--task", "graph", "--target", "labl"], 3, r"no column 'labl' of graph \(nearest: label\)"),
        (["split", "TINYGRAPH", "--task", "graph"], 3, r"one graph, not a set of graphs; ingest it with \[graphs\]"),
        (["predict", "MODEL", "--num-neighbors", "3"], 2, "--num-neighbors: graphs are scored whole"),
        (["predict", "MODEL", "--node", "777"], 3, "no graph has the id '777'"),
        (["predict", "MODEL", "--on", "TINYGRAPH"], 4, "no node type 'atom'"),
        (["explain", "MODEL", "--node", "3"], 2, "only predictions of nodes are explained"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(cli, folder, tiny, tmp_path, arguments, code, message):
    model = folder / "model"
    if "MODEL" in arguments and not model.exists():
        assert cli("train", folder / "rings", "-o", model, "--model", "gin", "--epochs", 1, *FIT)[0] == 0
    places = {"SPLIT": folder / "rings", "COUNT": folder / "count", "GRAPH": folder / "graph", "MODEL": model}
    places |= {"TINY": tiny / "split", "TINYGRAPH": tiny / "graph"}
    found, out, err = cli(*(places.get(a, a) for a in arguments), "-o", tmp_path / "out")
    assert found == code, err
    (line,) = [text for text in err.splitlines() if text.startswith("gnnctl")]
    import re

    assert re.search(message, line), line
    assert not out
    assert not (tmp_path / "out").exists()


def test_graph_features_enter_the_model_and_must_be_there(cli, folder, tmp_path):
    spec = write_molecules(tmp_path / "data", 40, features='[graphs.features]\nnitrogens = "standard"\n')
    assert cli("ingest", spec, "-o", tmp_path / "g", "--quiet")[0] == 0
    documents_fit(cli, tmp_path / "g")
    graph = Graph.open(tmp_path / "g")
    assert graph.schema.graph_features == 1
    assert cli("split", tmp_path / "g", "-o", tmp_path / "s", "--task", "graph", "--target", "nitrogens")[0] == 0
    assert cli("train", tmp_path / "s", "-o", tmp_path / "m", "--epochs", 60, *FIT)[0] == 0
    assert json.loads((tmp_path / "m" / "metrics.json").read_text())["test"]["r2"] > 0.8
    documents_fit(cli, tmp_path / "m")
    code, _, err = cli("predict", tmp_path / "m", "-o", tmp_path / "p", "--on", folder / "graph")
    assert code == 4
    assert "graphs of 0 features, the model was trained on graphs of 1" in err


def test_graphs_are_not_cut_into_partitions(cli, folder, tmp_path):
    words = ["--task", "graph", "--by", "stratified", "--partitions", "2"]
    code, _, err = cli("split", folder / "graph", "-o", tmp_path / "s", *words)
    assert (code, "--partitions: graphs are trained on whole" in err) == (2, True)
