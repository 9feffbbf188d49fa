"""What the columns of a table look like: types, distinct values, nulls; what a guess is made from."""

import re
from dataclasses import dataclass

from gnnctl.ingest.engine import Engine, quote
from gnnctl.ingest.spec import Source
from gnnctl.ingest.tables import Table

_INTEGER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)")
_NUMBER = re.compile(r"(U?HUGEINT|FLOAT|DOUBLE|DECIMAL.*)")
_LIST = re.compile(r"(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(.*\)|BOOLEAN)\[\d*\]")


@dataclass(frozen=True)
class ColumnProfile:
    """One column.

    Attributes:
        kind: ``integer``, ``number``, ``text``, ``boolean``, ``time``, ``vector``, ``list`` or ``other``.
        distinct: distinct values, nulls not counted; exact.
        nulls: null rows.
        words: average words a value, for text.
        least, most, median: for numbers; NaN left out.
        nan: whether NaN or infinities occur.
        lengths: shortest and longest list, for vectors.
    """

    name: str
    type: str
    kind: str
    distinct: int = 0
    nulls: int = 0
    words: float = 0.0
    least: float = 0.0
    most: float = 0.0
    median: float = 0.0
    nan: bool = False
    lengths: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class TableProfile:
    """One table: its name as a type, its file as written, its columns by name; ``value`` is what a spec calls it."""

    name: str
    file: str
    value: str | dict[str, str]
    table: Table
    rows: int
    columns: dict[str, ColumnProfile]

    @property
    def id_like(self) -> list[ColumnProfile]:
        """Columns that could name nodes."""
        return [c for c in self.columns.values() if c.kind in ("integer", "text") and c.distinct]

    @property
    def unique(self) -> list[ColumnProfile]:
        """Columns that could be the id of this table's rows, likeliest first."""
        found = [c for c in self.id_like if c.distinct == self.rows]
        words = {"id": 0, f"{self.name}_id": 1, f"{self.name.rstrip('s')}_id": 1, "key": 2, "name": 3}
        order = {c.name: i for i, c in enumerate(self.columns.values())}
        return sorted(found, key=lambda c: (words.get(c.name.lower(), 4), order[c.name]))


def profile(engine: Engine, index: int, name: str, file: str | dict[str, str]) -> TableProfile:
    """Read the statistics of a table, or of one in parts.

    Raises:
        DataError: missing, unreadable or empty.
    """
    parts = file if isinstance(file, dict) else {}
    source = Source(tuple(parts.values()), parts=tuple(parts)) if isinstance(file, dict) else Source((file,))
    table = Table(engine, f"guess_view_{index}", source, ".", "table")
    for column in list(table.types):
        table.id_field(column, "id")  # settles which columns of a CSV file are integers throughout
    rows = table.count()
    columns = {column: _column(engine, table, column, kind) for column, kind in table.types.items()}
    return TableProfile(name, table.label, file, table, rows, columns)


def _column(engine: Engine, table: Table, name: str, column_type: str) -> ColumnProfile:
    sql, kind = quote(name), _kind(column_type)
    if kind == "other":
        return ColumnProfile(name, column_type, kind)
    if kind in ("vector", "list"):
        lengths = f"coalesce(min(len({sql})), 0), coalesce(max(len({sql})), 0)"
        low, high, nulls = engine.rows(f"SELECT {lengths}, count(*) - count({sql}) FROM {table.view}", table.what)[0]
        return ColumnProfile(name, column_type, kind, nulls=nulls, lengths=(low, high))
    parts = [f"count(DISTINCT {sql})", f"count(*) - count({sql})"]
    if kind == "text":
        parts.append(f"coalesce(avg(len(string_split(trim({sql}), ' '))), 0)")
    if kind in ("integer", "number"):
        value = f"CAST({sql} AS DOUBLE)"
        finite = f"FILTER (WHERE isfinite({value}))"
        parts += [f"coalesce({f}({value}) {finite}, 0)" for f in ("min", "max", "median")]
        parts.append(f"count(*) FILTER (WHERE NOT isfinite({value})) > 0")
    found = engine.rows(f"SELECT {', '.join(parts)} FROM {table.view}", table.what)[0]
    if kind == "text":
        return ColumnProfile(name, column_type, kind, found[0], found[1], words=found[2])
    if kind in ("integer", "number"):
        least, most, median, nan = found[2:]
        return ColumnProfile(name, column_type, kind, found[0], found[1], 0.0, least, most, median, nan)
    return ColumnProfile(name, column_type, kind, found[0], found[1])


def _kind(column_type: str) -> str:
    if _LIST.fullmatch(column_type):
        return "vector"
    if column_type.endswith("]"):
        return "list" if column_type.count("[") == 1 and column_type.startswith("VARCHAR") else "other"
    if _INTEGER.fullmatch(column_type):
        return "integer"
    if _NUMBER.fullmatch(column_type):
        return "number"
    if column_type.startswith(("VARCHAR", "ENUM", "UUID")):
        return "text"
    if column_type == "BOOLEAN":
        return "boolean"
    return "time" if column_type.startswith(("DATE", "TIMESTAMP")) else "other"
