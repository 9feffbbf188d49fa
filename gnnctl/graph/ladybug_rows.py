"""Rows of features in ladybug, an embedded graph database: each is a node with its number and its bytes, asked for in
Cypher and given as Arrow.

Queries promise no order, so a row's number comes along and the rows are put in the order that was asked for.
"""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.store_interfaces import Rows

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "rows.lbug"
_ROWS = 1 << 15  # a query
_COPY_BYTES = 64 << 20  # written at once
_POOL_BYTES = 256 << 20  # pages that a reader keeps
_TABLE = "CREATE NODE TABLE Row(id INT64 PRIMARY KEY, x BLOB)"
# Equality finds a row by the index; IN and a range of numbers would scan the table.
_QUERY = "UNWIND $ids AS i MATCH (r:Row) WHERE r.id = i RETURN r.id AS id, r.x AS x"


class LadybugTable:
    """Reads a table.

    Args:
        folder: of the database.
        dtype, shape: of all rows.
    """

    def __init__(self, folder: Path, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> None:
        self._dtype, self._width = dtype, shape[1:]
        self._row_bytes = _row_bytes(dtype, shape)
        self._at_once = min(_ROWS, max(1, _COPY_BYTES // max(1, self._row_bytes)))
        self._ladybug = _ladybug()
        self._database = self._ladybug.Database(str(folder / FILE), buffer_pool_size=_POOL_BYTES, read_only=True)
        self._own = threading.local()  # a connection a thread

    @staticmethod
    def create(folder: Path, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> "LadybugWriter":
        """Begin a table."""
        return LadybugWriter(folder, dtype, shape)

    def read(self, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Read rows into a buffer."""
        step = self._at_once
        if isinstance(rows, slice):
            for start in range(rows.start, rows.stop, step):
                stop = min(start + step, rows.stop)
                into = out[start - rows.start : stop - rows.start]
                into[:] = self._asked(np.arange(start, stop))
            return
        for start in range(0, len(rows), step):
            wanted, place = np.unique(rows[start : start + step], return_inverse=True)
            values = self._asked(wanted)
            np.take(values, place, axis=0, out=out[start : start + len(place)], mode="clip")  # "raise" would copy twice

    def _asked(self, wanted: np.ndarray) -> np.ndarray:
        """The rows of some distinct numbers, ascending."""
        if not hasattr(self._own, "connection"):
            self._own.connection = self._ladybug.Connection(self._database, num_threads=1)
        result = self._own.connection.execute(_QUERY, {"ids": wanted.tolist()})
        table = result.get_as_arrow().combine_chunks()
        result.close()
        numbers = table["id"].to_numpy()
        order = np.argsort(numbers)
        if not np.array_equal(numbers[order], wanted):
            raise ValueError(f"{len(wanted) - len(numbers)} of {len(wanted)} rows are missing")
        column = table["x"].chunk(0)
        offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset :][: len(wanted) + 1]
        if not np.all(np.diff(offsets) == self._row_bytes):
            raise ValueError(f"a row is not of {self._row_bytes} bytes")
        data = column.buffers()[2] if self._row_bytes else b""
        values = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]].view(self._dtype)
        found: np.ndarray = values.reshape(len(wanted), *self._width)[order]
        return found


class LadybugWriter:
    """Writes a table; see :class:`LadybugTable`."""

    def __init__(self, folder: Path, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> None:
        ladybug = _ladybug()
        self._row_bytes = _row_bytes(dtype, shape)
        self._at_once = max(1, _COPY_BYTES // max(1, self._row_bytes))
        self._database = ladybug.Database(str(folder / FILE))
        self._connection = ladybug.Connection(self._database)
        self._connection.execute(_TABLE)
        self._waiting: list[np.ndarray] = []
        self._held = self._count = 0

    def append(self, rows: np.ndarray) -> None:
        """The next rows."""
        for start in range(0, len(rows), self._at_once):
            self._waiting.append(rows[start : start + self._at_once].copy())
            self._held += len(self._waiting[-1])
            if self._held >= self._at_once:
                self._copy()

    def _copy(self) -> None:
        if self._held:
            table = _as_table(np.concatenate(self._waiting), self._count, self._row_bytes)
            self._connection.execute("COPY Row FROM $rows", {"rows": table})
            self._count += self._held
        self._waiting, self._held = [], 0

    def close(self) -> None:
        """Finish the table."""
        try:
            self._copy()
            self._connection.execute("CHECKPOINT")  # all in one file
        finally:
            self._connection.close()
            self._database.close()


def _row_bytes(dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> int:
    return dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))


def _as_table(rows: np.ndarray, first: int, row_bytes: int) -> "pa.Table":
    import pyarrow as pa

    offsets = np.arange(len(rows) + 1, dtype=np.int32) * np.int32(row_bytes)
    data = pa.py_buffer(np.ascontiguousarray(rows).reshape(-1).view(np.uint8))
    column = pa.Array.from_buffers(pa.binary(), len(rows), [None, pa.py_buffer(offsets), data])
    return pa.table({"id": np.arange(first, first + len(rows), dtype=np.int64), "x": column})


def _ladybug() -> Any:
    try:
        import ladybug
    except ImportError:
        raise UsageError("features in ladybug need ladybug", fix="pip install 'gnnctl[stores]'") from None
    return ladybug
