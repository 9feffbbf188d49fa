"""Tables of pairs in original ids: read as asked for, and written with their scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from gnnctl.errors import DataError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.splits.link import Links
from gnnctl.splits.link_target import LinkTarget
from gnnctl.training.predictions import predicted_values

HEAD, RELATION, TAIL = "head", "relation", "tail"


def relation_names(edge_types: list[EdgeType]) -> list[str]:
    """What each type is called in a table: its relation, or where two share that, the whole type."""
    short = [t.rel for t in edge_types]
    return short if len(set(short)) == len(short) else [str(t) for t in edge_types]


def read_pairs(path: Path, graph: Graph, edge_types: list[EdgeType]) -> Links:
    """Pairs of a Parquet, CSV or TSV file with the columns head, relation and tail, in its order.

    Args:
        path: without the column relation where there is one edge type.
        graph: whose ids the pairs are written in.
        edge_types: that may be asked for.

    Raises:
        DataError: unreadable, a column is missing, or an id or a relation is unknown.
    """
    table = _read(path)
    wanted = [HEAD, TAIL] if len(edge_types) == 1 and RELATION not in table.column_names else [HEAD, RELATION, TAIL]
    for name in wanted:
        if name not in table.column_names:
            raise DataError(
                f"--pairs {path} has no column '{name}'", fix=f"it has {', '.join(table.column_names) or 'none'}"
            )
        if table[name].null_count:
            raise DataError(f"--pairs {path}: column '{name}' has nulls", fix="fill them or leave the rows out")
    count = table.num_rows
    if not count:
        raise DataError(f"--pairs {path} holds no pair", fix="write one a row")
    relation = np.zeros(count, np.int64)
    if RELATION in wanted:
        numbers = {str(t): i for i, t in enumerate(edge_types)} | {
            name: i for i, name in enumerate(relation_names(edge_types))
        }
        asked = [str(value) for value in table[RELATION].to_pylist()]
        for value in asked:
            if value not in numbers:
                raise DataError(
                    f"--pairs {path}: no relation '{value}' is predicted",
                    fix=f"there are {', '.join(relation_names(edge_types)[:10])}",
                )
        relation = np.array([numbers[value] for value in asked], np.int64)
    src, dst = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for number, t in enumerate(edge_types):
        rows = np.flatnonzero(relation == number)
        if len(rows):
            taken = pa.array(rows)
            src[rows] = graph.rows_of(t.src, table[HEAD].take(taken).to_pylist())
            dst[rows] = graph.rows_of(t.dst, table[TAIL].take(taken).to_pylist())
    return Links(relation, src, dst, np.full(count, -1))


def _read(path: Path) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        text = csv.ConvertOptions(column_types={HEAD: pa.string(), RELATION: pa.string(), TAIL: pa.string()})
        parse = csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ",")
        return csv.read_csv(path, parse_options=parse, convert_options=text)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"--pairs {path} cannot be read: {error}", fix="pass Parquet, CSV or TSV") from None


def pair_columns(graph: Graph, edge_types: list[EdgeType], links: Links) -> dict[str, Any]:
    """The columns head, relation and tail, ids as they are in the graph (as text, where types' ids differ)."""
    return {
        HEAD: _ids(graph, [t.src for t in edge_types], links.relation, links.src),
        RELATION: pa.array(relation_names(edge_types)).take(pa.array(links.relation)),
        TAIL: _ids(graph, [t.dst for t in edge_types], links.relation, links.dst),
    }


def _ids(graph: Graph, node_types: list[str], relation: np.ndarray, rows: np.ndarray) -> pa.Array:
    names = list(dict.fromkeys(node_types))
    place = np.array([names.index(t) for t in node_types], np.int64)[relation]
    parts, order = [], []
    for number, name in enumerate(names):
        chosen = np.flatnonzero(place == number)
        parts.append(graph.ids_of(name, rows[chosen]))
        order.append(chosen)
    kinds = {part.type for part in parts}
    joined = pa.chunked_array([p if len(kinds) == 1 else p.cast(pa.string()) for p in parts]).combine_chunks()
    return joined.take(pa.array(np.argsort(np.concatenate(order), kind="stable")))


def label_columns(graph: Graph, target: LinkTarget, links: Links, scores: np.ndarray) -> dict[str, Any]:
    """The columns target, prediction and score of labelled edges, as :func:`predictions_table` has them of nodes."""
    predicted = predicted_values(target, scores)
    known = _known_values(graph, target, links)
    columns = {"target": pa.nulls(len(scores), predicted.type) if known is None else known, "prediction": predicted}
    if target.classes is None:
        return {**columns, "score": pa.array(np.ascontiguousarray(scores[:, 0]))}
    every = {f"score_{name}": pa.array(np.ascontiguousarray(scores[:, i])) for i, name in enumerate(target.classes)}
    return {**columns, **every}


def _known_values(graph: Graph, target: LinkTarget, links: Links) -> pa.Array | None:
    """The kept column's own values; None where a pair is no edge, or a type does not keep the column."""
    if not (links.pos >= 0).all():
        return None
    parts, order = [], []
    for number, t in enumerate(target.edge_types):
        rows = np.flatnonzero(links.relation == number)
        if not len(rows):
            continue
        columns = graph.edges[t].columns
        if columns is None or target.column not in columns.column_names:
            return None
        parts.append(columns[target.column].take(pa.array(links.pos[rows])))
        order.append(rows)
    if not parts:
        return None
    joined = pa.chunked_array([chunk for part in parts for chunk in part.chunks]).combine_chunks()
    return joined.take(pa.array(np.argsort(np.concatenate(order), kind="stable")))
