"""Features on their way to disk in fewer bytes: float32 rows become float16, bfloat16 or int8 as they pass."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from gnnctl.errors import DataError
from gnnctl.graph.features import FeatureFormat, encode_features, int8_scale, largest_of

DTYPES: dict[FeatureFormat, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(np.uint16),
    "int8": np.dtype(np.int8),
}


class RowSink(Protocol):
    """What takes a matrix of known shape, some rows at a time."""

    shape: tuple[int, ...]

    def append(self, rows: np.ndarray) -> None:
        """Take the next rows."""


class ColumnRange:
    """The least and greatest value of each column, which int8 spreads its steps over; a first look at all rows."""

    def __init__(self, shape: tuple[int, int], what: str) -> None:
        self.shape: tuple[int, ...] = shape
        self._what = what
        self.low = np.full(shape[1], np.inf, np.float32)
        self.high = np.full(shape[1], -np.inf, np.float32)

    def append(self, rows: np.ndarray) -> None:
        """Take the next rows."""
        if len(rows):
            np.minimum(self.low, rows.min(0), out=self.low)
            np.maximum(self.high, rows.max(0), out=self.high)

    def scale(self) -> np.ndarray:
        """(2, F) float32, as :func:`encode_features` takes it.

        Raises:
            DataError: values that are not finite.
        """
        low, high = (self.low, self.high) if self.shape[0] else np.zeros((2, self.shape[1]))
        try:
            return int8_scale(low, high)
        except ValueError as error:
            raise DataError(f"{self._what}: {error}", fix="store float32, or correct the values") from None


class EncodedStream:
    """Stores what it is given in another format.

    Args:
        stream: an array of the format's dtype.
        format: what to store.
        scale: of int8.
        names: of the columns, for messages.
        what: whose features they are, for messages.
    """

    def __init__(
        self, stream: RowSink, format: FeatureFormat, scale: np.ndarray | None, names: Sequence[str], what: str
    ) -> None:
        self.shape = stream.shape
        self._stream, self._format, self._scale = stream, format, scale
        self._names, self._what = names, what

    def append(self, rows: np.ndarray) -> None:
        """Store the next rows.

        Raises:
            DataError: a value that the format cannot hold.
        """
        largest = largest_of(self._format)
        beyond = np.abs(rows) > largest
        if beyond.any():
            row, column = (int(i[0]) for i in np.nonzero(beyond))
            raise DataError(
                f"{self._what}: feature '{self._names[column]}' reaches {rows[row, column]:g}, {self._format} ends at "
                f"{largest:g}",
                fix='store bfloat16 or float32, or scale it with the encoder "standard"',
            )
        self._stream.append(encode_features(rows, self._format, self._scale).values)
