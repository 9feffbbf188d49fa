"""Kept columns as numbers, for models that take them beside features."""

from collections.abc import Mapping, Sequence

import numpy as np

from gnnctl.errors import DataError
from gnnctl.graph.graph import Graph

NumericColumns = dict[str, dict[str, np.ndarray]]


def numeric_columns(graph: Graph, wanted: Mapping[str, Sequence[str]]) -> NumericColumns:
    """By node type and name the (N,) numbers of kept columns, as they are: int64 or float32.

    Raises:
        DataError: a column that was not kept, or that has nulls, or no numbers.
    """
    found: NumericColumns = {}
    for node_type, names in wanted.items():
        table = graph.nodes[node_type].columns
        kept = [] if table is None else table.column_names
        found[node_type] = {}
        for name in names:
            if table is None or name not in kept:
                has = f"it has {', '.join(kept)}" if kept else "it has none"
                raise DataError(
                    f"{node_type} has no kept column '{name}'; {has}",
                    fix=f"name it in columns = [...] of [nodes.{node_type}] and ingest again",
                )
            column = table[name]
            if column.null_count:
                raise DataError(f"{node_type}.{name} has {column.null_count:,} nulls", fix="fill or drop those rows")
            values = column.to_numpy()
            if values.dtype.kind not in "iuf":
                raise DataError(f"{node_type}.{name} holds no numbers, but {column.type}", fix="name another column")
            if not np.isfinite(values).all():
                raise DataError(f"{node_type}.{name} has values that are no numbers", fix="fill or drop those rows")
            found[node_type][name] = values.astype(np.float32 if values.dtype.kind == "f" else np.int64)
    return found
