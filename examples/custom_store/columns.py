"""A store of one's own: a file a feature, so that one column can be looked at, or mended, by itself.

gnnctl ingest ../tiny/graph.toml -o run/graph --store columns:Columns
"""

from pathlib import Path

import numpy as np


class Writer:
    """Takes the rows front to back, as they are stored (float32, float16, uint16 for bfloat16, int8)."""

    def __init__(self, folder: Path, width: int) -> None:
        self.files = [(folder / f"{i}.bin").open("wb") for i in range(width)]

    def append(self, rows: np.ndarray) -> None:
        for file, column in zip(self.files, rows.T, strict=True):
            file.write(column.tobytes())

    def close(self) -> None:
        for file in self.files:
            file.close()


class Columns:
    """What `--store columns:Columns` names: `create` makes a table in an empty folder, the constructor opens it."""

    def __init__(self, folder: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self.columns = [np.memmap(folder / f"{i}.bin", dtype, "r", shape=shape[:1]) for i in range(shape[1])]

    @staticmethod
    def create(folder: Path, dtype: np.dtype, shape: tuple[int, ...]) -> Writer:
        return Writer(folder, shape[1])

    def read(self, rows: np.ndarray | slice, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Rows by number, in any order and as often as wanted, or a range, into `out`; many threads at once."""
        for i, column in enumerate(self.columns):
            out[:, i] = column[rows]
