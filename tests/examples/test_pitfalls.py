"""examples/imbalance and examples/audit on a skewed table whose groups are much alike."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SPEC = """
[nodes.part]
table = "parts.parquet"
id = "id"
label = "kind"
columns = ["maker"]
[nodes.part.features]
a = "standard"
b = "standard"
[edges."part near part"]
table = "near.parquet"
source = "src"
target = "dst"
"""


@pytest.fixture
def spec(tmp_path):
    """Parts of three kinds, one of them rare; a maker's parts are of one kind and share their measures."""
    rng = np.random.default_rng(0)
    maker = rng.integers(0, 80, 400)
    kind = np.array(["bolt", "nut", "gear"])[np.where(np.arange(80) % 16 == 0, 2, np.arange(80) % 2)][maker]
    measures = rng.normal(size=(80, 2))[maker] + 0.02 * rng.normal(size=(400, 2))
    table = {"id": np.arange(400), "kind": kind, "maker": maker.astype(str), "a": measures[:, 0], "b": measures[:, 1]}
    pq.write_table(pa.table(table), tmp_path / "parts.parquet")
    pq.write_table(
        pa.table(dict(zip(("src", "dst"), rng.integers(0, 400, (2, 300)), strict=True))), tmp_path / "near.parquet"
    )
    (tmp_path / "graph.toml").write_text(SPEC)
    return tmp_path / "graph.toml"


def score(run, name):
    return json.loads((run / name / "metrics.json").read_text())["test"]


def test_imbalance_compares_ways_to_train(spec, made_here):
    run = spec.parent / "run"
    train = "TRAIN=--model sage --hidden 16 --batch-size 64 --num-neighbors 3 --layers 1 --lr 0.02 --epochs 5 --seed 1"
    out = made_here("imbalance", f"SPEC={spec}", "TARGET=part.kind", "BY=stratified", f"RUN={run}", train).stdout
    for name in ("plain", "weighted", "focal", "balanced"):
        found = score(run, name)
        assert f"{found['accuracy']:.4f}" in out
        assert f"{found['macro_f1']:.4f}" in out
    assert score(run, "balanced")["macro_f1"] > score(run, "balanced")["baseline"]["accuracy"] / 3


def test_audit_finds_what_was_planted_and_passes_what_was_mended(spec, made_here):
    run = spec.parent / "run"
    train = "TRAIN=--model sage --hidden 16 --layers 1 --dropout 0 --lr 0.02 --epochs 30 --seed 1"
    given = [f"SPEC={spec}", "TARGET=part.kind", "GROUP=maker", f"RUN={run}", train]
    made_here("audit", *given)
    said = {}
    for case in ("answer", "siblings", "mended"):
        rules = json.loads((run / case / "audit/results.json").read_text())["rules"]
        said[case] = [rule["rule"] for rule in rules if rule["status"] == "leak"]
    assert said == {"answer": ["giveaway"], "siblings": ["groups"], "mended": []}
    accuracy = {case: score(run, f"{case}/model")["accuracy"] for case in said}
    assert accuracy["answer"] > accuracy["mended"] + 0.1
    assert accuracy["siblings"] > accuracy["mended"] + 0.1
    assert sorted(path.name for path in spec.parent.glob("*.toml")) == ["graph.toml"]
