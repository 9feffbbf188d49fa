"""examples/cora, minesweeper and mutag on small data of the same columns."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "stages"))
from molecules_task import write_molecules


@pytest.fixture
def data(tmp_path):
    """Two classes that link to their own kind; the features say half of it."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 60)
    x = np.abs(label[:, None] * np.array([1.0, 0.0, 0.5]) + rng.random((60, 3))).astype(np.float32)
    part = np.array(["train", "val", "test"])[np.arange(60) % 3]
    ends = rng.integers(0, 60, (2, 400))
    ends = ends[:, (label[ends[0]] == label[ends[1]]) & (ends[0] < ends[1])]
    for node, edge, words, split in (("paper", "cites", "words", "split"), ("node", "edge", "x", "split0")):
        columns = {"id": [f"p{i}" for i in range(60)], "label": label.astype(np.int32), split: part, words: list(x)}
        pq.write_table(pa.table(columns), tmp_path / f"{node}.parquet")
        ids = {"src": [f"p{i}" for i in ends[0]], "dst": [f"p{i}" for i in ends[1]]}
        pq.write_table(pa.table(ids), tmp_path / f"{edge}.parquet")
    write_molecules(tmp_path, 24)
    return tmp_path


def metrics(model):
    return json.loads((model / "metrics.json").read_text())


def line(out, name):
    """The last line of a table that begins with a name."""
    return [row for row in out.splitlines() if row.split()[:1] == [name]][-1]


def test_cora_with_labels_and_without(data, made_here):
    run, given = data / "run", [f"DATA={data}", f"RUN={data}/run", "EXTRA=--epochs 2"]
    out = made_here("cora", *given, "SEEDS=1 2", "all", "unlabelled", "tuned").stdout
    found = [metrics(run / f"gcn-{seed}")["test"]["accuracy"] for seed in (1, 2)]
    assert f"{np.mean(found):.4f}" in line(out, "mean")
    assert f"{np.std(found):.4f}" in line(out, "deviation")
    assert f"{metrics(run / 'dgi')['test']['probe_accuracy']:.4f}" in line(out, "dgi")
    assert f"{metrics(run / 'dgi-few')['test']['few_shot_accuracy']:.4f}" in line(out, "dgi-few")
    assert f"{metrics(run / 'dgi-tuned')['test']['accuracy']:.4f}" in line(out, "dgi-tuned")
    for model in ("gat", "sgc", "appnp"):
        made_here("cora", *given, "SEEDS=1", f"MODEL={model}")
        assert (run / f"{model}-1/report.html").is_file()
    for objective in ("gae", "contrastive", "node2vec"):
        made_here("cora", *given, f"OBJECTIVE={objective}", "unlabelled")
        assert "probe_accuracy" in metrics(run / objective)["test"]


def test_minesweeper(data, made_here):
    train = "TRAIN=--hidden 8 --dropout 0 --lr 0.02 --epochs 20 --monitor auroc --seed 1"
    out = made_here(
        "minesweeper", f"DATA={data}", f"RUN={data}/run", train, "DEEP=--model sage --encode --layers 3"
    ).stdout
    for name in ("deep", "alone"):
        assert f"{metrics(data / 'run' / name)['test']['auroc']:.4f}" in line(out, name)
    assert metrics(data / "run/deep")["test"]["auroc"] > 0.8


def test_mutag(data, made_here):
    train = "TRAIN=--model gin --layers 2 --hidden 8 --epochs 2 --monitor loss --batch-size 16"
    out = made_here("mutag", f"DATA={data}", f"RUN={data}/run", "SEEDS=1", "FOLDS=3", train).stdout
    found = metrics(data / "run/gin-1")["folds"]
    for protocol in ("epoch_chosen_on_validation", "epoch_chosen_on_test_curves"):
        assert f"{found[protocol]['accuracy']['mean']:.4f}" in out
