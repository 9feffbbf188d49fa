"""Several targets of one model, each a column with nulls of its own."""

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from gnnctl.errors import DataError, UsageError
from gnnctl.splits.columns import column_of, is_number

if TYPE_CHECKING:
    import pyarrow as pa

    from gnnctl.graph.graph import Graph

Several = Literal["multibinary", "multiregression"]
SEVERAL: tuple[Several, ...] = get_args(Several)


def several_columns(
    graph: "Graph", node_type: str, text: str, problem: str, delimiter: str | None
) -> tuple[list[str], Several]:
    """The columns that ``a,b,c`` names, and what they are: all yes or no (booleans, or 0 and 1), or all numbers.

    Raises:
        DataError: no such column, or one that is neither. UsageError: a column named twice, options that do not fit.
    """
    names = [name.strip() for name in text.split(",")]
    if "" in names or len(set(names)) < len(names):
        raise UsageError(f"--target {text} names a column twice, or none", fix="write COLUMN,COLUMN")
    if delimiter is not None:
        raise UsageError("--delimiter is for one column of text", fix="leave it out")
    if problem not in ("auto", "multibinary", "multiregression"):
        raise UsageError(f"--problem {problem} is for one column", fix="pass auto, multibinary or multiregression")
    kinds = {name: _kind(column_of(graph, node_type, name), f"{node_type}.{name}") for name in names}
    binary = all(kind == "binary" for kind in kinds.values())
    if problem == "multibinary" and not binary:
        other = next(name for name, kind in kinds.items() if kind != "binary")
        raise DataError(f"{node_type}.{other} holds other values than 0 and 1", fix="pass --problem multiregression")
    return names, "multibinary" if binary and problem != "multiregression" else "multiregression"


def several_labels(graph: "Graph", node_type: str, names: list[str], problem: str) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have any label (N,) bool, and all labels (N, columns) float32, NaN for null.

    Raises:
        DataError: a column is missing, or of another type than it was.
    """
    columns = []
    for name in names:
        values = column_of(graph, node_type, name)
        if _kind(values, f"{node_type}.{name}") != "binary" and problem == "multibinary":
            raise DataError(f"{node_type}.{name} holds other values than 0 and 1", fix="correct the table")
        columns.append(_numbers(values))
    labels = np.stack(columns, axis=1).astype(np.float32)
    return ~np.all(np.isnan(labels), axis=1, keepdims=False), labels


def _kind(values: "pa.Array", name: str) -> Literal["binary", "number"]:
    import pyarrow as pa

    if not (pa.types.is_boolean(values.type) or is_number(values.type)):
        raise DataError(f"{name} is {values.type}, which is no target beside others", fix="name columns of numbers")
    numbers = _numbers(values)
    known = numbers[~np.isnan(numbers)]
    if len(known) == 0:
        raise DataError(f"{name} has no value at all", fix="name another column")
    if not np.isfinite(known).all():
        raise DataError(f"{name} has infinite values", fix="make them null to leave them out")
    return "binary" if np.isin(known, (0, 1)).all() else "number"


def _numbers(values: "pa.Array") -> np.ndarray:
    """float64, NaN for null; a stored NaN is no value either."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.int8())
    found: np.ndarray = pc.cast(values, pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    return found
