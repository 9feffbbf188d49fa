"""Encoders of categories: onehot, ordinal, multihot. Values are compared as text."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gnnctl.ingest.encoders.base import BadValues, Column, Encoder, WrongType

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(kw_only=True)
class Categories(Encoder):
    """What the categorical encoders share: the ``max`` most frequent values of the rows fitted on, sorted as text.

    Args:
        max: categories kept at most.
        unknown: what a value becomes that was not kept: ``other``, a column for all of them; ``zero``, no mark;
            ``error``, refused. ``auto`` is ``other`` where fitting dropped some, else ``zero``.
    """

    argument: ClassVar[str | None] = "max"

    max: int = 256
    unknown: str = "auto"

    def __post_init__(self) -> None:
        if self.max < 1:
            raise ValueError("max must be at least 1")
        if self.unknown not in ("auto", "other", "zero", "error"):
            raise ValueError("unknown takes auto, other, zero, error")

    def project(self, column: str, column_type: str) -> str:
        if column_type.endswith("]") or column_type.startswith(("STRUCT", "MAP", "UNION", "BLOB")):
            raise WrongType("needs single values, such as text or integers")
        return f"CAST({column} AS VARCHAR)"

    def _fit_categories(self, column: Column, values: str = "{values}") -> bool:
        """Set the state's categories; returns whether nulls occur."""
        rows = column.query(f"SELECT value, count(*) AS n FROM {values} GROUP BY value ORDER BY n DESC, value")
        kept = [value for value, _ in rows if value is not None]
        dropped = len(kept) > self.max
        other = self.unknown == "other" or (self.unknown == "auto" and dropped)
        # Sorted bytewise as DuckDB does, so that the order does not depend on the counts.
        self.state = {"categories": sorted(kept[: self.max], key=str.encode), "other": other}
        return len(kept) < len(rows)

    def _codes(self, values: "pa.Array") -> np.ndarray:
        """Category of each value (n,) int64; -1 unknown, -2 null."""
        import pyarrow as pa
        import pyarrow.compute as pc

        known = pa.array(self.state["categories"], pa.string())
        codes: np.ndarray = (
            pc.index_in(values, value_set=known).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        )
        codes[values.is_null().to_numpy(zero_copy_only=False)] = -2
        if self.unknown == "error" and (codes == -1).any():
            fix = 'correct them, or set unknown = "other" or "zero"'
            raise BadValues("a category unknown when the encoder was fitted", np.flatnonzero(codes == -1), fix)
        return codes


@dataclass(kw_only=True)
class OneHot(Categories):
    """One 0/1 column per category, then one for other values and one for null where fitting asks for them."""

    def fit(self, column: Column) -> None:
        nulls = self._fit_categories(column)
        self.state["nulls"] = nulls

    def names(self, name: str) -> list[str]:
        extra = [f"{name} is other"] * self.state["other"] + [f"{name} is null"] * self.state["nulls"]
        return [f"{name}={category}" for category in self.state["categories"]] + extra

    def encode(self, values: "pa.Array") -> np.ndarray:
        codes = self._codes(values)
        width = len(self.state["categories"])
        hot = np.zeros((len(codes), width + self.state["other"] + self.state["nulls"]), np.float32)
        known = codes >= 0
        hot[np.flatnonzero(known), codes[known]] = 1.0
        if self.state["other"]:
            hot[codes == -1, width] = 1.0
        if self.state["nulls"]:
            hot[codes == -2, -1] = 1.0
        return hot


@dataclass(kw_only=True)
class Ordinal(Categories):
    """One column with the category's number, -1 for null and for values unknown when fitted."""

    max: int = 1 << 24

    def fit(self, column: Column) -> None:
        self._fit_categories(column)

    def names(self, name: str) -> list[str]:
        return [name]

    def encode(self, values: "pa.Array") -> np.ndarray:
        codes: np.ndarray = np.maximum(self._codes(values), -1)
        return codes.astype(np.float32)[:, None]


@dataclass(kw_only=True)
class MultiHot(Categories):
    """One 0/1 column per category for lists, or for text split at a delimiter; null is the empty list.

    Args:
        delimiter: where text is split; blanks around the parts are dropped, empty parts ignored.
    """

    argument: ClassVar[str | None] = "delimiter"

    max: int = 4096
    delimiter: str | None = None

    def project(self, column: str, column_type: str) -> str:
        if column_type.endswith("]"):
            return f"list_filter(CAST({column} AS VARCHAR[]), lambda v: v IS NOT NULL)"
        if column_type != "VARCHAR":
            raise WrongType("needs lists, or text and a delimiter")
        if not self.delimiter:
            raise WrongType('needs lists; for text set a delimiter, as in "multihot:,"')
        delimiter = self.delimiter.replace("'", "''")
        return (
            f"list_filter(list_transform(string_split({column}, '{delimiter}'), lambda v: trim(v)), lambda v: v <> '')"
        )

    def fit(self, column: Column) -> None:
        self._fit_categories(
            column,
            "(SELECT DISTINCT r, value FROM (SELECT row_number() OVER () AS r, unnest(value) AS value FROM {values}))",
        )

    def names(self, name: str) -> list[str]:
        return [f"{name}={category}" for category in self.state["categories"]] + [f"{name} is other"] * self.state[
            "other"
        ]

    def encode(self, values: "pa.Array") -> np.ndarray:
        import pyarrow as pa
        import pyarrow.compute as pc

        width = len(self.state["categories"])
        hot = np.zeros((len(values), width + self.state["other"]), np.float32)
        rows = pc.list_parent_indices(values).to_numpy(zero_copy_only=False)
        flat = pc.list_flatten(values)
        codes = pc.index_in(flat, value_set=pa.array(self.state["categories"], pa.string())).fill_null(-1)
        numbers = codes.to_numpy(zero_copy_only=False).astype(np.int64)
        unknown = numbers == -1
        if self.unknown == "error" and unknown.any():
            fix = 'correct them, or set unknown = "other" or "zero"'
            raise BadValues("a category unknown when the encoder was fitted", np.unique(rows[unknown]), fix)
        hot[rows[~unknown], numbers[~unknown]] = 1.0
        if self.state["other"]:
            hot[rows[unknown], width] = 1.0
        return hot
