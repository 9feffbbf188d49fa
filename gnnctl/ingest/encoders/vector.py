"""Encoder of vectors: lists of numbers, all of one length."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gnnctl.ingest.encoders.base import BadValues, Column, Encoder, WrongType, with_indicator

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(kw_only=True)
class Vector(Encoder):
    """A list column as it is, or scaled to length 1; a row of zeros stays so.

    Args:
        norm: ``none``, ``l1`` (absolute values sum to 1) or ``l2``.
        nulls: ``error``, or ``indicator``: zeros, and a further column that marks them if the rows fitted on have any.
    """

    argument: ClassVar[str | None] = "norm"

    norm: str = "none"
    nulls: str = "error"

    def __post_init__(self) -> None:
        if self.norm not in ("none", "l1", "l2"):
            raise ValueError("norm takes none, l1, l2")
        if self.nulls not in ("error", "indicator"):
            raise ValueError("nulls takes error, indicator")

    def project(self, column: str, column_type: str) -> str:
        element = column_type.split("[")[0].removeprefix("U")
        numbers = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN")
        if not column_type.endswith("]") or column_type.count("[") != 1 or not element.startswith(numbers):
            raise WrongType("needs lists of numbers")
        return f"CAST({column} AS FLOAT[])"

    def fit(self, column: Column) -> None:
        rows = column.query("SELECT len(value) AS n, count(*) FROM {values} GROUP BY n ORDER BY count(*) DESC, n")
        lengths = [length for length, _ in rows if length is not None]
        self.state = {
            "width": lengths[0] if lengths else 0,
            "nulls": self.nulls == "indicator" and len(lengths) < len(rows),
        }

    def names(self, name: str) -> list[str]:
        return [f"{name}[{i}]" for i in range(self.state["width"])] + [f"{name} is null"] * self.state["nulls"]

    def encode(self, values: "pa.Array") -> np.ndarray:
        import pyarrow.compute as pc

        nulls = values.is_null().to_numpy(zero_copy_only=False)
        if self.nulls == "error" and nulls.any():
            raise BadValues("no value", np.flatnonzero(nulls), 'fill them in, or set nulls = "indicator"')
        width = self.state["width"]
        lengths = pc.list_value_length(values).fill_null(width).to_numpy(zero_copy_only=False)
        if (lengths != width).any():
            raise BadValues(f"a list not of length {width}", np.flatnonzero(lengths != width), "correct them")
        found = pc.list_flatten(values)
        if found.null_count:
            holes = np.flatnonzero(found.is_null().to_numpy(zero_copy_only=False)) // width
            raise BadValues("a null within a list", np.flatnonzero(~nulls)[np.unique(holes)], "fill them in")
        rows = np.zeros((len(values), width), np.float32)
        rows[~nulls] = found.to_numpy(zero_copy_only=False).reshape(-1, width)
        bad = ~np.isfinite(rows).all(axis=1)
        if bad.any():
            raise BadValues("NaN or an infinite number", np.flatnonzero(bad), "correct them")
        if self.norm != "none":
            length = np.linalg.norm(rows, ord=1 if self.norm == "l1" else 2, axis=1, keepdims=True)
            rows /= np.where(length == 0, 1, length)
        return with_indicator(rows, nulls, self.state["nulls"])
