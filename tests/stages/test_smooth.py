"""gnnctl predict --smooth: corrected and smoothed by training labels alone, as the oracle does it."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torch_geometric.nn as peer

from gnnctl.artifacts import Artifact
from gnnctl.errors import UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.sampling.spec import SampleSpec
from gnnctl.splits import NodeSplit
from gnnctl.training.smoothing import check_smoothing, edges_among, parse_smoothing, smoothed_logits
from gnnctl.training.trained import TrainedModel

CITES = EdgeType("paper", "cites", "paper")
FILE, AREAS = "predictions.parquet", ["score_area 0", "score_area 1", "score_area 2"]


@pytest.fixture(scope="module")
def models(areas, tmp_path_factory):
    """A folder with `model` and `ages`, of one epoch each."""
    import sys

    from gnnctl.cli import main

    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        for split, name in (("split", "model"), ("ages", "ages")):
            arguments = ["train", areas / split, "-o", folder / name, "--hidden", "8", "--epochs", "1", "--quiet"]
            patch.setattr(sys, "argv", ["gnnctl", *map(str, arguments)])
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code
    return folder


def scores_of(folder):
    table = pq.read_table(folder / FILE)
    return table, np.stack([table[name].to_numpy() for name in AREAS], 1)


def test_scores_are_the_oracles(cli, areas, models, tmp_path):
    assert cli("predict", models / "model", "-o", tmp_path / "plain", "--quiet")[0] == 0
    code, text, error = cli("predict", models / "model", "-o", tmp_path / "smooth", "--smooth", "--json", "--quiet")
    assert code == 0, error
    (_, plain), (table, smooth) = scores_of(tmp_path / "plain"), scores_of(tmp_path / "smooth")
    split = NodeSplit.open(areas / "split")
    rows, labels = (torch.from_numpy(np.array(part)).long() for part in split.part("train"))
    store = split.graph.edges[CITES]
    col = np.repeat(np.arange(len(plain)), np.diff(store.colptr))
    coo = torch.from_numpy(np.stack([store.row, col])).long()
    wanted = peer.CorrectAndSmooth(50, 0.9, 50, 0.8)(torch.from_numpy(plain), labels, rows, coo).numpy()
    np.testing.assert_allclose(smooth, wanted / wanted.sum(1, keepdims=True), rtol=2e-4, atol=1e-6)
    assert table["prediction"].to_pylist() == [f"area {i}" for i in smooth.argmax(1)]
    tests, truth = split.part("test")
    metrics = json.loads(text)["metrics"]["test"]
    assert metrics["accuracy"] == pytest.approx((smooth[tests].argmax(1) == truth).mean())
    assert metrics["accuracy"] > (plain[tests].argmax(1) == truth).mean()
    assert Artifact.open(tmp_path / "smooth").manifest.options["smooth"] is True


def test_parameters_are_the_oracles_and_checked(cli, areas, models, tmp_path):
    split = NodeSplit.open(areas / "split")
    store, scores = split.graph.edges[CITES], np.random.default_rng(0).dirichlet(np.ones(3), 300).astype(np.float32)
    rows, labels = (torch.from_numpy(np.array(part)).long() for part in split.part("train"))
    col = np.repeat(np.arange(300), np.diff(store.colptr))
    coo = torch.from_numpy(np.stack([store.row, col])).long()
    cases = {
        "smooth_alpha=0.5,correct_hops=3": peer.CorrectAndSmooth(3, 0.9, 50, 0.5),
        "scale=0.7,correct_alpha=0.6,smooth_hops=4": peer.CorrectAndSmooth(50, 0.6, 4, 0.8, False, 0.7),
    }
    for text, theirs in cases.items():
        wanted = theirs(torch.from_numpy(scores), labels, rows, coo).numpy()
        found = np.exp(smoothed_logits(split, scores, parse_smoothing(text)))
        np.testing.assert_allclose(found, wanted / wanted.sum(1, keepdims=True), rtol=2e-4, atol=1e-6)
    predict = ["predict", models / "model", "-o", tmp_path / "p"]
    assert cli(*predict, "--smooth", "--smoothing", "smooth_alpha=0.5", "--quiet")[0] == 0
    assert Artifact.open(tmp_path / "p").manifest.options["smoothing"]["smooth_alpha"] == 0.5
    for options, message in (
        (["--smoothing", "scale=1"], "--smoothing without --smooth"),
        (["--smooth", "--smoothing", "smooth_alpha=2"], "smooth_alpha=2.0 is out of range; pass from 0 to 1"),
        (["--smooth", "--smoothing", "alpha=1"], "no parameter 'alpha'"),
    ):
        code, _, error = cli(*predict, "--force", *options)
        assert code == 2
        assert message in error


def test_chosen_nodes_score_as_they_do_among_all(cli, models, tmp_path):
    assert cli("predict", models / "model", "-o", tmp_path / "all", "--smooth", "--quiet")[0] == 0
    chosen = ["--node", "p0007", "--node", "p0003", "--embeddings"]
    assert cli("predict", models / "model", "-o", tmp_path / "two", "--smooth", *chosen, "--quiet")[0] == 0
    (_, among), (table, two) = scores_of(tmp_path / "all"), scores_of(tmp_path / "two")
    np.testing.assert_allclose(two, among[[7, 3]], rtol=1e-5)
    assert len(table["embedding"]) == 2


def test_labels_of_other_parts_change_nothing(areas):
    split = NodeSplit.open(areas / "split")
    draw = np.random.default_rng(0)
    scores = draw.dirichlet(np.ones(3), split.graph.num_nodes("paper")).astype(np.float32)
    found = smoothed_logits(split, scores)
    np.testing.assert_allclose(np.exp(found).sum(1), 1, rtol=1e-5)
    for part in ("val", "test"):
        rows, labels = split.part(part)
        changed = replace(split, parts=split.parts | {part: (rows, (labels + 1) % 3)})
        np.testing.assert_array_equal(smoothed_logits(changed, scores), found)
    rows, labels = split.part("train")
    changed = replace(split, parts=split.parts | {"train": (rows, (labels + 1) % 3)})
    assert np.abs(smoothed_logits(changed, scores) - found).max() > 0.1


def test_edges_of_all_types_among_the_nodes_count():
    likes, knows, has = EdgeType("a", "likes", "a"), EdgeType("a", "knows", "a"), EdgeType("a", "has", "b")
    pairs = {likes: [[0, 1], [1, 2]], knows: [[2, 0], [1, 0]], has: [[0, 1], [0, 0]]}
    weight = np.array([0.5, 2.0], np.float32)
    graph = Graph.from_coo({"a": 3, "b": 1}, {t: np.array(p) for t, p in pairs.items()}, edge_weight={knows: weight})
    edges, found = edges_among(graph, "a")
    seen = sorted((*pair, w) for pair, w in zip(edges.coo().t().tolist(), found.tolist(), strict=True))
    assert [tuple(one) for one in seen] == [(0, 0, 2.0), (0, 1, 1.0), (1, 2, 1.0), (2, 1, 0.5)]
    assert edges_among(Graph.from_coo(3, np.array([[0], [1]])), "node")[1] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": SampleSpec.uniform([CITES], (2,), time="before", disjoint=True)}, "at edges and labels of any time"),
        ({"graph": Graph.from_coo({"paper": 3, "b": 1}, {})}, "no edges connect paper with paper"),
    ],
)
def test_models_that_cannot_be_smoothed(models, change, message):
    trained = TrainedModel.open(models / "model")
    check_smoothing(trained)
    with pytest.raises(UsageError, match=message):
        check_smoothing(replace(trained, **change))


def test_what_cannot_be_smoothed(cli, areas, models, tmp_path):
    code, _, error = cli("predict", models / "ages", "-o", tmp_path / "p", "--smooth")
    assert code == 2
    assert "--smooth is for classes; the target is regression" in error
    code, _, error = cli("predict", models / "model", "-o", tmp_path / "p", "--smooth", "--on", areas / "graph")
    assert code == 2
    assert "--smooth takes labels of the model's split" in error
    assert not (tmp_path / "p").exists()
