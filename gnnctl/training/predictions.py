"""The predictions table: original ids, parts, targets, predictions and scores."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gnnctl.errors import DataError
from gnnctl.graph.graph import Graph
from gnnctl.splits.several import SEVERAL

FILE = "predictions.parquet"
EMBEDDINGS = "embeddings.parquet"  # of the nodes, where pairs are scored
ROW_GROUP = 1 << 16


def predictions_table(
    graph: Graph,
    target: Any,
    rows: np.ndarray,
    parts: np.ndarray,
    scores: np.ndarray,
    embeddings: np.ndarray | None = None,
) -> pa.Table:
    """One row a node, or a graph, in the order of ``rows``.

    Args:
        graph: the graph that was scored.
        target: the split's target.
        rows: (n,) int64 node rows.
        parts: (n,) int8 places in :data:`PARTS`.
        scores: (n, num_outputs) float32 from ``Task.scores``.
        embeddings: (n, width) float32, added as a column of fixed-size lists.

    Returns:
        columns ``id``, ``split``, ``target`` (null where unknown), ``prediction`` and ``score_CLASS`` each, or
        ``score`` for a number. Of several targets each has ``target_NAME``, ``prediction_NAME``, and where it is yes or
        no ``score_NAME``.
    """
    columns: dict[str, pa.Array] = {
        "id": graph.ids_of(target.node_type, rows),
        "split": part_names(parts),
    }
    if target.problem in SEVERAL:
        columns |= _several_columns(graph, target, rows, scores)
        if embeddings is not None:
            columns["embedding"] = embedding_column(embeddings)
        return pa.table(list(columns.values()), names=list(columns))
    known = known_targets(graph, target, rows)
    predicted = predicted_values(target, scores)
    columns["target"] = known if known is not None else pa.nulls(len(rows), predicted.type)
    columns["prediction"] = predicted
    if target.classes is None:
        columns["score"] = pa.array(scores[:, 0])
    else:
        for i, name in enumerate(target.classes):
            columns[f"score_{name}"] = pa.array(np.ascontiguousarray(scores[:, i]))
    if embeddings is not None:
        columns["embedding"] = embedding_column(embeddings)
    return pa.table(list(columns.values()), names=list(columns))


def _several_columns(graph: Graph, target: Any, rows: np.ndarray, scores: np.ndarray) -> dict[str, pa.Array]:
    columns: dict[str, pa.Array] = {}
    for i, name in enumerate(target.classes):
        values = np.ascontiguousarray(scores[:, i])
        predicted = pa.array(values >= 0.5) if target.problem == "multibinary" else pa.array(values)
        known = column_values(graph, target.node_type, name, rows)
        columns[f"target_{name}"] = known if known is not None else pa.nulls(len(rows), predicted.type)
        columns[f"prediction_{name}"] = predicted
        if target.problem == "multibinary":
            columns[f"score_{name}"] = pa.array(values)
    return columns


def embedding_column(embeddings: np.ndarray) -> pa.Array:
    """(n, width) as fixed-size lists of float32."""
    flat = pa.array(np.ascontiguousarray(embeddings, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, embeddings.shape[1])


def predicted_values(target: Any, scores: np.ndarray) -> pa.Array:
    """The predicted class, the list of labels with at least 0.5, or the number; in the target's own values."""
    if target.problem == "regression":
        return pa.array(scores[:, 0])
    classes = pa.array(target.classes)
    if target.problem == "multiclass":
        return classes.take(pa.array(scores.argmax(axis=1)))
    chosen = scores >= 0.5
    offsets = np.zeros(len(scores) + 1, np.int32)
    np.cumsum(chosen.sum(axis=1), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), classes.take(pa.array(np.nonzero(chosen)[1])))


def known_targets(graph: Graph, target: Any, rows: np.ndarray) -> pa.Array | None:
    """The label column's own values at ``rows``; None where the graph has no such column."""
    return column_values(graph, target.node_type, target.column, rows)


def column_values(graph: Graph, node_type: str, name: str, rows: np.ndarray) -> pa.Array | None:
    """A kept column's values at ``rows``; None where the graph does not keep it."""
    columns = graph.store(node_type).columns
    if columns is None or name not in columns.column_names:
        return None
    found = columns[name].take(pa.array(rows))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


PARTS = ("", "train", "val", "test")


def parts_of(split: Any, num_nodes: int) -> np.ndarray:
    """(num_nodes,) int8: the split's part of each node, as its place in :data:`PARTS`."""
    parts = np.zeros(num_nodes, np.int8)
    for code, name in enumerate(PARTS[1:], 1):
        parts[split.part(name)[0]] = code
    return parts


def part_names(codes: np.ndarray) -> pa.Array:
    """What :func:`parts_of` gives, as text."""
    return pa.array(PARTS).take(pa.array(codes))


def write_predictions(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write Parquet: tables of the same columns, one after the other.

    The bytes depend on the rows alone, as long as every table but the last holds whole groups of :data:`ROW_GROUP`.
    """
    writer: pq.ParquetWriter | None = None
    try:
        for table in tables:
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=ROW_GROUP)
    finally:
        if writer is not None:
            writer.close()


def read_ids(path: Path) -> list[Any]:
    """Ids of a file: the column ``id`` (or the first one) of a Parquet file, else a line each, blank lines skipped.

    Raises:
        DataError: unreadable or empty.
    """
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            column = table["id"] if "id" in table.column_names else table.column(0)
            ids: list[Any] = column.to_pylist()
        else:
            ids = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError, IndexError) as error:
        raise DataError(f"--nodes {path} cannot be read: {error}", fix="pass Parquet or one id a line") from None
    if not ids:
        raise DataError(f"--nodes {path} holds no id", fix="write one id a line")
    return ids
