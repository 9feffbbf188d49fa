"""Parts by time: where one ends and the next begins, what lies in the gaps between, and windows that move on."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from gnnctl.errors import DataError, UsageError
from gnnctl.splits.by import NO_PART, TEST, TRAIN, VAL, Fractions, share_of

if TYPE_CHECKING:
    import pyarrow as pa

Unit = Literal["number", "microseconds", "order"]
_UNITS = {"us": 1, "ms": 10**3, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6, "w": 604800 * 10**6}


class Times(NamedTuple):
    """Times that can be compared.

    Attributes:
        values: (n,) int64 or float64, arbitrary where not known.
        known: (n,) bool.
        unit: ``number``, that of the table; ``microseconds`` since 1970; ``order``, places among all.
    """

    values: np.ndarray
    known: np.ndarray
    unit: Unit


def times_of(times: "pa.Array") -> Times:
    """The times of a column: numbers as they are, dates and timestamps in microseconds, else their order.

    Raises:
        DataError: the column's type has no order.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = times.type
    known = times.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return Times(pc.cast(times, pa.int64()).fill_null(0).to_numpy(), known, "number")
    if pa.types.is_floating(kind):
        values = pc.cast(times, pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        return Times(values, ~np.isnan(values), "number")
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        moments = pc.cast(times, pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        return Times(pc.cast(moments, pa.int64()).fill_null(0).to_numpy(), known, "microseconds")
    try:
        rank = pc.rank(times, tiebreaker="dense")
    except pa.ArrowNotImplementedError:
        raise DataError(f"values of type {kind} have no order", fix="name a column of times") from None
    return Times(rank.to_numpy().astype(np.int64), known, "order")


@dataclass(frozen=True)
class Moving:
    """What a split by time may also have.

    Args:
        gap: what lies this long before val and before test begin is in no part, in the unit of the times.
        windows: how many test parts lie side by side at the end of time, each of the share of test.
        window: which of them this split has, from 1; what comes later is in no part.

    Raises:
        UsageError: a negative gap, or a window that there is not.
    """

    gap: float = 0
    windows: int = 1
    window: int = 1

    def __post_init__(self) -> None:
        if not (np.isfinite(self.gap) and self.gap >= 0):
            raise UsageError(f"--gap {self.gap} is no length of time", fix="pass 0 or more, as 7d")
        if self.windows < 1:
            raise UsageError(f"--windows {self.windows}: there is at least one", fix="pass 1 or more")
        if not 1 <= self.window <= self.windows:
            fix = f"pass a number from 1 to {self.windows}"
            raise UsageError(f"--window {self.window}: there are {self.windows} windows", fix=fix)

    @property
    def plain(self) -> bool:
        """Neither gap nor windows."""
        return not self.gap and self.windows == 1


def parse_gap(text: str) -> float:
    """A length of time: a number in the unit of the times, or one with us, ms, s, m, h, d or w, in microseconds.

    Raises:
        UsageError: neither.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", text.strip().lower())
    if match is None or (match[2] and match[2] not in _UNITS):
        fix = "write a number in the unit of the times, or a length as 90s, 12h, 7d or 4w"
        raise UsageError(f"--gap {text} is no length of time", fix=fix)
    number = float(match[1]) * _UNITS.get(match[2], 1)
    return int(number) if number.is_integer() else number


class Bounds(NamedTuple):
    """Where parts begin and end; None is never. Each part is from its first moment up to before its last.

    ``train`` and ``val`` are where these parts end, ``val_start`` and ``test_start`` where val and test begin, ``end``
    where test ends.
    """

    train: float | None
    val_start: float | None
    val: float | None
    test_start: float | None
    end: float | None

    def parts(self, values: np.ndarray) -> np.ndarray:
        """Part (n,) int8 of each time; in a gap and after the end none."""
        found = np.full(len(values), NO_PART, np.int8)
        found[_before(values, self.train)] = TRAIN
        found[~_before(values, self.val_start) & _before(values, self.val)] = VAL
        found[~_before(values, self.test_start) & _before(values, self.end)] = TEST
        return found

    def views(self, values: np.ndarray) -> np.ndarray:
        """(n,) int8: the first view that may show what has this time: it is older than that view's part.

        0 is train, whose view ends with it, 1 val, 2 test, 3 none.
        """
        found = np.full(len(values), 3, np.int8)
        found[_before(values, self.test_start)] = 2
        found[_before(values, self.val_start)] = 1
        found[_before(values, self.train)] = 0
        return found


def find_bounds(times: Times, counted: np.ndarray, fractions: Fractions, moving: Moving) -> Bounds:
    """Bounds that give val and test their shares of the rows; those of the moment at a bound go to the later part.

    The gap then takes the end of train, and of val.

    Args:
        times: of all rows.
        counted: (n,) bool, the rows that the shares are of.
        fractions: shares.
        moving: gap and window.

    Raises:
        UsageError: a gap where there is only an order, or windows that leave nothing to train on.
    """
    if moving.gap and times.unit == "order":
        raise UsageError("--gap: these times have an order only", fix="name a column of numbers, dates or timestamps")
    if moving.windows > 1 and moving.windows * fractions.test + fractions.val >= 1:
        raise UsageError(
            f"--windows {moving.windows}, --test {fractions.test} and --val {fractions.val} leave nothing to train on",
            fix="make windows * test + val less than 1",
        )
    if moving.windows > 1 and not fractions.test:
        raise UsageError("--windows needs a share of test", fix="raise --test")
    ordered = np.sort(times.values[times.known & counted])
    total = len(ordered)

    def moment(last: float) -> float | None:
        """The first moment of the latest share of the rows, or None where that is no row."""
        first = total - share_of(total, last)
        return ordered[first].item() if first < total else None

    later = fractions.test * (moving.windows - moving.window)
    val_start = moment(later + fractions.test + fractions.val)
    test_start = moment(later + fractions.test) if fractions.test else None
    end = moment(later) if later else None

    def earlier(bound: float | None) -> float | None:
        return None if bound is None else bound - moving.gap

    return Bounds(earlier(val_start), val_start, earlier(test_start), test_start, end)


def _before(values: np.ndarray, bound: float | None) -> np.ndarray:
    if bound is None:
        return np.ones(len(values), bool)
    if values.dtype.kind == "i" and bound < np.iinfo(np.int64).min:
        return np.zeros(len(values), bool)
    before: np.ndarray = values < bound
    return before
