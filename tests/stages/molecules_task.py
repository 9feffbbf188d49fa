"""A task of whole graphs: rings and chains of atoms, to be told apart, or their nitrogens to be counted."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SPEC = """
[graphs]
table = "graphs.parquet"
id = "graph_id"
label = "label"
columns = ["nitrogens", "groups", "given"]
{features}
[nodes.atom]
table = "nodes.parquet"
id = "graph_id * 1000 + node_id"
graph = "graph_id"
[nodes.atom.features]
kind = "onehot"

[edges."atom bond atom"]
table = "edges.parquet"
source = "graph_id * 1000 + src"
target = "graph_id * 1000 + dst"
undirected = true
"""


def write_molecules(folder: Path, count: int = 60, seed: int = 0, *, first: int = 0, features: str = "") -> Path:
    """Tables of ``count`` graphs and their spec; returns the spec's path."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    columns: dict[str, dict[str, list]] = {
        "graphs": {"graph_id": [], "label": [], "nitrogens": [], "groups": [], "given": []},
        "nodes": {"graph_id": [], "node_id": [], "kind": []},
        "edges": {"graph_id": [], "src": [], "dst": []},
    }
    for g in range(first, first + count):
        ring, size = bool(rng.integers(2)), int(rng.integers(4, 9))
        kinds = rng.choice(["C", "N"], size).tolist()
        bonds = [(i, i + 1) for i in range(size - 1)] + ([(size - 1, 0)] if ring else [])
        found = {
            "graphs": [
                (g, "ring" if ring else "chain", float(kinds.count("N")), ["ring"] * ring + ["large"] * (size > 6))
            ],
            "nodes": [(g, i, kind) for i, kind in enumerate(kinds)],
            "edges": [(g, a, b) for a, b in bonds],
        }
        found["graphs"] = [(*row, ("train", "val", "test")[g % 3]) for row in found["graphs"]]
        for name, rows in found.items():
            for row in rows:
                for column, value in zip(columns[name], row, strict=True):
                    columns[name][column].append(value)
    for name, table in columns.items():
        pq.write_table(pa.table(table), folder / f"{name}.parquet")
    spec = folder / "molecules.toml"
    spec.write_text(SPEC.format(features=features))
    return spec
