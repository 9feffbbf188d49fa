"""Encoders of numbers: standard, log, quantile, raw.

All share the treatment of nulls. By default (``nulls = "indicator"``) a null becomes the mean (the median for quantile,
0 for raw) and, if the rows fitted on have nulls at all, a second column marks it; ``"mean"`` leaves the mark out,
``"error"`` refuses nulls. NaN and infinities are refused; ``nan = "null"`` reads NaN as null.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gnnctl.ingest.encoders.base import BadValues, Column, Encoder, WrongType, with_indicator

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN")
_TIMES = ("DATE", "TIMESTAMP")


@dataclass(kw_only=True)
class Numeric(Encoder):
    """What the numeric encoders share; a number as it is.

    Args:
        nulls: ``indicator``, ``mean`` or ``error``.
        nan: ``error``, or ``null`` to read NaN as null.
    """

    nulls: str = "indicator"
    nan: str = "error"

    def __post_init__(self) -> None:
        if self.nulls not in ("indicator", "mean", "error"):
            raise ValueError("nulls takes indicator, mean, error")
        if self.nan not in ("error", "null"):
            raise ValueError("nan takes error, null")

    def project(self, column: str, column_type: str) -> str:
        if column_type.removeprefix("U").startswith(_NUMBERS) and not column_type.endswith("]"):
            return f"CAST({column} AS DOUBLE)"
        if column_type.startswith(_TIMES) and not column_type.endswith("]"):
            return f"CAST(epoch(CAST({column} AS TIMESTAMP)) AS DOUBLE)"
        raise WrongType("needs numbers, booleans, dates or timestamps")

    def names(self, name: str) -> list[str]:
        return [name, f"{name} is null"] if self.state["nulls"] else [name]

    def fit(self, column: Column) -> None:
        self.state = {"nulls": self._mark_nulls(column)}

    def encode(self, values: "pa.Array") -> np.ndarray:
        numbers, nulls = self._numbers(values)
        scaled = self._scale(numbers)
        scaled[nulls] = 0.0
        return with_indicator(scaled[:, None], nulls, self.state["nulls"])

    def _scale(self, numbers: np.ndarray) -> np.ndarray:
        """(n,) float64 -> a new (n,) float64; what it makes of nulls does not matter."""
        return numbers.copy()

    def _mark_nulls(self, column: Column) -> bool:
        """Whether nulls get a column of their own."""
        null = "value IS NULL OR isnan(value)" if self.nan == "null" else "value IS NULL"
        nulls = column.query(f"SELECT count(*) FROM {{values}} WHERE {null}")[0][0]
        return self.nulls == "indicator" and nulls > 0

    def _numbers(self, values: "pa.Array") -> tuple[np.ndarray, np.ndarray]:
        """Finite numbers (n,) float64, 0 where null, and the nulls (n,) bool."""
        nulls = values.is_null().to_numpy(zero_copy_only=False)
        numbers = values.fill_null(0.0).to_numpy(zero_copy_only=False).astype(np.float64)
        nan = np.isnan(numbers)
        if nan.any():
            if self.nan == "error":
                raise BadValues("NaN", np.flatnonzero(nan), 'correct them, or set nan = "null" to read NaN as missing')
            nulls = nulls | nan
            numbers[nan] = 0.0
        if not np.isfinite(numbers).all():
            raise BadValues("an infinite number", np.flatnonzero(~np.isfinite(numbers)), "correct them")
        if self.nulls == "error" and nulls.any():
            raise BadValues("no value", np.flatnonzero(nulls), 'fill them in, or set nulls = "indicator"')
        return numbers, nulls


@dataclass(kw_only=True)
class Standard(Numeric):
    """Zero mean and unit variance over the rows fitted on: (x - mean) / std; a constant column becomes 0."""

    def fit(self, column: Column) -> None:
        mean, std = self._moments(column)
        self.state = {"mean": mean, "std": std, "nulls": self._mark_nulls(column)}

    def _transform(self, numbers: np.ndarray) -> np.ndarray:
        return numbers

    def _scale(self, numbers: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = (self._transform(numbers) - self.state["mean"]) / (self.state["std"] or 1.0)
        return scaled

    def _moments(self, column: Column) -> tuple[float, float]:
        """Mean and population standard deviation, accumulated chunk by chunk in a fixed order (Chan et al. 1979)."""
        count, mean, squares = 0, 0.0, 0.0
        seen = 0
        for chunk in column.chunks():
            try:
                numbers, nulls = self._numbers(chunk)
            except BadValues as bad:
                raise BadValues(bad.problem, bad.positions + seen, bad.fix) from None
            seen += len(chunk)
            kept = self._transform(numbers[~nulls])
            if not len(kept):
                continue
            delta = float(kept.mean()) - mean
            total = count + len(kept)
            squares += float(((kept - kept.mean()) ** 2).sum()) + delta * delta * count * len(kept) / total
            mean += delta * len(kept) / total
            count = total
        return mean, float(np.sqrt(squares / count)) if count else 0.0


@dataclass(kw_only=True)
class Log(Standard):
    """``standard`` of sign(x) log(1 + abs(x)); for sizes and counts."""

    def _transform(self, numbers: np.ndarray) -> np.ndarray:
        logs: np.ndarray = np.sign(numbers) * np.log1p(np.abs(numbers))
        return logs


@dataclass(kw_only=True)
class Quantile(Numeric):
    """The rank among the rows fitted on, from -1 (least) over 0 (median) to 1, interpolated between quantiles.

    Args:
        quantiles: how many quantiles are kept.
    """

    argument: ClassVar[str | None] = "quantiles"

    quantiles: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantiles < 2:
            raise ValueError("quantiles must be at least 2")

    def fit(self, column: Column) -> None:
        cuts = ", ".join(repr(i / (self.quantiles - 1)) for i in range(self.quantiles))
        rows = column.query(f"SELECT quantile_disc(value, [{cuts}]) FROM {{values}} WHERE NOT isnan(value)")
        values: list[Any] = rows[0][0] or [0.0]
        self.state = {"values": [float(v) for v in values], "nulls": self._mark_nulls(column)}

    def _scale(self, numbers: np.ndarray) -> np.ndarray:
        known = np.asarray(self.state["values"])
        # Equal quantiles: the middle of their ranks, from both ends, so that ties are symmetric.
        ranks = np.linspace(-1.0, 1.0, len(known))
        middle: np.ndarray = (np.interp(numbers, known, ranks) - np.interp(-numbers, -known[::-1], ranks)) / 2
        return middle
