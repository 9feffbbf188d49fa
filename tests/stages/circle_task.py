"""Tables of links: shifts on a circle, which compositions tell, and what people think of things."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv


def write_triples(folder: Path, nodes: int = 24, kinds: int = 4, suffix: str = "parquet") -> None:
    """Tables train, valid and test with head, relation and tail: relation k leads to the k-th next place."""
    rng = np.random.default_rng(0)
    at = np.tile(np.arange(nodes), kinds)
    by = np.repeat(np.arange(1, kinds + 1), nodes)
    order = rng.permutation(len(at))
    cuts = np.split(order, [len(at) * 7 // 10, len(at) * 85 // 100])
    for name, rows in zip(("train", "valid", "test"), cuts, strict=True):
        table = pa.table(
            {
                "head": [f"p{i}" for i in at[rows]],
                "relation": [f"by{k}" for k in by[rows]],
                "tail": [f"p{i}" for i in (at + by)[rows] % nodes],
            }
        )
        if suffix == "parquet":
            pq.write_table(table, folder / f"{name}.parquet")
        else:
            options = csv.WriteOptions(delimiter="\t" if suffix == "tsv" else ",")
            csv.write_csv(table, folder / f"{name}.{suffix}", options)


def write_opinions(folder: Path, people: int = 30, things: int = 20) -> None:
    """People rate things of their own kind; an opinion has a mood that decides whether it is good."""
    rng = np.random.default_rng(0)
    kind, own = rng.integers(0, 2, people), rng.integers(0, 2, things)
    who, what = np.argwhere((kind[:, None] == own[None]) & (rng.random((people, things)) < 0.6)).T
    mood = rng.normal(size=len(who))
    opinions = {
        "who": [f"a{i}" for i in who],
        "what": [f"t{i}" for i in what],
        "mood": mood,
        "good": np.where(mood > 0, "yes", "no"),
        "stars": 3 + mood,
    }
    pq.write_table(pa.table(opinions), folder / "opinions.parquet")
    text = """
        [edges."person rates thing"]
        table = "opinions.parquet"
        source = "who"
        target = "what"
        columns = ["good", "stars"]
        reverse = true
        [edges."person rates thing".features]
        mood = "raw"
    """
    (folder / "graph.toml").write_text(text)
