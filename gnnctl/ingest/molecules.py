"""Molecules, as SMILES in a column or as an SDF file: atoms and bonds made by RDKit, in tables of their own.

What is made stands in ``schemas/spec.md``. Explicit hydrogens are left out, as RDKit's reading does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnnctl.errors import DataError, UsageError
from gnnctl.graph.types import EdgeType
from gnnctl.ingest.engine import Engine, literal
from gnnctl.ingest.spec import EdgeSpec, FeatureSpec, NodeSpec, Source, Spec
from gnnctl.ingest.tables import Table, source_files

if TYPE_CHECKING:
    import pyarrow as pa

ATOM, BOND = "atom", EdgeType("atom", "bond", "atom")
ATOM_FEATURES = {
    **dict.fromkeys(("element", "chirality", "hybridization"), "onehot"),
    **dict.fromkeys(("degree", "charge", "hydrogens", "radicals", "aromatic", "in_ring"), "raw"),
}
BOND_FEATURES = {
    **dict.fromkeys(("kind", "stereo"), "onehot"),
    **dict.fromkeys(("conjugated", "in_ring"), "raw"),
}
PLACES = ("x", "y", "z")
_AT_ONCE = 4096
_SHOWN = 3


def with_molecules(spec: Spec, engine: Engine, folder: Path) -> tuple[Spec, list[str]]:
    """The spec with tables of atoms and bonds in the place of molecules, and what is to be noted.

    Args:
        engine: its tables are opened in; must be the one that ingests the returned spec.
        folder: gets the tables.

    Raises:
        UsageError: RDKit is not installed.
        DataError: molecules that cannot be read, where they are not dropped.
    """
    if spec.molecules is None or spec.graphs is None or spec.graphs.source is None:
        return spec, []
    _chemistry()
    folder.mkdir(parents=True, exist_ok=True)
    graphs, given = spec.graphs, spec.graphs.source
    what = f"graphs ({given.label})"
    atoms, bonds = str(folder / "atoms.parquet"), str(folder / "bonds.parquet")
    if spec.molecules.smiles is None:
        file = source_files(given, spec.folder, what)
        kept = str(folder / "graphs.parquet")
        unreadable, places = _from_sdf([Path(path) for path in file], graphs.id, kept, atoms, bonds)
        source = Source(table=(kept,))
    else:
        table = Table(engine, "molecules", given, spec.folder, "graphs")
        key, smiles = table.field(graphs.id, "id").sql, table.field(spec.molecules.smiles, "smiles").sql
        rows = _rows(engine, f"SELECT {key} AS id, CAST({smiles} AS VARCHAR) AS smiles FROM {table.view}", table.what)
        unreadable, places = _write(rows, atoms, bonds), False
        source = given
        if unreadable:
            read = f"SELECT DISTINCT molecule FROM read_parquet({literal(atoms)})"
            source = Source(sql=f"SELECT * FROM {table.view} WHERE ({key}) IN ({read})")
    notes = []
    if unreadable:
        first = "; ".join(unreadable[:_SHOWN])
        count = "1 molecule" if len(unreadable) == 1 else f"{len(unreadable):,} molecules"
        if spec.molecules.unreadable == "error":
            problem = f"{what}: {count} cannot be read: {first}"
            raise DataError(problem, fix='correct them, or write unreadable = "drop"')
        notes.append(f"{what}: dropped, for they cannot be read, {count}: {first}")
    kept_columns = ("atomic_number", *(PLACES if places else ()))
    node = NodeSpec(
        name=ATOM,
        source=Source(table=(atoms,)),
        graph="molecule",
        columns={name: name for name in kept_columns},
        features=_features(ATOM_FEATURES),
        feature_dtype=graphs.feature_dtype,
    )
    edge = EdgeSpec(type=BOND, source=Source(table=(bonds,)), features=_features(BOND_FEATURES), undirected=True)
    return replace(spec, nodes=(node,), edges=(edge,), graphs=replace(graphs, source=source), molecules=None), notes


def _features(encoders: dict[str, str]) -> tuple[FeatureSpec, ...]:
    return tuple(FeatureSpec(name, name, encoder) for name, encoder in encoders.items())


def _chemistry() -> Any:
    try:
        from rdkit import Chem, RDLogger
    except ImportError:
        raise UsageError("molecules need RDKit, which is not installed", fix="pip install gnnctl[chemistry]") from None
    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]  # what it says of a molecule is in our message
    return Chem


def _rows(engine: Engine, sql: str, what: str) -> Iterator[tuple[Any, str | None]]:
    for batch in engine.batches(sql, what, _AT_ONCE):
        yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)


def _write(rows: Iterator[tuple[Any, str | None]], atoms: str, bonds: str) -> list[str]:
    """Read SMILES; returns what is unreadable."""
    chem = _chemistry()
    with _Tables(atoms, bonds, places=False) as tables:
        for key, text in rows:
            molecule = chem.MolFromSmiles(text) if text else None
            if molecule is None or molecule.GetNumAtoms() == 0:
                tables.unreadable.append(f"{key}: {_shown(text)} is no SMILES")
            else:
                tables.add(key, molecule)
        return tables.unreadable


def _from_sdf(files: Sequence[Path], key: str, graphs: str, atoms: str, bonds: str) -> tuple[list[str], bool]:
    """Read SDF files, molecules and properties; returns what is unreadable, and whether atoms have places."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    chem = _chemistry()
    properties: list[dict[str, str]] = []
    with _Tables(atoms, bonds, places=True) as tables:
        for file in files:
            for i, molecule in enumerate(chem.SDMolSupplier(str(file))):
                where = f"{file.name}, number {i + 1}"
                if molecule is None or molecule.GetNumAtoms() == 0:
                    tables.unreadable.append(where)
                    continue
                found = {"name": molecule.GetProp("_Name"), **molecule.GetPropsAsDict(False, False)}
                found["number"] = str(len(properties) + len(tables.unreadable) + 1)
                if key not in found:
                    fix = f"its properties are {', '.join(found)}; name one as id"
                    raise DataError(f"graphs: {where} has no property '{key}'", fix=fix)
                properties.append({name: str(value) for name, value in found.items()})
                tables.add(str(found[key]), molecule)
        names = list(dict.fromkeys(name for row in properties for name in row))
        columns = {
            name: (texts if name == key else _typed(texts))
            for name in names
            for texts in [pa.array([row.get(name) for row in properties], pa.string())]
        }
        pq.write_table(pa.table(columns), graphs)
        return tables.unreadable, True


def _typed(texts: "pa.Array") -> "pa.Array":
    """Properties are text: numbers where all of them are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for kind in (pa.int64(), pa.float64()):
        try:
            return pc.cast(texts, kind)
        except pa.ArrowInvalid:
            continue
    return texts


def _shown(text: str | None) -> str:
    return "null" if text is None else repr(text if len(text) <= 40 else f"{text[:40]}...")


class _Tables:
    """Atoms and bonds on their way to Parquet; a context manager."""

    def __init__(self, atoms: str, bonds: str, *, places: bool) -> None:
        self.unreadable: list[str] = []
        self._paths, self._places = (atoms, bonds), places
        self._rows: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        self._writers: list[Any] = [None, None]
        self._key: pa.DataType | None = None

    def add(self, key: Any, molecule: Any) -> None:
        """One molecule, its atoms in RDKit's order."""
        atoms, bonds = self._rows
        conformer = molecule.GetConformer() if self._places and molecule.GetNumConformers() else None
        for atom in molecule.GetAtoms():
            place = {} if not self._places else dict.fromkeys(PLACES)
            if conformer is not None:
                place = dict(zip(PLACES, conformer.GetAtomPosition(atom.GetIdx()), strict=True))
            atoms.append(
                {
                    "molecule": key,
                    "id": f"{key}/{atom.GetIdx():05d}",
                    "element": atom.GetSymbol(),
                    "chirality": str(atom.GetChiralTag()),
                    "hybridization": str(atom.GetHybridization()),
                    "degree": atom.GetTotalDegree(),
                    "charge": atom.GetFormalCharge(),
                    "hydrogens": atom.GetTotalNumHs(),
                    "radicals": atom.GetNumRadicalElectrons(),
                    "aromatic": int(atom.GetIsAromatic()),
                    "in_ring": int(atom.IsInRing()),
                    "atomic_number": atom.GetAtomicNum(),
                    **place,
                }
            )
        bonds.extend(
            {
                "source": f"{key}/{bond.GetBeginAtomIdx():05d}",
                "target": f"{key}/{bond.GetEndAtomIdx():05d}",
                "kind": str(bond.GetBondType()),
                "stereo": str(bond.GetStereo()),
                "conjugated": int(bond.GetIsConjugated()),
                "in_ring": int(bond.IsInRing()),
            }
            for bond in molecule.GetBonds()
        )
        if len(atoms) >= 16 * _AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow.parquet as pq

        for i, (path, rows) in enumerate(zip(self._paths, self._rows, strict=True)):
            table = _table(rows, self._schema(i, rows))
            if self._writers[i] is None:
                self._writers[i] = pq.ParquetWriter(path, table.schema)
            self._writers[i].write_table(table)
            rows.clear()

    def _schema(self, which: int, rows: list[dict[str, Any]]) -> "pa.Schema":
        import pyarrow as pa

        if which == 1:
            texts, numbers = ("source", "target", "kind", "stereo"), ("conjugated", "in_ring")
            return pa.schema([*((n, pa.string()) for n in texts), *((n, pa.int8()) for n in numbers)])
        if self._key is None:
            self._key = pa.array([row["molecule"] for row in rows[:1]]).type if rows else pa.string()
        return pa.schema(
            [
                ("molecule", self._key),
                *((n, pa.string()) for n in ("id", "element", "chirality", "hybridization")),
                *((n, pa.int16()) for n in (*list(ATOM_FEATURES)[3:], "atomic_number")),
                *((n, pa.float64()) for n in (PLACES if self._places else ())),
            ]
        )

    def __enter__(self) -> "_Tables":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self._flush()
        for writer in self._writers:
            if writer is not None:
                writer.close()


def _table(rows: list[dict[str, Any]], schema: "pa.Schema") -> "pa.Table":
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=schema)
