"""examples/recommend on people who buy what others of their kind buy; kinds show in the features."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SPEC = """
[nodes.person]
table = "people.parquet"
id = "id"
[nodes.person.features]
a = "raw"
b = "raw"
[nodes.thing]
table = "things.parquet"
id = "id"
[nodes.thing.features]
a = "raw"
b = "raw"
[edges."person buys thing"]
table = "buys.parquet"
source = "person"
target = "thing"
reverse = true
"""


def test_a_network_recommends_to_those_it_never_saw(tmp_path, made_here):
    rng = np.random.default_rng(0)
    kinds = {"people": rng.integers(0, 2, 60), "things": rng.integers(0, 2, 40)}
    for name, kind in kinds.items():
        columns = {
            "id": [f"{name[0]}{i}" for i in range(len(kind))],
            "a": kind * 2.0 - 1,
            "b": rng.normal(size=len(kind)),
        }
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    alike = kinds["people"][:, None] == kinds["things"]
    who, what = np.argwhere(alike & (rng.random(alike.shape) < 0.5)).T
    buys = {"person": [f"p{i}" for i in who], "thing": [f"t{i}" for i in what]}
    pq.write_table(pa.table(buys), tmp_path / "buys.parquet")
    (tmp_path / "shop.toml").write_text(SPEC)
    run = tmp_path / "run"
    made_here(
        "recommend",
        *(f"SPEC={tmp_path / 'shop.toml'}", "EDGES=person buys thing", "FOR=p7", f"RUN={run}"),
        "NETWORK=--model sage --hidden 16 --dropout 0 --num-neighbors 5,5 --lr 0.02 --epochs 15",
        "VECTORS=--model embedding --hidden 8 --epochs 2",
        "LEARN=--loss softmax --negatives 8 --batch-size 64 --seed 1",
    )
    unseen = json.loads((run / "unseen/network/metrics.json").read_text())["test"]
    assert unseen["mrr"] > 1.3 * unseen["baseline"]["mrr"]
    found = pq.read_table(run / "recommended/predictions.parquet").to_pylist()
    assert [row["head"] for row in found] == ["p7"] * 5
    known = set(zip(buys["person"], buys["thing"], strict=True))
    assert known.isdisjoint((row["head"], row["tail"]) for row in found)
    assert np.mean([kinds["things"][int(row["tail"][1:])] == kinds["people"][7] for row in found]) >= 0.8
    assert (run / "known/vectors/report.html").is_file()
