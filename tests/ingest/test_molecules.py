"""Molecules from SMILES and SDF, against RDKit's own counts and torch-geometric's features."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from torch_geometric.utils import from_smiles as peer

from gnnctl.graph import Graph

chem = pytest.importorskip("rdkit.Chem")

SMILES = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "CCO",
    "C",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "C[C@H](N)C(=O)O",
    "[Na+].[Cl-]",
    "F/C=C/F",
]
SPEC = '[graphs]\ntable = "m.csv"\nsmiles = "smiles"\nid = "id"\nlabel = "y"\n'


def write(folder, smiles, *, order=None, more=""):
    rows = order if order is not None else range(len(smiles))
    ids = [f"m{i}" for i in rows]
    table = pa.table({"id": ids, "smiles": [smiles[i] for i in rows], "y": [float(i) for i in rows]})
    pa.csv.write_csv(table, folder / "m.csv")
    spec = folder / "m.toml"
    spec.write_text(SPEC + more)
    return spec


@pytest.fixture
def ingest(cli):
    """Run the stage; answers (exit code, stderr)."""

    def run(spec, out):
        code, _, said = cli("ingest", spec, "-o", out)
        return code, said

    return run


def test_atoms_and_bonds_are_torch_geometrics(ingest, tmp_path):
    assert ingest(write(tmp_path, SMILES), tmp_path / "g")[0] == 0
    graph = Graph.open(tmp_path / "g")
    atoms, bonds = graph.nodes["atom"], next(iter(graph.edges.values()))
    ptr = graph.graphs.ptr["atom"]
    at = {name: i for i, name in enumerate(atoms.feature_names)}
    for i, text in enumerate(SMILES):
        wanted = peer(text)
        rows = slice(int(ptr[i]), int(ptr[i + 1]))
        assert atoms.columns["atomic_number"].to_numpy()[rows].tolist() == wanted.x[:, 0].tolist()
        for column, place in (("degree", 2), ("hydrogens", 4), ("radicals", 5), ("aromatic", 7), ("in_ring", 8)):
            assert atoms.x[rows, at[column]].tolist() == wanted.x[:, place].tolist(), column
        assert atoms.x[rows, at["charge"]].tolist() == (wanted.x[:, 3] - 5).tolist()  # torch-geometric counts from -5
        found = [
            (int(bonds.row[e]) - int(ptr[i]), v - int(ptr[i]))
            for v in range(rows.start, rows.stop)
            for e in range(int(bonds.colptr[v]), int(bonds.colptr[v + 1]))
        ]
        assert sorted(found) == sorted(map(tuple, wanted.edge_index.T.tolist()))
    conjugated = np.asarray(bonds.edge_attr)[:, bonds.feature_names.index("conjugated")].sum()
    assert conjugated == sum(peer(text).edge_attr[:, 2].sum().item() for text in SMILES)


def test_order_of_molecules_does_not_matter(ingest, tmp_path):
    contents = []
    for i, order in enumerate((range(7), [3, 1, 6, 0, 5, 2, 4])):
        folder = tmp_path / str(i)
        folder.mkdir()
        assert ingest(write(folder, SMILES, order=order), folder / "g")[0] == 0
        contents.append(Graph.open(folder / "g").artifact.manifest.content)
    assert contents[0] == contents[1]


def test_what_cannot_be_read_is_named_or_dropped(ingest, tmp_path):
    broken = [*SMILES[:2], "C1CC", ""]
    code, said = ingest(write(tmp_path, broken), tmp_path / "g")
    assert code == 3
    assert "2 molecules cannot be read: m2: 'C1CC' is no SMILES" in said
    assert not (tmp_path / "g").exists()
    assert ingest(write(tmp_path, broken, more='unreadable = "drop"\n'), tmp_path / "g")[0] == 0
    assert Graph.open(tmp_path / "g").graphs.num_graphs == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('unreadable = "maybe"\n', "it takes error, drop"),
        ('[nodes.atom]\ntable = "m.csv"\ngraph = "id"\n', "make their own atoms and bonds"),
    ],
)
def test_specs_that_do_not_fit_are_refused(ingest, tmp_path, more, message):
    code, said = ingest(write(tmp_path, SMILES, more=more), tmp_path / "g")
    assert code == 3
    assert message in said


def test_a_missing_column_of_smiles_is_named(ingest, tmp_path):
    spec = write(tmp_path, SMILES)
    spec.write_text(spec.read_text().replace('smiles = "smiles"', 'smiles = "smile"'))
    code, said = ingest(spec, tmp_path / "g")
    assert code == 3
    assert "smile" in said


def test_an_sdf_file_keeps_places_and_properties(ingest, tmp_path):
    from rdkit.Chem import AllChem

    places = []
    with chem.SDWriter(str(tmp_path / "m.sdf")) as writer:
        for i, text in enumerate(("CCO", "c1ccccc1", "CC(=O)O")):
            molecule = chem.AddHs(chem.MolFromSmiles(text))
            AllChem.EmbedMolecule(molecule, randomSeed=1)
            molecule.SetProp("_Name", f"m{i}")
            molecule.SetProp("energy", str(i / 2))
            writer.write(molecule)
            places.append(molecule.GetConformer().GetPositions()[: chem.RemoveHs(molecule).GetNumAtoms()])
    spec = tmp_path / "m.toml"
    spec.write_text('[graphs]\ntable = "m.sdf"\nid = "name"\nlabel = "energy"\n')
    assert ingest(spec, tmp_path / "g")[0] == 0
    graph = Graph.open(tmp_path / "g")
    columns = graph.nodes["atom"].columns
    found = np.stack([columns[axis].to_numpy() for axis in "xyz"], 1)
    np.testing.assert_allclose(found, np.concatenate(places), atol=1e-3)  # the format keeps four digits
    assert graph.graphs.table.columns["energy"].to_pylist() == [0.0, 0.5, 1.0]


def test_a_model_of_atoms_in_space_trains_from_an_sdf_file(cli, ingest, tmp_path):
    from rdkit.Chem import AllChem

    with chem.SDWriter(str(tmp_path / "m.sdf")) as writer:
        for i in range(12):
            molecule = chem.AddHs(chem.MolFromSmiles("C" * (1 + i % 4) + ("O" if i % 2 else "N")))
            AllChem.EmbedMolecule(molecule, randomSeed=i)
            molecule.SetProp("_Name", f"m{i:02d}")
            molecule.SetProp("energy", str(i % 4))
            writer.write(molecule)
    spec = tmp_path / "m.toml"
    spec.write_text('[graphs]\ntable = "m.sdf"\nid = "name"\nlabel = "energy"\n')
    assert ingest(spec, tmp_path / "g")[0] == 0
    parts = ("--val", "0.25", "--test", "0.25", "--problem", "regression")
    assert cli("split", tmp_path / "g", "-o", tmp_path / "s", "--task", "graph", *parts)[0] == 0
    size = ("--hidden", "8", "--epochs", "1")
    code, _, said = cli("train", tmp_path / "s", "-o", tmp_path / "m", "--model", "schnet", *size)
    assert code == 0, said
