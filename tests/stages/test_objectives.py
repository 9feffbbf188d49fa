"""Training without labels from the command line: embeddings, probes, fine-tuning, few examples."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

FAST = ("--hidden", 16, "--epochs", 3, "--quiet")
ENCODERS = ["dgi", "gae", "vgae", "contrastive:anchors=50", "masked-features"]


def embeddings(path) -> np.ndarray:
    return np.stack(pq.read_table(path / "predictions.parquet")["embedding"].to_numpy(zero_copy_only=False))


@pytest.mark.parametrize("objective", ENCODERS)
def test_an_objective_trains_predicts_and_is_probed(cli, areas, tmp_path, objective):
    model, out = tmp_path / "m", tmp_path / "e"
    code, _, error = cli("train", areas / "split", "-o", model, "--objective", objective, "--model", "gcn", *FAST)
    assert code == 0, error
    metrics = json.loads((model / "metrics.json").read_text())
    assert {"probe_accuracy", "probe_macro_f1"} <= set(metrics["test"])
    assert "probe_accuracy" in metrics["test"]["baseline"]
    code, _, error = cli("predict", model, "-o", out, "--quiet")
    assert code == 0, error
    table = pq.read_table(out / "predictions.parquet")
    assert table.column_names == ["id", "split", "target", "embedding"]
    found = embeddings(out)
    assert found.shape[1] == 16
    assert np.isfinite(found).all()
    code, _, error = cli("explain", model, "-o", tmp_path / "x", "--node", str(table["id"][0].as_py()))
    assert code == 2
    assert "gives embeddings" in error


@pytest.mark.parametrize("objective", ["dgi", "vgae"])
def test_an_encoder_may_be_a_package(cli, papers, tmp_path, objective):
    """That it can be traced is found out before training, and in a dry run."""
    command = ("train", papers / "split", "-o", tmp_path / "m", "--objective", objective, "--model", "sage", *FAST)
    code, _, error = cli(*command, "--export", "--dry-run")
    assert code == 0, error


@pytest.mark.parametrize("objective", ["dgi", "contrastive", "masked-features"])
def test_samples_will_do(cli, areas, tmp_path, objective):
    sampled = ("--num-neighbors", "4,3", "--batch-size", 16)
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "m", "--objective", objective, *sampled, *FAST)
    assert code == 0, error


def test_a_graph_without_a_split_or_labels(cli, papers, tmp_path):
    for name in ("one", "two"):
        code, _, error = cli("train", papers / "graph", "-o", tmp_path / name, "--objective", "dgi", "--seed", 4, *FAST)
        assert code == 0, error
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    code, _, error = cli("predict", tmp_path / "one", "-o", tmp_path / "e", "--quiet")
    assert code == 0, error
    assert "target" not in pq.read_table(tmp_path / "e" / "predictions.parquet").column_names


def test_walks(cli, papers, tmp_path):
    walks = "node2vec:length=5,context=3,walks=2,q=0.5"
    code, _, error = cli("train", papers / "split", "-o", tmp_path / "m", "--objective", walks, *FAST)
    assert code == 0, error
    assert cli("predict", tmp_path / "m", "-o", tmp_path / "e", "--part", "test", "--quiet")[0] == 0
    weights = load_file(tmp_path / "m" / "weights.safetensors")
    assert embeddings(tmp_path / "e").shape[1] == weights["embedded.embedding.weight"].shape[1] == 16


def test_walks_along_a_path_of_types(cli, tiny, tmp_path):
    walks = "metapath2vec:path=person works_on project+project rev_works_on person,length=4,context=3"
    command = ("train", tiny / "graph", "-o", tmp_path / "m", "--objective", walks, "--node-type", "person", *FAST)
    code, _, error = cli(*command)
    assert code == 0, error
    assert cli("predict", tmp_path / "m", "-o", tmp_path / "e", "--quiet")[0] == 0


def test_fine_tuning_begins_with_what_fits(cli, papers, tmp_path):
    common = ("--model", "gcn", "--hidden", 16, "--quiet")
    assert cli("train", papers / "split", "-o", tmp_path / "a", "--objective", "dgi", "--epochs", 2, *common)[0] == 0
    fine = ("train", papers / "split", "--init", tmp_path / "a", "--epochs", 1)
    code, _, error = cli(*fine, "-o", tmp_path / "b", "--freeze", "--model", "gcn", "--hidden", 16)
    assert code == 0, error
    assert "weights from" in error
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("a", "b"))
    kept = [name for name in second if f"nodes.{name}" in first and first[f"nodes.{name}"].shape == second[name].shape]
    assert kept
    assert all(np.array_equal(first[f"nodes.{name}"], second[name]) for name in kept)
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert "init" in {parent["role"] for parent in manifest["parents"]}
    code, _, error = cli(*fine, "-o", tmp_path / "c", "--model", "gat", "--hidden", 24, "--quiet")
    assert code == 2
    assert "none of its weights fits" in error


@pytest.mark.parametrize("objective", ["dgi", "supervised"])
def test_few_examples_on_frozen_embeddings(cli, areas, tmp_path, objective):
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "m", "--objective", objective, *FAST)
    assert code == 0, error
    code, _, error = cli("predict", tmp_path / "m", "-o", tmp_path / "p", "--shots", 2, "--quiet")
    assert code == 0, error
    metrics = json.loads((tmp_path / "p" / "metrics.json").read_text())["test"]
    assert 0 <= metrics["few_shot_accuracy"] <= 1
    assert metrics["few_shot_interval"] >= 0
    assert "prediction" in pq.read_table(tmp_path / "p" / "predictions.parquet").column_names


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--objective", "dgy"], "there is no 'dgy'"),
        (["--objective", "contrastive:temp=1"], "no parameter 'temp'"),
        (["--objective", "contrastive:temperature=0"], "temperature must be positive"),
        (["--objective", "masked-features:rate=1"], "rate must be in"),
        (["--objective", "node2vec:context=99"], "context must be"),
        (["--objective", "node2vec", "--model", "gcn"], "walks learn a vector a node"),
        (["--objective", "node2vec", "--num-neighbors", "4"], "does not go with walks"),
        (["--objective", "metapath2vec"], "needs path"),
        (["--objective", "metapath2vec:path=a b c"], "no edge type 'a b c'"),
        (["--objective", "gae", "--num-neighbors", "4,3"], "takes the whole graph"),
        (["--objective", "dgi", "--monitor", "accuracy"], "only the loss"),
        (["--objective", "dgi", "--class-weights", "balanced"], "needs labels"),
        (["--objective", "dgi", "--node-type", "node"], "says whose nodes"),
        (["--freeze"], "--freeze without --init"),
        (["--objective", "dgi", "--folds", "3"], "--folds does not go with --objective"),
        (["--objective", "node2vec", "--layers", "2"], "--layers: embedding has none"),
        (["--objective", "node2vec", "--export"], "--export: walks learn a vector a node"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(cli, papers, tmp_path, arguments, says):
    code, _, error = cli("train", papers / "split", "-o", tmp_path / "m", *arguments, *FAST)
    assert code == 2
    assert says in error
    assert not (tmp_path / "m").exists()


def test_a_graph_needs_an_objective(cli, papers, tmp_path):
    code, _, error = cli("train", papers / "graph", "-o", tmp_path / "m")
    assert code == 4
    assert "--objective" in error


def test_objectives_are_listed(cli):
    code, out, _ = cli("train", "--list-objectives")
    assert code == 0
    assert "node2vec" in out


def test_packed_records_hold_no_objective(cli, papers, tmp_path):
    packed = ("--num-neighbors", "3,2", "--features", "packed", "--quiet")
    assert cli("sample", papers / "split", "-o", tmp_path / "s", *packed)[0] == 0
    for arguments, says in ((["--objective", "dgi"], "has its own"), (["--node-type", "paper"], "says whose nodes")):
        code, _, error = cli("train", tmp_path / "s", "-o", tmp_path / "m", *arguments)
        assert code == 2
        assert says in error


def test_examples_are_of_the_own_graph(cli, papers, tmp_path):
    assert cli("train", papers / "split", "-o", tmp_path / "m", *FAST)[0] == 0
    elsewhere = ("--on", papers / "graph", "--shots", 2)
    code, _, error = cli("predict", tmp_path / "m", "-o", tmp_path / "p", *elsewhere)
    assert code == 2
    assert "model's own graph" in error


def test_decoders_are_listed(cli):
    code, out, _ = cli("train", "--list-decoders")
    assert code == 0
    assert "rotate" in out
