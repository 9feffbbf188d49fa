"""Rows of features in RocksDB: compressed on disk, each block with a checksum of its own; read by many processes.

Some rows stand together under one key, their number among the blocks as 8 bytes, big-endian; the last block is padded.
The table is one sorted file made front to back, taken in whole: no log, no compaction, and opened for reading only.
"""

from pathlib import Path
from typing import Any

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.store_interfaces import Rows

BLOCK_BYTES = 4096  # under one key: see docs/stores.md for what was measured
_ROWS = 1 << 15  # read at once
_LEFT_OVER = ("LOG", "LOCK")


class RocksTable:
    """Reads a table.

    Args:
        folder: of the database.
        dtype, shape: of all rows.
    """

    def __init__(self, folder: Path, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> None:
        rocksdict = _rocksdict()
        self._folder, self._dtype, self._width = folder, dtype, shape[1:]
        options = rocksdict.Options(raw_mode=True)
        self._database = rocksdict.Rdict(str(folder), options, access_type=rocksdict.AccessType.read_only())
        # The first block says how many rows are in each, whatever BLOCK_BYTES was when it was written.
        row_bytes = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        self._block = len(self._database[bytes(8)]) // row_bytes

    @staticmethod
    def create(folder: Path, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> "RocksWriter":
        """Begin a table."""
        return RocksWriter(folder, dtype, shape)

    def read(self, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Read rows into a buffer."""
        size = self._block
        if isinstance(rows, slice):
            step = _ROWS // size * size or size
            for start in range(rows.start // size * size, rows.stop, step):
                low, high = max(start, rows.start), min(start + step, rows.stop)
                values = self._blocks(np.arange(start // size, -(-high // size)))
                out[low - rows.start : high - rows.start] = values[low - start : high - start]
            return
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            wanted, place = np.unique(part // size, return_inverse=True)
            values = self._blocks(wanted)
            into = out[start : start + len(part)]
            np.take(values, place * size + part % size, axis=0, out=into, mode="clip")  # "raise" would copy twice

    def _blocks(self, numbers: np.ndarray) -> np.ndarray:
        """All rows of some blocks, (len(numbers) * block, ...)."""
        packed = numbers.astype(">u8").tobytes()
        joined = b"".join(self._database[[packed[i : i + 8] for i in range(0, len(packed), 8)]])
        return np.frombuffer(joined, self._dtype).reshape(len(numbers) * self._block, *self._width)


class RocksWriter:
    """Writes a table; see :class:`RocksTable`."""

    def __init__(self, folder: Path, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> None:
        rocksdict = _rocksdict()
        self._folder = folder
        self._block = rows_per_block(dtype, shape)
        self._waiting = np.empty((0, *shape[1:]), dtype)
        self._count = 0
        self._options = rocksdict.Options(raw_mode=True)
        self._options.create_if_missing(True)
        self._options.set_compression_type(rocksdict.DBCompressionType.lz4())
        self._sorted = folder / "rows.sst"
        self._file = rocksdict.SstFileWriter(options=self._options)
        self._file.open(str(self._sorted))

    def append(self, rows: np.ndarray) -> None:
        """The next rows."""
        rows = np.concatenate([self._waiting, rows]) if len(self._waiting) else rows
        whole = len(rows) // self._block * self._block
        for start in range(0, whole, self._block):
            self._put(rows[start : start + self._block])
        self._waiting = rows[whole:].copy()

    def _put(self, block: np.ndarray) -> None:
        self._file[self._count.to_bytes(8, "big")] = block.tobytes()
        self._count += 1

    def close(self) -> None:
        """Finish the table."""
        if len(self._waiting):
            last = np.zeros((self._block, *self._waiting.shape[1:]), self._waiting.dtype)
            last[: len(self._waiting)] = self._waiting
            self._put(last)
        rocksdict = _rocksdict()
        database = rocksdict.Rdict(str(self._folder), self._options)
        try:
            if self._count:
                self._file.finish()
                database.ingest_external_file([str(self._sorted)])
        finally:
            database.close()
        self._sorted.unlink(missing_ok=True)
        for name in _LEFT_OVER:  # who only reads needs neither
            (self._folder / name).unlink(missing_ok=True)


def rows_per_block(dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> int:
    """Rows under one key."""
    return max(1, BLOCK_BYTES // max(1, dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))))


def _rocksdict() -> Any:
    try:
        import rocksdict
    except ImportError:
        raise UsageError("features in RocksDB need rocksdict", fix="pip install 'gnnctl[stores]'") from None
    return rocksdict
