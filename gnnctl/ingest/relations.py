"""Edge tables whose rows say of which relation they are: a table of (head, relation, tail) is a type for each."""

import dataclasses
from typing import NamedTuple

from gnnctl.errors import DataError
from gnnctl.graph.types import EdgeType, relation_name
from gnnctl.ingest.engine import Engine, literal
from gnnctl.ingest.parse import nearest, type_twice
from gnnctl.ingest.spec import EdgeSpec, Spec
from gnnctl.ingest.tables import Table

# A type has arrays, files and weights of its own: more of them than this is a column of something else.
MOST = 2048
_KEY = "gnnctl_relation"
_SHOWN = 3


class EdgeTable(NamedTuple):
    """An edge type and its rows; ``whole`` is the table that it shares with other types, or its own."""

    spec: EdgeSpec
    table: Table
    whole: Table


def edge_tables(spec: Spec, engine: Engine, notes: list[str]) -> list[EdgeTable]:
    """Open the table of every edge type; a section with ``relation`` becomes a type for each value, by their names.

    Args:
        notes: takes what the user should know.

    Raises:
        DataError: a table that cannot be read, or values that cannot name edge types.
    """
    found = []
    for i, edge in enumerate(spec.edges):
        table = Table(engine, f"edge_view_{i}", edge.source, spec.folder, f"edges '{edge.type}'")
        if edge.relation is None:
            found.append(EdgeTable(edge, table, table))
            continue
        for j, (name, value) in enumerate(_relations(engine, f"edge_rows_{i}", table, edge, notes)):
            kind = EdgeType(edge.type.src, name, edge.type.dst)
            rows = table.only(f"edge_view_{i}_{j}", f"{_KEY} = {literal(value)}", f"edges '{kind}'")
            found.append(EdgeTable(dataclasses.replace(edge, type=kind, relation=None), rows, table))
    if twice := type_twice(entry.spec for entry in found):
        raise DataError(
            f"two edge types are called '{twice}'", fix="rename a relation, by an expression or in the spec"
        )
    return found


def _relations(engine: Engine, name: str, table: Table, edge: EdgeSpec, notes: list[str]) -> list[tuple[str, str]]:
    """Names and values of the relations, sorted by name; the table is read and sorted by them."""
    assert edge.relation is not None
    column = f"{table.what}: relation column '{edge.relation}'"
    field = table.field(edge.relation, "relation")
    if field.type.endswith("]") or field.type.startswith(("STRUCT", "MAP", "UNION", "BLOB")):
        raise DataError(f"{column} has type {field.type}, no type for names", fix="choose a column of text or numbers")
    table.count()
    for end, role in ((edge.source_id, "source"), (edge.target_id, "target")):
        table.id_field(end, role)  # settles whether these columns of a CSV file are integers
    text = f"trim(CAST({field.sql} AS VARCHAR))"
    missing = f"FROM {table.view} WHERE {text} IS NULL OR {text} = ''"
    if count := int(engine.value(f"SELECT count(*) {missing}", table.what)):
        rows = "row" if count == 1 else "rows"
        fix = 'fill it in, or leave these rows out with sql = "..."'
        raise DataError(f"{column} is null or empty in {count:,} {rows}", fix=fix)
    count = int(engine.value(f"SELECT count(DISTINCT {text}) FROM {table.view}", table.what))
    if count > MOST:
        fix = f"{nearest('relation', table.types)}choose the column that says how two nodes are linked"
        raise DataError(f"{column} has {count:,} distinct values; at most {MOST:,} edge types are made", fix=fix)
    values = [v for (v,) in engine.rows(f"SELECT DISTINCT {text} AS v FROM {table.view} ORDER BY v", table.what)]
    named: dict[str, str] = {}
    for value in values:
        made = relation_name(value)
        if not made:
            raise DataError(
                f"{column}: {value!r} has no letter from A to Z and no digit to name an edge type by",
                fix="rename it, in the table or by an expression",
            )
        if made in named:
            raise DataError(
                f"{column}: {named[made]!r} and {value!r} would both be called '{made}'",
                fix="rename one, in the table or by an expression",
            )
        named[made] = value
    changed = [f"{value!r} is {made}" for made, value in named.items() if made != value]
    if changed:
        some = ", ".join(changed[:_SHOWN]) + (f", and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else "")
        notes.append(f"edges '{edge.type}': relations are named by what an edge type may be called: {some}")
    table.settle(name, _KEY, text)
    return sorted(named.items())
