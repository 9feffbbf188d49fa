"""examples/ratings and examples/molecules, on tables of their own making."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest


def test_ratings_follow_tastes(tmp_path, made_here):
    rng = np.random.default_rng(0)
    taste, kind = rng.normal(size=(60, 2)), rng.normal(size=(40, 2))
    who, what = np.argwhere(rng.random((60, 40)) < 0.5).T
    rating = 3 + (taste[who] * kind[what]).sum(1)
    table = {"person": [f"p{i}" for i in who], "thing": [f"t{i}" for i in what], "rating": rating}
    pq.write_table(pa.table({**table, "liked": np.where(rating > 3, "yes", "no")}), tmp_path / "ratings.parquet")
    made_here("ratings", f"RATINGS={tmp_path / 'ratings.parquet'}", f"RUN={tmp_path / 'run'}")
    rating, liked = (
        json.loads((tmp_path / f"run/{n}/model/metrics.json").read_text())["test"] for n in ("rating", "liked")
    )
    assert rating["rmse"] < 0.6 * rating["baseline"]["rmse"]
    assert liked["accuracy"] > liked["baseline"]["accuracy"] + 0.2
    assert (tmp_path / "run/liked/predictions/predictions.parquet").is_file()


def test_molecules_have_several_properties(tmp_path, made_here):
    pytest.importorskip("rdkit")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(60):
        chain = "".join(rng.choice(["C", "C", "N", "O"], rng.integers(3, 9)))
        smiles = f"C1CC1{chain}" if rng.random() < 0.5 else f"C{chain}"
        rows.append({"id": i, "smiles": smiles, "ring": int("1" in smiles), "oxygen": int("O" in chain)})
    rows[7]["oxygen"] = rows[9]["ring"] = None
    rows[11]["smiles"] = "C1CC"
    pa.csv.write_csv(pa.Table.from_pylist(rows), tmp_path / "molecules.csv")
    train = "TRAIN=--model gin --hidden 16 --readout sum --dropout 0 --batch-size 16 --lr 0.01 --epochs 10 --seed 1"
    given = [f"TABLE={tmp_path / 'molecules.csv'}", "TARGETS=ring,oxygen", "FOLDS=3", f"RUN={tmp_path / 'run'}", train]
    found = made_here("molecules", *given, "all", "folds")
    assert "dropped, for they cannot be read, 1 molecule: 11: 'C1CC'" in found.stderr
    metrics = json.loads((tmp_path / "run/model/metrics.json").read_text())["train"]
    assert metrics["auroc/ring"] > 0.9
    columns = pq.read_schema(tmp_path / "run/predictions/predictions.parquet").names
    assert {"score_ring", "target_oxygen"} <= set(columns)
    assert "folds" in json.loads((tmp_path / "run/folds/metrics.json").read_text())
