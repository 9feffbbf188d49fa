"""Models that are no layers of a convolution: trained, scored again, and refused, on the command line."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from atoms_task import write_atoms
from circle_task import write_opinions

from gnnctl.artifacts import Artifact
from gnnctl.splits import NodeSplit


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with `atoms`, splits `energy` and `doubles` of it, and `rates`, a split of links in `opinions`."""
    from gnnctl.cli import main

    folder = tmp_path_factory.mktemp("by-name")
    spec = write_atoms(folder / "tables")
    (folder / "people").mkdir()
    write_opinions(folder / "people")
    rates = ["--task", "link", "--edge-type", "person rates thing"]
    with pytest.MonkeyPatch.context() as patch:
        for arguments in (
            ["ingest", spec, "-o", folder / "atoms"],
            ["split", folder / "atoms", "-o", folder / "energy", "--task", "graph"],
            ["split", folder / "atoms", "-o", folder / "doubles", "--task", "graph", "--target", "graph.doubles"],
            ["ingest", folder / "people" / "graph.toml", "-o", folder / "opinions"],
            ["split", folder / "opinions", "-o", folder / "rates", *rates, "--eval-negatives", "3"],
        ):
            patch.setattr("sys.argv", ["gnnctl", *map(str, arguments), "--quiet"])
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code, arguments
    return folder


def trained(cli, source, out, model, *options):
    """metrics.json of a model, after predict has given the same numbers."""
    code, _, err = cli("train", source, "-o", out, "--model", model, "--quiet", *options)
    assert code == 0, err
    code, text, err = cli("predict", out, "-o", out.with_name(out.name + "-p"), "--json", "--quiet")
    assert code == 0, err
    metrics, again = Artifact.open(out).json("metrics"), json.loads(text)["metrics"]
    for part in ("val", "test"):
        for name, value in again[part].items():
            assert metrics[part][name] == pytest.approx(value, abs=2e-5), (part, name)
    return metrics


def test_molecules_are_told_apart_by_their_atoms(cli, made, tmp_path):
    split = ["split", made / "atoms", "-o", tmp_path / "size", "--task", "graph", "--target", "graph.size", "--quiet"]
    assert cli(*split)[0] == 0
    model = "schnet:num_filters=8,num_gaussians=8"
    options = ["--layers", "1", "--epochs", "15", "--monitor", "loss"]
    found = trained(cli, tmp_path / "size", tmp_path / "m", model, *SMALL, *options)
    assert found["train"]["accuracy"] > 0.85 > found["train"]["baseline"]["accuracy"] + 0.2


SMALL = ["--hidden", "16", "--batch-size", "8"]


@pytest.mark.parametrize(
    ("model", "split", "options"),
    [
        ("attentive-fp", "energy", ["--epochs", "20", "--dropout", "0"]),
        ("schnet:num_filters=16,num_gaussians=12,cutoff=6", "energy", ["--layers", "2", "--epochs", "40"]),
        (
            "dimenet++:interaction_channels=8,basis_channels=4,output_channels=16,num_spherical=3,num_radial=3",
            "energy",
            ["--layers", "1", "--epochs", "25"],
        ),
        (
            "gps:encoding=random-walk,encoding_size=6",
            "doubles",
            ["--heads", "2", "--layers", "2", "--epochs", "30", "--readout", "sum", "--dropout", "0"],
        ),
        ("graph-unet", "energy", ["--layers", "2", "--epochs", "30", "--readout", "sum", "--dropout", "0"]),
    ],
)
def test_molecules_are_learnt(cli, made, tmp_path, model, split, options):
    found = trained(cli, made / split, tmp_path / "m", model, *SMALL, *options)
    assert found["train"]["rmse"] < 0.7 * found["train"]["baseline"]["rmse"]
    assert found["test"]["rmse"] < 0.9 * found["test"]["baseline"]["rmse"]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("gps", ["--heads", "2", "--hidden", "16", "--epochs", "15", "--dropout", "0"]),
        ("gps:local=none,batch_norm=false", ["--heads", "2", "--hidden", "16", "--epochs", "2"]),
        ("graph-unet", ["--layers", "2", "--hidden", "16", "--epochs", "15", "--dropout", "0"]),
        ("gps:encoding=laplacian", ["--heads", "2", "--hidden", "16", "--epochs", "15", "--dropout", "0"]),
    ],
)
def test_nodes_are_learnt_from_the_whole_graph(cli, papers, tmp_path, model, options):
    found = trained(cli, papers / "split", tmp_path / "m", model, *options)
    if "none" not in model:  # attention alone sees features that tell nothing
        assert found["test"]["accuracy"] > found["test"]["baseline"]["accuracy"] + 0.2
    code, _, err = cli("predict", tmp_path / "m", "-o", tmp_path / "e", "--embeddings", "--node", "p0003", "--quiet")
    if model == "graph-unet":
        assert code == 2
        assert "--embeddings: graph-unet gives scores alone" in err
        return
    assert code == 0, err
    one = pq.read_table(tmp_path / "e" / "predictions.parquet")
    every = pq.read_table(tmp_path / "m-p" / "predictions.parquet")
    assert len(one["embedding"][0]) == 16
    assert one["score_area 1"][0].as_py() == pytest.approx(every["score_area 1"][3].as_py(), abs=1e-5)


def test_labels_are_spread_and_nothing_is_trained(cli, areas, tmp_path):
    found = trained(cli, areas / "split", tmp_path / "m", "label-propagation:alpha=0.8", "--layers", "10")
    assert found["test"]["accuracy"] > 0.95
    document = Artifact.open(tmp_path / "m").json("model")
    assert (document["epochs"], document["parameters"], document["training"]["epochs"]) == (0, 0, 0)
    assert not {"metrics.jsonl", "state.pt"} & {path.name for path in (tmp_path / "m").iterdir()}
    assert "Nothing was trained" in (tmp_path / "m" / "report.html").read_text()
    _, out, _ = cli("inspect", tmp_path / "m", "--schema")
    import jsonschema

    jsonschema.validate(document, json.loads(out)["model.json"])


def test_what_was_not_trained_says_so(cli, papers, tmp_path):
    code, text, err = cli("train", papers / "split", "-o", tmp_path / "m", "--model", "label-propagation")
    assert code == 0
    assert "nothing was trained" in text
    assert "label-propagation: nothing to train" in err
    code, text, err = cli("train", papers / "split", "-o", tmp_path / "m", "--model", "label-propagation")
    assert code == 0
    assert "up to date" in err


def test_labels_reach_the_nodes_of_another_graph(cli, areas, tmp_path):
    from areas_task import write_graph

    code, _, err = cli("train", areas / "split", "-o", tmp_path / "m", "--model", "label-propagation", "--quiet")
    assert code == 0, err
    write_graph(tmp_path / "more", seed=1, extra=50)  # whose papers are others
    code, _, err = cli("predict", tmp_path / "m", "-o", tmp_path / "p", "--on", tmp_path / "more", "--quiet")
    assert code == 0, err
    table = pq.read_table(tmp_path / "p" / "predictions.parquet")
    split = NodeSplit.open(areas / "split")
    rows, labels = split.part("train")
    known = np.array(table["prediction"].to_pylist())[rows] == np.array([f"area {label}" for label in labels])
    assert known.mean() > 0.3
    assert np.isfinite(table["score_area 0"].to_numpy()).all()


def test_items_are_recommended(cli, made, tmp_path):
    options = ["--hidden", "16", "--epochs", "40", "--loss", "softmax", "--eval-every", "20", "--quiet"]
    found, model = tmp_path / "p", tmp_path / "m"
    code, _, err = cli("train", made / "rates", "-o", model, "--model", "lightgcn", *options)
    assert code == 0, err
    metrics = Artifact.open(model).json("metrics")
    assert metrics["test"]["mrr"] > 1.2 * metrics["test"]["baseline"]["mrr"]
    code, text, err = cli("predict", model, "-o", found, "--json", "--quiet")
    assert code == 0, err
    again = json.loads(text)["metrics"]["test"]
    assert again["mrr"] == pytest.approx(metrics["test"]["mrr"])
    assert cli("predict", model, "-o", tmp_path / "top", "--top-k", "3", "--node", "a3", "--quiet")[0] == 0
    assert pq.read_table(tmp_path / "top" / "predictions.parquet").num_rows == 3


def test_new_molecules_are_scored_and_what_they_lack_is_said(cli, made, tmp_path):
    model, options = "schnet:num_filters=8,num_gaussians=8", ["--layers", "1", "--epochs", "1", "--quiet"]
    code, _, err = cli("train", made / "energy", "-o", tmp_path / "m", "--model", model, *SMALL, *options)
    assert code == 0, err
    spec = write_atoms(tmp_path / "new", 5, 9, 800)
    ingest = ["--encoders-from", made / "atoms", "--quiet"]
    assert cli("ingest", spec, "-o", tmp_path / "g", *ingest)[0] == 0
    score = ["predict", tmp_path / "m", "-o", tmp_path / "p", "--embeddings", "--quiet", "--on"]
    assert cli(*score, tmp_path / "g")[0] == 0
    table = pq.read_table(tmp_path / "p" / "predictions.parquet")
    assert table["id"].to_pylist() == list(range(800, 805))
    assert len(table["embedding"][0]) == 8
    spec.write_text(spec.read_text().replace('"z", ', ""))
    assert cli("ingest", spec, "-o", tmp_path / "flat", *ingest)[0] == 0
    code, _, err = cli(*score, tmp_path / "flat", "--force")
    assert code == 3
    assert re.search("atom has no kept column 'z'; it has x, y, atomic_number.*name it in columns", err)


# The rest of what --list-models names: those that no other test or page trains from the command line.
OTHERS = (
    "supergat", "agnn", "feast", "film", "res-gated", "general", "cg", "gmm", "gcn2", "fa", "eg", "le", "mf",
    "cluster-gcn", "ssg", "cheb", "arma", "dna",
)  # fmt: skip


@pytest.mark.parametrize("model", OTHERS)
def test_every_other_model_is_trained_and_scored(cli, made, papers, tmp_path, model):
    source = made / "energy" if model == "gmm" else papers / "split"  # gmm needs features of edges
    options = ["--hidden", "8", "--layers", "2", "--epochs", "2", "--monitor", "loss"]
    found = trained(cli, source, tmp_path / "m", model, *options)
    assert np.isfinite(found["train"]["loss"])


@pytest.mark.parametrize(
    ("split", "model", "options", "code", "message"),
    [
        ("papers", "schnet", [], 2, "schnet is for tasks of graphs, not of nodes"),
        ("papers", "lightgcn", [], 2, "lightgcn is for tasks of links and edges, not of nodes"),
        ("papers", "gps", ["--num-neighbors", "3,2"], 2, "--num-neighbors: gps sees a whole graph at once"),
        ("papers", "gat:fill_value=median", [], 2, "fill_value must be a number or among mean, sum"),
        ("papers", "graph-unet", ["--export"], 2, "--export: graph-unet keeps nodes, and makes edges, whose number"),
        ("papers", "label-propagation", ["--export"], 2, "--export: label-propagation has nothing to train: it"),
        ("papers", "schnet", ["--objective", "dgi"], 2, "schnet is for tasks of graphs, not of nodes"),
        ("papers", "label-propagation", ["--objective", "dgi"], 2, "--objective: label-propagation has nothing"),
        ("papers", "gps:local=rgcn", [], 2, "no local convolution 'rgcn'"),
        ("papers", "gps:encoding=walk", [], 2, "no encoding 'walk'; choose none, random-walk, laplacian"),
        ("papers", "gps:encoding=laplacian", ["--export"], 2, "encoding=laplacian is computed outside"),
        ("papers", "gps", ["--hidden", "10"], 2, "hidden 10 cannot be shared by 8 heads"),
        ("areas", "graph-unet", [], 2, "graph-unet needs one node type and one edge type"),
        ("papers", "graph-unet:ratio=2", [], 2, r"ratio 2.0 is outside \(0, 1\]"),
        ("papers", "graph-unet:join=max", [], 2, "join cannot be 'max'"),
        ("papers", "label-propagation", ["--epochs", "3"], 2, "--epochs: label-propagation has nothing to train"),
        ("papers", "label-propagation", ["--hidden", "7"], 2, "--hidden: label-propagation has no use for it"),
        ("papers", "gps", ["--norm", "layer"], 2, "--norm: gps has no use for it"),
        ("rates", "lightgcn", ["--dropout", "0"], 2, "--dropout: lightgcn has no use for it"),
        ("energy", "dimenet++", ["--readout", "sum"], 2, "--readout: dimenet[+][+] has no use for it"),
        ("papers", "mlp", ["--aggr", "max"], 2, "--aggr: mlp has no use for it; leave it out, or take sage, rgcn"),
        (
            "papers",
            "mlp",
            ["--jump", "cat"],
            2,
            "--jump: mlp has no use for it; .* sage, gcn, .* or one of [0-9]+ more",
        ),
        ("papers", "gcn", ["--heads", "4"], 2, "--heads: gcn has no use for it; leave it out, or take gat, gatv2"),
        ("papers", "gin", ["--attention-dropout", "0.2"], 2, "--attention-dropout: gin has no use for it"),
        ("papers", "sgc", ["--norm", "batch"], 2, "--norm: sgc has no use for it"),
        ("papers", "sage", ["--readout", "max"], 2, "--readout: .* is not of graphs"),
        ("rates", "embedding", ["--dropout", "0.1"], 2, "--dropout: embedding has no use for it"),
        ("papers", "label-propagation", ["--lr", "0.1"], 2, "--lr: this model has nothing to train"),
        ("papers", "label-propagation", ["--folds", "3"], 2, "--folds: label-propagation has nothing to train"),
        ("papers", "label-propagation:alpha=2", [], 2, r"alpha 2.0 is outside \[0, 1\]"),
        ("ages", "label-propagation", [], 2, "for multiclass targets, not for regression"),
        ("energy", "label-propagation", [], 2, "for tasks of nodes, not of graphs"),
        ("papers", "correct-and-smooth", [], 2, "correct-and-smooth is no model of its own; pass --smooth to"),
        ("rates", "dimenet++", [], 2, "for tasks of graphs, not of links"),
        ("rates", "lightgcn", ["--num-neighbors", "3,3"], 2, "--num-neighbors: lightgcn sees a whole graph"),
        ("energy", "schnet:positions=x+y", [], 2, "positions=x[+]y are not three columns"),
        ("energy", "schnet:positions=x+y+depth", [], 3, "atom has no kept column 'depth'"),
        ("energy", "schnet:atomic_number=x", [], 3, "atom.x is no column of whole numbers"),
        ("energy", "schnet:atomic_number=element", [], 3, "atom.element holds no numbers"),
        ("energy", "schnet:atomic_number=charge", [], 3, "atom.charge has .* nulls"),
        ("energy", "schnet:cutoff=-1", [], 2, "cutoff -1.0 is not positive"),
        ("energy", "schnet", ["--readout", "max"], 2, "schnet takes sum or mean"),
        ("energy", "dimenet++:num_spherical=1", [], 2, "--model dimenet[+][+]: "),
        ("energy", "dimenet++:output_init=one", [], 2, "output_init must be zeros or orthogonal"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(cli, made, papers, areas, tmp_path, split, model, options, code, message):
    places = {"papers": papers / "split", "areas": areas / "split", "ages": areas / "ages"}
    source = places.get(split, made / split)
    found, _, err = cli("train", source, "-o", tmp_path / "m", "--model", model, "--quiet", *options)
    assert found == code, err
    assert re.search(message, err), err
    assert len([line for line in err.splitlines() if line.startswith("gnnctl")]) == 1
    assert not (tmp_path / "m").exists()


def test_what_sees_whole_graphs_is_not_sampled_or_explained(cli, papers, tmp_path):
    options = ["--model", "gps", "--heads", "2", "--hidden", "8", "--epochs", "1", "--quiet"]
    assert cli("train", papers / "split", "-o", tmp_path / "m", *options)[0] == 0
    code, _, err = cli("predict", tmp_path / "m", "-o", tmp_path / "p", "--num-neighbors", "3,2")
    assert code == 2
    assert "--num-neighbors: gps sees a whole graph at once" in err
    code, _, err = cli("explain", tmp_path / "m", "-o", tmp_path / "w", "--node", "p0001")
    assert code == 2
    assert "sees the whole graph at once" in err


def test_models_are_listed_for_programs(cli):
    code, text, _ = cli("train", "--list-models", "--json")
    assert code == 0
    document = json.loads(text)
    found = {one["model"]: one for one in document["models"]}
    assert found["schnet"]["tasks"] == ["graph"]
    assert found["gps"]["batches"] == "whole graphs"
    assert found["label-propagation"]["targets"] == ["multiclass"]
    assert not found["label-propagation"]["trained"]
    assert found["sage"]["batches"] == "whole graphs or samples"
    assert found["deepgcn"]["preset"]["model"] == "gen"
    assert "correct-and-smooth" in document["elsewhere"]


def test_a_name_stands_for_a_model_with_options(cli, papers, tmp_path):
    few = ["--hidden", "8", "--epochs", "1", "--layers", "3", "--quiet"]
    spelt = ["--order", "pre", "--residual", "--norm", "batch"]
    for name, options in (("a", ["--model", "deepgcn:expansion=1"]), ("b", ["--model", "gen:expansion=1", *spelt])):
        code, _, err = cli("train", papers / "split", "-o", tmp_path / name, *options, *few)
        assert code == 0, err
    one, other = (Artifact.open(tmp_path / name) for name in "ab")
    assert one.json("model")["weights"] == other.json("model")["weights"]
    assert one.fingerprint == other.fingerprint
    options = ["--model", "jumping-knowledge", "--jump", "max", "--dry-run", "--json", "--quiet"]
    code, text, _ = cli("train", papers / "split", "-o", tmp_path / "c", *options)
    found = json.loads(text)["model"]
    assert (code, found["name"], found["jump"], found["layers"]) == (0, "gcn", "max", 4)


OWN = """
import torch
from torch import nn


class Centred(nn.Module):
    whole_graph = True

    def __init__(self, schema, node_type, out_channels, options):
        super().__init__()
        self.node_type = node_type
        self.lin = nn.Linear(schema.nodes[node_type].features, out_channels)

    def forward(self, batch, edge_mask=None):
        x = batch.x[self.node_type]
        return batch.seeds_of(self.lin(x - x.mean(0)))
"""


def test_a_model_of_ones_own_may_see_the_whole_graph(cli, papers, tmp_path, monkeypatch):
    (tmp_path / "centred.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    trained(cli, papers / "split", tmp_path / "m", "centred:Centred", "--epochs", "2")
    one = ["predict", tmp_path / "m", "-o", tmp_path / "one", "--node", "p0009", "--quiet"]
    assert cli(*one)[0] == 0
    score = pq.read_table(tmp_path / "one" / "predictions.parquet")["score_area 0"][0].as_py()
    every = pq.read_table(tmp_path / "m-p" / "predictions.parquet")["score_area 0"]
    assert score == pytest.approx(every[9].as_py(), abs=1e-6)
    sampled = ["--model", "centred:Centred", "--num-neighbors", "3,3", "--quiet"]
    code, _, err = cli("train", papers / "split", "-o", tmp_path / "s", *sampled)
    assert code == 2
    assert "takes the whole graph, not samples" in err
