"""Rows of representations between two layers: in memory, or in a temporary mapped file where they are too large."""

import tempfile
from typing import Any

import numpy as np

from gnnctl.native import gather_rows

DEFAULT_MEMORY = 2 << 30
READ_ROWS = 1 << 16


def room_for(shape: tuple[int, ...], memory: int) -> np.ndarray:
    """A float32 array to be written: in memory up to ``memory`` bytes, else in a file that goes when the array goes."""
    size = 4 * int(np.prod(shape))
    if size <= memory:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile(prefix="gnnctl-") as file:  # has no name; the mapping keeps it
        mapped: np.ndarray = np.memmap(file, np.float32, "w+", shape=shape)
        return mapped


class RowStore:
    """float32 rows of some of the nodes of one type, written once each and read by global row.

    Args:
        rows: (n,) int64 global rows, ascending.
        num_nodes: nodes of the type.
        width: columns.
        memory: bytes that rows may take in memory; two layers' are alive at a time.
    """

    def __init__(self, rows: np.ndarray, num_nodes: int, width: int, memory: int = DEFAULT_MEMORY) -> None:
        self.rows, self.num_nodes = rows, num_nodes
        self.complete = len(rows) == num_nodes
        self.values = room_for((len(rows), width), memory // 2)

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Where global ``rows``, all of them stored, stand."""
        return rows if self.complete else np.searchsorted(self.rows, rows)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), width) copy, in memory."""
        found = np.empty((len(rows), self.values.shape[1]), np.float32)
        gather_rows(self.values, np.ascontiguousarray(self.places(rows), dtype=np.int64), found)
        return found

    def copy(self, rows: np.ndarray, memory: int) -> np.ndarray:
        """(len(rows), width), in memory or mapped as :func:`room_for` decides."""
        out = room_for((len(rows), self.values.shape[1]), memory)
        for start in range(0, len(rows), READ_ROWS):
            out[start : start + READ_ROWS] = self.read(rows[start : start + READ_ROWS])
        return out

    def put(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Fill ascending stored ``rows``."""
        self.values[self.places(rows)] = values

    def write(self, rows: np.ndarray, values: "np.ndarray[Any, Any]") -> None:
        """Fill ascending, contiguous stored ``rows``."""
        if len(rows):
            start = int(self.places(rows[:1])[0])
            self.values[start : start + len(rows)] = values
