"""Tables of molecules in space: atoms with kinds and places, bonds with orders, and an energy that both make."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SPEC = """
[graphs]
table = "molecules.parquet"
id = "molecule"
label = "energy"
columns = ["doubles", "size"]

[nodes.atom]
table = "atoms.parquet"
id = "molecule * 100 + place"
graph = "molecule"
columns = ["x", "y", "z", "atomic_number", "element", "charge"]
[nodes.atom.features]
element = "onehot"

[edges."atom bond atom"]
table = "bonds.parquet"
source = "molecule * 100 + a"
target = "molecule * 100 + b"
undirected = true
[edges."atom bond atom".features]
bond_order = "raw"
"""
ELEMENTS = {6: "C", 7: "N", 8: "O"}


def write_atoms(folder: Path, count: int = 60, seed: int = 0, first: int = 0) -> Path:
    """Chains of three to six atoms about 1.5 apart; the energy falls with the distance of charges."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    molecules, atoms, bonds = [], [], []
    for m in range(first, first + count):
        size = int(rng.integers(3, 7))
        kind = rng.choice(list(ELEMENTS), size)
        steps = rng.normal(size=(size, 3))
        pos = np.cumsum(1.5 * steps / np.linalg.norm(steps, axis=1, keepdims=True), axis=0)
        away = np.linalg.norm(pos[:, None] - pos[None], axis=2) + np.eye(size)
        energy = float((np.triu(np.outer(kind, kind) / away, 1)).sum() / 40)
        order = rng.integers(1, 3, size - 1)
        doubles, large = float((order == 2).sum()), "large" if size > 4 else "small"
        molecules.append({"molecule": m, "energy": energy, "doubles": doubles, "size": large})
        for i in range(size):
            x, y, z = pos[i].tolist()
            n = int(kind[i])
            atoms.append({"molecule": m, "place": i, "x": x, "y": y, "z": z, "atomic_number": n,
                          "element": ELEMENTS[n], "charge": None if i else 1})  # fmt: skip
        bonds += [{"molecule": m, "a": i, "b": i + 1, "bond_order": float(order[i])} for i in range(size - 1)]
    for name, rows in (("molecules", molecules), ("atoms", atoms), ("bonds", bonds)):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    spec = folder / "atoms.toml"
    spec.write_text(SPEC)
    return spec
