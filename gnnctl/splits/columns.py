"""Kept columns of a graph's tables, by name."""

import difflib
from typing import TYPE_CHECKING

from gnnctl.errors import DataError
from gnnctl.graph.graph import Graph

if TYPE_CHECKING:
    import pyarrow as pa


def column_of(graph: Graph, node_type: str, column: str) -> "pa.Array":
    """A kept column, (N,), without dictionaries.

    Raises:
        DataError: no such type or column; lists those there are.
    """
    if node_type not in graph.stores():
        raise DataError(
            f"the graph has no node type '{node_type}'{nearest_of(node_type, graph.node_types)}",
            fix=f"it has {', '.join(graph.node_types)}",
        )
    return kept_column(graph.store(node_type).columns, column, node_type)


def kept_column(table: "pa.Table | None", column: str, owner: str) -> "pa.Array":
    """A column of a table of kept columns, without dictionaries.

    Raises:
        DataError: no such column; lists those there are.
    """
    import pyarrow as pa

    names = [] if table is None else table.column_names
    if table is None or column not in names:
        kept = f"kept are {', '.join(names)}" if names else "none is kept"
        raise DataError(
            f"the graph keeps no column '{column}' of {owner}{nearest_of(column, names)}",
            fix=f"{kept}; add it to the spec, as label or in columns, and ingest again",
        )
    values = table[column]
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)


def check_single(values: "pa.Array", column: str) -> "pa.Array":
    """The values, each of which is one.

    Raises:
        DataError: they are lists or structures.
    """
    import pyarrow as pa

    if pa.types.is_nested(values.type):
        raise DataError(f"column '{column}' holds {values.type}, not a value a row", fix="name another column")
    return values


def is_number(kind: "pa.DataType") -> bool:
    """Whether values of a type are numbers; booleans are not."""
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def nearest_of(word: str, known: list[str]) -> str:
    """The nearest of some names in brackets, for messages, or nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" (nearest: {close[0]})" if close else ""
