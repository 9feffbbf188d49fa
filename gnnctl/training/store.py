"""Rows of representations between two layers: in memory, or in a temporary mapped file where they are too large."""

import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np

DEFAULT_MEMORY = 2 << 30


class RowStore:
    """float32 rows of some of the nodes of one type, written once each and read by global row.

    Args:
        rows: (n,) int64 global rows, ascending.
        num_nodes: nodes of the type.
        width: columns.
        path: file to map; None keeps the rows in memory.
    """

    def __init__(self, rows: np.ndarray, num_nodes: int, width: int, path: Path | None) -> None:
        self.rows, self.num_nodes = rows, num_nodes
        self.complete = len(rows) == num_nodes
        shape = (len(rows), width)
        self.values: np.ndarray = (
            np.empty(shape, np.float32)
            if path is None or not len(rows) or not width
            else np.memmap(path, np.float32, "w+", shape=shape)
        )

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Where global ``rows``, all of them stored, stand."""
        return rows if self.complete else np.searchsorted(self.rows, rows)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), width) copy."""
        found: np.ndarray = self.values[self.places(rows)]
        return found

    def write(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Fill ascending, contiguous stored ``rows``."""
        if len(rows):
            start = int(self.places(rows[:1])[0])
            self.values[start : start + len(rows)] = values


class RowStores:
    """Makes the stores of one inference, and removes their files at the end; a context manager.

    Args:
        memory: bytes that a store may take in memory; a larger one lies in a temporary file.
    """

    def __init__(self, memory: int = DEFAULT_MEMORY) -> None:
        self.memory = memory
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._made = 0

    def __enter__(self) -> "RowStores":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def store(self, rows: np.ndarray, num_nodes: int, width: int) -> RowStore:
        """A store for ``rows`` (ascending) of a type with ``num_nodes``; two layers are alive at a time."""
        if 2 * 4 * len(rows) * width <= self.memory:
            return RowStore(rows, num_nodes, width, None)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="gnnctl-")
        self._made += 1
        return RowStore(rows, num_nodes, width, Path(self._folder.name, str(self._made)))
