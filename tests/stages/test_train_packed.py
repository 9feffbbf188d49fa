"""Training on records that carry their features touches no feature store."""

import json
import shutil

import numpy as np
import pytest

from gnnctl.artifacts import Artifact

SAMPLE = ["--num-neighbors", "4,3", "--batch-size", "32", "--epochs", "2", "--seed", "3", "--quiet"]
TRAIN = ["--epochs", "3", "--hidden", "16", "--device", "cpu", "--threads", "1", "--seed", "2", "--quiet"]


@pytest.fixture
def own(areas, tmp_path):
    """A graph and a split that may be damaged."""
    for name in ("graph", "split"):
        shutil.copytree(areas / name, tmp_path / name)
    return tmp_path


def done(result):
    code, out, err = result
    assert code == 0, err
    return out


@pytest.mark.parametrize(("model", "unit"), [("sage", "batch"), ("sage", "seed")])
def test_the_weights_are_those_of_the_graphs_features_which_are_gone(cli, own, model, unit):
    chosen = [*SAMPLE, "--unit", unit]
    done(cli("sample", own / "split", "-o", own / "reference", *chosen))
    done(cli("sample", own / "split", "-o", own / "packed", *chosen, "--features", "packed", "--shard-size", "1"))
    done(cli("train", own / "reference", "-o", own / "one", "--model", model, *TRAIN))
    shutil.rmtree(own / "graph" / "nodes" / "paper" / "x")
    code, _, err = cli("train", own / "reference", "-o", own / "none", "--model", model, *TRAIN)
    assert code == 4
    assert "x" in err
    done(cli("train", own / "packed", "-o", own / "two", "--model", model, *TRAIN))
    one, two = (own / name / "weights.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert Artifact.open(own / "two").json("model")["scores"] == "sampled"
    assert "scores" not in Artifact.open(own / "one").json("model")
    metrics = Artifact.open(own / "two").json("metrics")
    assert metrics["val"]["accuracy"] == pytest.approx(Artifact.open(own / "two").manifest.summary["best_value"])
    assert metrics["test"]["accuracy"] > metrics["test"]["baseline"]["accuracy"]


def test_features_in_another_format(cli, own):
    sizes = {}
    for dtype in ("float32", "int8"):
        out = own / dtype
        done(cli("sample", own / "split", "-o", out, *SAMPLE, "--features", "packed", "--feature-dtype", dtype))
        sizes[dtype] = sum(f["bytes"] for f in Artifact.open(out).manifest.files if f["path"].startswith("packed/"))
    assert sizes["int8"] < sizes["float32"]
    assert Artifact.open(own / "int8").json("subgraphs")["features"]["nodes"]["paper"]["dtype"] == "int8"
    done(cli("train", own / "int8", "-o", own / "model", *TRAIN))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "-", "--features", "packed"], "nothing beside its records"),
        (["-o", "OUT", "--feature-dtype", "int8"], "without --features packed"),
    ],
)
def test_options_that_do_not_go_together(cli, own, arguments, said):
    code, _, err = cli("sample", own / "split", *SAMPLE, *[own / "o" if a == "OUT" else a for a in arguments])
    assert code == 2
    assert said in err


@pytest.mark.parametrize("options", [[], ["--features", "packed"], ["--unit", "seed"], ["--format", "arrow"]])
def test_a_dry_run_foresees_the_size(cli, own, options):
    chosen = [*SAMPLE, "--batch-size", "8", *options, "--json"]
    foreseen = json.loads(done(cli("sample", own / "split", "-o", own / "s", *chosen, "--dry-run")))
    assert not (own / "s").exists()
    real = json.loads(done(cli("sample", own / "split", "-o", own / "s", *chosen)))
    files = [f for f in Artifact.open(own / "s").manifest.files if f["path"].split("/")[0] in ("records", "packed")]
    size = sum(f["bytes"] for f in files if not f["path"].endswith(".digests"))
    assert foreseen["records"] == real["records"]
    assert foreseen["edges"] == pytest.approx(real["edges"], rel=0.15)
    assert foreseen["bytes"] == pytest.approx(size, rel=0.3)
    assert np.isfinite(foreseen["seconds"])
    assert foreseen["blow_up"] > 0


def test_joins_around_batches_of_links_are_refused(cli, tmp_path):
    from gnnctl.artifacts import ArtifactWriter, Parent, Recipe
    from gnnctl.graph import Graph
    from gnnctl.splits.link import Links, LinkSplit
    from gnnctl.splits.link_target import LinkTarget

    graph = Graph.from_coo(4, np.array([[0, 1, 2], [1, 2, 3]]))
    with ArtifactWriter(tmp_path / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        graph.write(writer)
    artifact = Artifact.open(tmp_path / "graph")
    one = [Links(np.zeros(1, np.int64), *(np.array([v]) for v in (i, i + 1, i))) for i in range(3)]
    parts = dict(zip(("train", "val", "test"), one, strict=True))
    with ArtifactWriter(tmp_path / "split", Recipe("split", "split", 1, {}, [Parent("graph", artifact)])) as writer:
        LinkSplit(Graph.open(artifact), LinkTarget("link", list(graph.edges)), parts).write(writer)
    sample = ["--num-neighbors", "2", "--engine", "spark-joins"]
    code, _, err = cli("sample", tmp_path / "split", "-o", tmp_path / "s", *sample)
    assert (code, "--unit seed" in err) == (2, True), err
