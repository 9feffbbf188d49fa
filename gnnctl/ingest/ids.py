"""Types of ids: which tables' ids can be compared as they are, and which only as text."""

from gnnctl.errors import DataError
from gnnctl.ingest.tables import Field, Table

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_AS_THEY_ARE = ("DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "BLOB")
_INEXACT = ("FLOAT", "DOUBLE", "DECIMAL")

TEXT = "VARCHAR"


def id_type(field: Field, table: Table, role: str) -> str:
    """DuckDB type that ids of a column are kept as: BIGINT for integers, VARCHAR for most else.

    Raises:
        DataError: numbers with a fraction, lists, structures.
    """
    if field.type in _INTEGERS:
        return "BIGINT"
    if field.type in _AS_THEY_ARE:
        return field.type
    nested = field.type.endswith("]") or field.type.startswith(("STRUCT", "MAP", "UNION"))
    if nested or field.type.startswith(_INEXACT):
        fix = f"choose a column of text or integers, or cast it: CAST({field.sql} AS BIGINT)"
        raise DataError(f"{table.what}: {role} column {field.sql} has type {field.type}, no type for ids", fix=fix)
    return TEXT


def common_type(types: list[str]) -> str:
    """The one type of all, else text."""
    return types[0] if len(set(types)) == 1 else TEXT


def kept_sql(field: Field) -> str:
    """SQL of a column that is kept as it is; types that Arrow does not have become text."""
    return f"CAST({field.sql} AS VARCHAR)" if field.type.startswith(("ENUM", "UUID", "JSON")) else field.sql


def time_sql(field: Field, table: Table, role: str) -> str:
    """SQL that gives a time as BIGINT: integers as they are, dates and timestamps in microseconds since 1970 (UTC).

    Raises:
        DataError: a type that is no time.
    """
    if field.type in (*_INTEGERS, "UBIGINT"):
        return f"CAST({field.sql} AS BIGINT)"
    if field.type.startswith(("DATE", "TIMESTAMP")) and not field.type.endswith("]"):
        return f"epoch_us(CAST({field.sql} AS TIMESTAMP))"
    fix = f"choose a column of integers, dates or timestamps, or cast it: CAST({field.sql} AS TIMESTAMP)"
    raise DataError(f"{table.what}: {role} column {field.sql} has type {field.type}, no type for times", fix=fix)
