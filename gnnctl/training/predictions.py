"""The predictions table: original ids, parts, targets, predictions and scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gnnctl.errors import DataError
from gnnctl.graph.graph import Graph

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
        parts: (n,) text: train, val, test or "".
        scores: (n, num_outputs) float32 from ``Task.scores``.
        embeddings: (n, width) float32, added as a column of fixed-size lists.

    Returns:
        columns ``id``, ``split``, ``target`` (null where unknown), ``prediction`` and ``score_CLASS`` each, or
        ``score`` for a number.
    """
    columns: dict[str, pa.Array] = {
        "id": graph.ids_of(target.node_type, rows),
        "split": pa.array(parts.tolist(), pa.string()),
    }
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
    columns = graph.store(target.node_type).columns
    if columns is None or target.column not in columns.column_names:
        return None
    found = columns[target.column].take(pa.array(rows))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def parts_of(split: Any, num_nodes: int) -> np.ndarray:
    """(num_nodes,) text: the split's part of each node, "" for those in none."""
    parts = np.full(num_nodes, "", dtype="<U5")
    for name in ("train", "val", "test"):
        parts[split.part(name)[0]] = name
    return parts


def write_predictions(path: Path, table: pa.Table) -> None:
    """Write Parquet; the bytes depend on the table alone."""
    pq.write_table(table, path, row_group_size=ROW_GROUP, compression="zstd")


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
