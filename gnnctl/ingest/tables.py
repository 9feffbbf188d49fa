"""Opens the tables of a spec as DuckDB views, whatever their format, and finds columns in them."""

import copy
import dataclasses
import glob
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnnctl.artifacts import file_checksum
from gnnctl.errors import DataError
from gnnctl.ingest.cypher import cypher_table
from gnnctl.ingest.engine import Engine, literal, quote
from gnnctl.ingest.parse import nearest
from gnnctl.ingest.spec import SPLIT, EdgeSpec, NodeSpec, Source, Spec

_COMPRESSED = (".gz", ".zst", ".bz2")
_READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".txt": "read_csv",
    ".parquet": "read_parquet",
    ".pq": "read_parquet",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}
_ARROW = (".arrow", ".feather", ".ipc", ".arrows")


@dataclass(frozen=True)
class Field:
    """A column or expression of a table: its SQL and its DuckDB type."""

    sql: str
    type: str


class Table:
    """One source, opened.

    Args:
        engine: where the view is made.
        view: name of the view.
        source: what it shows.
        folder: what relative paths are relative to.
        owner: how messages call it, such as ``"nodes 'paper'"``.

    Raises:
        DataError: missing, unreadable or empty.
    """

    def __init__(self, engine: Engine, view: str, source: Source, folder: str, owner: str) -> None:
        self.engine = engine
        self.view = view
        self.label = source.label
        self.what = f"{owner} ({source.label})"
        if source.parts:
            _check_parts(engine, source, folder, self.what)
        relation = _arrow(engine, view, source, folder, self.what) or _relation(source, folder, self.what)
        if relation:
            engine.rows(f"CREATE TEMP VIEW {view} AS {relation}", self.what)
        self.types = engine.describe(f"SELECT * FROM {view}", self.what)
        self._names = {name.lower(): name for name in self.types}
        self._csv = (source, folder) if source.sql is None and relation and " read_csv(" in relation else None

    def only(self, view: str, condition: str, owner: str) -> "Table":
        """The rows of this table for which an SQL condition holds, as a table of its own."""
        found = copy.copy(self)
        found.view = view
        found.what = f"{owner} ({self.label})"
        self.engine.rows(f"CREATE TEMP VIEW {view} AS SELECT * FROM {self.view} WHERE {condition}", found.what)
        found._csv = None
        return found

    def settle(self, name: str, key: str, sql: str) -> None:
        """Read the source once and for all, into a table ``name`` sorted by a further column."""
        self.engine.rows(
            f"CREATE TEMP TABLE {name} AS SELECT *, {sql} AS {key} FROM {self.view} ORDER BY {key}", self.what
        )
        self.view, self._csv = name, None

    def count(self) -> int:
        """Rows in the table.

        Raises:
            DataError: there are none.
        """
        rows = int(self.engine.value(f"SELECT count(*) FROM {self.view}", self.what))
        if rows == 0:
            raise DataError(f"{self.what} has no rows", fix="fill the table, or leave it out of the spec")
        return rows

    def field(self, text: str, role: str) -> Field:
        """The column called ``text``, or else the SQL expression.

        Raises:
            DataError: neither; the message lists the columns.
        """
        name = self._names.get(text.lower())
        if name is not None:
            return Field(quote(name), self.types[name])
        columns = ", ".join(self.types)
        if re.fullmatch(r"[^\W\d]\w*", text):
            fix = f"{nearest(text, self.types)}its columns are {columns}"
            raise DataError(f"{self.what}: {role} column '{text}' is missing", fix=fix)
        try:
            found = self.engine.describe(f"SELECT ({text}) AS value FROM {self.view}", f"{self.what}: {role} '{text}'")
        except DataError as error:
            raise DataError(error.message, fix=f"its columns are {columns}") from None
        return Field(f"({text})", found["value"])

    def id_field(self, text: str, role: str) -> Field:
        """As :meth:`field`, for ids. A column of a CSV file that began like integers is read as text if any value is
        not the plain spelling of one: ``007`` is not ``7``, and the rows that DuckDB looked at were not all."""
        field = self.field(text, role)
        name = self._names.get(text.lower())
        if self._csv is None or name is None or "INT" not in field.type:
            return field
        source, folder = self._csv
        types = source.options.get("types", {})
        if not isinstance(types, dict) or name in types or "all_varchar" in source.options:
            return field
        plain = dataclasses.replace(source, options={**source.options, "types": {**types, name: "VARCHAR"}})
        relation = _relation(plain, folder, self.what)
        number = "(0|-?[1-9][0-9]*)"
        other = f"SELECT 1 FROM ({relation}) WHERE NOT regexp_full_match({field.sql}, '{number}') LIMIT 1"
        if not self.engine.rows(other, self.what):
            return field
        self.engine.rows(f"CREATE OR REPLACE TEMP VIEW {self.view} AS {relation}", self.what)
        self._csv = (plain, folder)
        self.types[name] = "VARCHAR"
        return self.field(text, role)


def source_files(source: Source, folder: str, what: str) -> list[Path]:
    """The files of a source, globs expanded, sorted within each glob; empty for a query or a remote table.

    Raises:
        DataError: a file that does not exist.
    """
    files: list[Path] = []
    for pattern in source.table:
        if "://" in pattern:
            return []
        path = os.path.normpath(os.path.join(folder, pattern))
        found = [path] if os.path.isfile(path) else sorted(glob.glob(path, recursive=True))
        if not found:
            fix = "check the path; it is relative to the spec's folder" if folder != "." else "check the path"
            raise DataError(f"{what}: {path} does not exist", fix=fix)
        if os.path.isdir(found[0]):
            raise DataError(f"{what}: {path} is a folder", fix=f"name its files, as {pattern.rstrip('/')}/*.parquet")
        files += [Path(f) for f in found]
    return files


def checksums(spec: Spec, engine: Engine) -> dict[str, str]:
    """What the spec reads, by name: SHA-256 of each file, or a digest of a query's rows that ignores their order."""
    found: dict[str, str] = {}
    owners: list[tuple[str, NodeSpec | EdgeSpec]] = [(f"nodes '{n.name}'", n) for n in spec.nodes]
    owners += [] if spec.graphs is None else [("graphs", spec.graphs)]
    owners += [(f"edges '{e.type}'", e) for e in spec.edges]
    for owner, part in owners:
        source = part.source
        if source is None:
            continue
        what = f"{owner} ({source.label})"
        for path in source_files(source, spec.folder, what):
            name = os.path.relpath(path, spec.folder)
            if name not in found:
                found[name] = file_checksum(path)
        if source.cypher is not None:
            engine.register("gnnctl_cypher", cypher_table(source, spec.folder, what))
            found[owner] = _rows_digest(engine, "gnnctl_cypher", what)
            engine.unregister("gnnctl_cypher")
        elif source.sql is not None or any("://" in t for t in source.table):
            query = f"({source.sql})" if source.sql is not None else _relation(source, spec.folder, what)
            found[owner] = _rows_digest(engine, query if source.sql is not None else f"({query})", what)
    return found


def _rows_digest(engine: Engine, query: str, what: str) -> str:
    digest = "md5_number(CAST(gnnctl_row AS VARCHAR))"  # the alias stands for the whole row
    row = engine.rows(
        f"SELECT count(*), bit_xor({digest}), sum(CAST({digest} % 9223372036854775807 AS HUGEINT)) "
        f"FROM {query} AS gnnctl_row",
        what,
    )[0]
    # The manifest takes SHA-256 sums only.
    return hashlib.sha256("-".join(str(v) for v in row).encode()).hexdigest()


def _relation(source: Source, folder: str, what: str) -> str:
    """The SELECT that reads a source."""
    if source.sql is not None:
        return source.sql
    if source.parts:
        return _union(source, [_relation(part, folder, what) for part in _each_part(source)])
    files = source_files(source, folder, what)
    if not files:
        return f"SELECT * FROM {literal(source.table[0])}"
    reader = _READERS.get(_suffix(files[0]))
    if reader is None:
        return f"SELECT * FROM {literal(os.path.abspath(files[0]))}"
    options: dict[str, Any] = dict(source.options)
    if len(files) > 1:
        options.setdefault("union_by_name", True)
    if _suffix(files[0]) in (".jsonl", ".ndjson"):
        options.setdefault("format", "newline_delimited")
    arguments = "".join(f", {key} = {literal(value)}" for key, value in options.items())
    return f"SELECT * FROM {reader}({literal([glob.escape(os.path.abspath(f)) for f in files])}{arguments})"


def _each_part(source: Source) -> list[Source]:
    """The files of a source in parts, each as a source of its own."""
    return [dataclasses.replace(source, table=(file,), parts=()) for file in source.table]


def _union(source: Source, relations: list[str]) -> str:
    """The rows of all parts, each with its name in the column ``split``."""
    named = zip(source.parts, relations, strict=True)
    return " UNION ALL BY NAME ".join(
        f"(SELECT *, {literal(part)} AS {quote(SPLIT)} FROM ({relation}))" for part, relation in named
    )


def _check_parts(engine: Engine, source: Source, folder: str, what: str) -> None:
    """A table in parts gets a column ``split``, so it may not have one."""
    for part in _each_part(source):
        if part.table[0].lower().endswith(_ARROW):
            raise DataError(f"{what}: {part.table[0]} is an Arrow file, which cannot be a part", fix="write Parquet")
        names = engine.describe(_relation(part, folder, what), what)
        if SPLIT in {name.lower() for name in names}:
            fix = f"list the files without names: its own column '{SPLIT}' says which part a row is from"
            raise DataError(f"{what}: {part.table[0]} has a column '{SPLIT}' already", fix=fix)


def _suffix(path: Path) -> str:
    name = path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path
    return name.suffix.lower()


def _arrow(engine: Engine, view: str, source: Source, folder: str, what: str) -> str | None:
    """Register Arrow files, or what Cypher gives, under the view's name; None when the source is something else."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    if source.cypher is not None:
        engine.register(f"{view}_arrow", cypher_table(source, folder, what))
        return f"SELECT * FROM {view}_arrow"
    if source.sql is not None or not source.table or not source.table[0].lower().endswith(_ARROW):
        return None
    files = source_files(source, folder, what)
    try:
        streams = [f for f in files if not _is_ipc_file(f)]
        if streams:
            relation: Any = pa.concat_tables([pa.ipc.open_stream(pa.memory_map(str(f))).read_all() for f in files])
        else:
            relation = ds.dataset([str(f) for f in files], format="ipc")
        engine.register(f"{view}_arrow", relation)
    except (pa.ArrowInvalid, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{what} is no readable Arrow file: {reason}", fix="write it as Arrow IPC or Feather") from None
    return f"SELECT * FROM {view}_arrow"


def _is_ipc_file(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"ARROW1"
