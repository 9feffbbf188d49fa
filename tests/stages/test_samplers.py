"""gnnctl with other ways of sampling than fan-outs: trained, stored, predicted, explained."""

import json

import pytest

FAST = ["--hidden", "16", "--threads", "1", "--lr", "0.02", "--epochs", "3", "--dropout", "0", "--quiet", "--json"]


def run(cli, *arguments):
    code, text, error = cli(*arguments)
    assert code == 0, error
    return json.loads(text)


def weights(path):
    return (path / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    "sampler", ["shadow:neighbors=5", "hgt:neighbors=60", "cluster:clusters=8,partitioner=stream", "ppr:neighbors=8"]
)
def test_training_on_the_fly_and_from_records_gives_the_same_weights(cli, areas, tmp_path, sampler):
    own = ["--sampler", sampler, "--batch-size", 64]
    fly = run(cli, "train", areas / "split", "-o", tmp_path / "fly", *own, *FAST)
    assert fly["metrics"]["test"]["accuracy"] > 0.5
    run(cli, "sample", areas / "split", "-o", tmp_path / "samples", *own, "--epochs", 3, "--quiet", "--json")
    run(cli, "train", tmp_path / "samples", "-o", tmp_path / "stored", *FAST)
    assert weights(tmp_path / "fly") == weights(tmp_path / "stored")
    code, _, error = cli("inspect", tmp_path / "samples", "--verify", "--quiet")
    assert code == 0, error


def test_prediction_and_explanation_see_the_samplers_own_neighbors(cli, areas, tmp_path):
    run(cli, "train", areas / "split", "-o", tmp_path / "model", "--sampler", "ppr:neighbors=8", *FAST)
    trained = json.loads((tmp_path / "model/metrics.json").read_text())["test"]["accuracy"]
    scored = run(cli, "predict", tmp_path / "model", "-o", tmp_path / "scores", "--quiet", "--json")
    assert scored["metrics"]["test"]["accuracy"] == pytest.approx(trained, abs=1e-6)
    why = ["explain", tmp_path / "model", "-o", tmp_path / "why", "--node", "p0003", "--algorithm", "saliency"]
    document = run(cli, *why, "--predictions", tmp_path / "scores", "--quiet", "--json")
    assert document


def test_balanced_batches_are_the_same_from_records(cli, areas, tmp_path):
    own = ["--num-neighbors", "4,3", "--batch-size", 64, "--balanced"]
    run(cli, "train", areas / "split", "-o", tmp_path / "fly", *own, *FAST)
    run(cli, "sample", areas / "split", "-o", tmp_path / "samples", *own, "--epochs", 3, "--quiet", "--json")
    run(cli, "train", tmp_path / "samples", "-o", tmp_path / "stored", *FAST)
    assert weights(tmp_path / "fly") == weights(tmp_path / "stored")
    run(cli, "train", areas / "split", "-o", tmp_path / "plain", *own[:-1], *FAST)
    assert weights(tmp_path / "fly") != weights(tmp_path / "plain")


@pytest.mark.parametrize("subgraph", ["bidirectional", "induced"])
def test_edges_beyond_those_drawn_reach_the_model(cli, areas, tmp_path, subgraph):
    own = ["--num-neighbors", "4,3", "--batch-size", 64]
    run(cli, "train", areas / "split", "-o", tmp_path / "plain", *own, *FAST)
    run(cli, "train", areas / "split", "-o", tmp_path / "fly", *own, "--subgraph", subgraph, *FAST)
    assert weights(tmp_path / "fly") != weights(tmp_path / "plain")
    sample = ["sample", areas / "split", "-o", tmp_path / "samples", *own, "--subgraph", subgraph, "--epochs", 3]
    run(cli, *sample, "--quiet", "--json")
    run(cli, "train", tmp_path / "samples", "-o", tmp_path / "stored", *FAST)
    assert weights(tmp_path / "fly") == weights(tmp_path / "stored")


def test_samplers_are_listed(cli):
    code, text, _ = cli("sample", "--list-samplers")
    assert code == 0
    assert "shadow" in text
    assert "depth=2" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sampler", "shadow", "--num-neighbors", "3,3"], "--num-neighbors does not go with --sampler"),
        (["--sampler", "shadow", "--replace"], "--replace does not go with --sampler"),
        (["--sampler", "best"], "there is no 'best"),
        (["--sampler", "saint-node"], "it takes one of each"),
        (["--sampler", "ppr", "--model", "gcn"], "counts a node's edges in the whole graph"),
        (["--sampler", "shadow:hops=2", "--layers", "3"], "--layers 3 does not fit"),
        (["--balanced"], "--balanced without --num-neighbors"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_line(cli, areas, tmp_path, arguments, said):
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "model", *arguments, "--quiet")
    assert code == 2
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "model").exists()


def test_records_of_single_seeds_are_refused_where_they_would_not_merge(cli, areas, tmp_path):
    for own in (["--sampler", "hgt"], ["--num-neighbors", "3,3", "--subgraph", "induced"]):
        code, _, error = cli("sample", areas / "split", "-o", tmp_path / "s", *own, "--unit", "seed", "--quiet")
        assert code == 2
        assert "would not merge" in error


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A split of a graph of one type, whose nodes lean towards the class of their neighbours."""
    import numpy as np
    import pyarrow as pa
    from areas_task import write_split

    from gnnctl.artifacts import ArtifactWriter, Recipe
    from gnnctl.graph import Graph

    folder = tmp_path_factory.mktemp("plain")
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 400)
    edges = rng.integers(0, 400, (2, 12_000))
    edges = edges[:, kind[edges[0]] == kind[edges[1]]]
    x = np.eye(3)[kind] + rng.normal(0, 1.2, (400, 3))
    names = pa.table({"kind": pa.array([f"k{k}" for k in kind])})
    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        Graph.from_coo(400, edges, x=x, columns=names).write(writer)
    return write_split(folder / "split", folder / "graph", "node.kind")


@pytest.mark.parametrize("sampler", ["saint-node:size=80", "saint-edge:size=60", "saint-walk", "pinsage"])
@pytest.mark.parametrize("model", ["sage", "gat"])
def test_samplers_with_edge_weights_of_their_own_learn(cli, plain, tmp_path, sampler, model):
    heads = ["--heads", 2] if model == "gat" else []
    own = ["--sampler", sampler, "--batch-size", 64, "--model", model, *heads]
    fly = run(cli, "train", plain, "-o", tmp_path / "fly", *own, *FAST, "--epochs", 8)
    metrics = fly["metrics"]["test"]
    assert metrics["accuracy"] > metrics["baseline"]["accuracy"] + 0.2
    run(cli, "sample", plain, "-o", tmp_path / "samples", *own[:4], "--epochs", 8, "--quiet", "--json")
    run(cli, "train", tmp_path / "samples", "-o", tmp_path / "stored", *own[4:], *FAST, "--epochs", 8)
    assert weights(tmp_path / "fly") == weights(tmp_path / "stored")
