"""Features of nodes in a folder of an artifact that is no Zarr array: in a database, or in a format of the user's own.

A format is a class. ``Class.create(folder, dtype, shape)`` gives what takes the rows, front to back, when a graph is
made; ``Class(folder, dtype, shape)`` reads them. The folder also holds ``store.json``, which names the class, so that
every later stage finds the features by itself.
"""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gnnctl.artifacts import ArtifactWriter
from gnnctl.artifacts.checksum import array_digest, byte_blocks
from gnnctl.errors import ArtifactError, GnnctlError, UsageError
from gnnctl.graph.store_interfaces import Column, Key, Rows, check_read
from gnnctl.parameters import imported

ZARR, ROCKSDB, LADYBUG = "zarr", "rocksdb", "ladybug"
SUFFIX = ".store"
_FILE = "store.json"
_FORMATS = {ROCKSDB: "gnnctl.graph.rocks:RocksTable", LADYBUG: "gnnctl.graph.ladybug_rows:LadybugTable"}


class RowWriter(Protocol):
    """Takes the rows of a table, front to back."""

    def append(self, rows: np.ndarray) -> None:
        """The next rows, (n, ...) of the table's dtype."""

    def close(self) -> None:
        """All rows were given: finish every file. Called once, and not after a failure."""


class RowTable(Protocol):
    """Reads the rows of a table."""

    def read(self, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """As :meth:`FeatureStore.read`; rows and buffer were checked already. Thread-safe."""


class TableFormat(Protocol):
    """A class that reads and writes tables."""

    def __call__(self, folder: Path, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> RowTable:
        """Open what ``create`` made; other processes may be reading it too."""

    def create(self, folder: Path, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> RowWriter:
        """Begin a table in an empty folder."""


def table_format(name: str, what: str = "--store") -> TableFormat:
    """The format called ``rocksdb``, ``ladybug`` or ``package.module:Class``.

    Raises:
        UsageError: there is none.
    """
    found = imported(what, _FORMATS.get(name, name), f"it takes {ZARR}, {ROCKSDB}, {LADYBUG} or package.module:Class")
    if not (callable(found) and callable(getattr(found, "create", None)) and hasattr(found, "read")):
        raise UsageError(f"{what} {name} is no store", fix="give it create(folder, dtype, shape) and read(rows, out)")
    chosen: TableFormat = found
    return chosen


class TableStream:
    """Writes one table into an artifact, hashing as it goes: its content is that of the same array as Zarr.

    Args:
        writer: of the artifact.
        name: of the array that it stands for, such as ``nodes/paper/x``.
        dtype, shape: of the array.
        format: as :func:`table_format` reads it.
    """

    def __init__(
        self, writer: ArtifactWriter, name: str, dtype: "np.dtype[Any]", shape: tuple[int, ...], format: str
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._writer, self._name, self._format = writer, name, format
        self._rows = 0
        self._digest = array_digest(self.dtype, shape)
        self.path = writer.path / (name + SUFFIX)
        self.path.mkdir(parents=True)
        self._out = table_format(format).create(self.path, self.dtype, shape)

    def append(self, rows: np.ndarray) -> None:
        """Write the next rows.

        Raises:
            ValueError: the rows do not fit the array.
        """
        if rows.shape[1:] != self.shape[1:] or self._rows + len(rows) > self.shape[0]:
            raise ValueError(f"{self._name}: rows of shape {rows.shape} do not fit into {self.shape}")
        rows = np.ascontiguousarray(rows, self.dtype)
        for block in byte_blocks(rows):
            self._digest.update(block)
        self._out.append(rows)
        self._rows += len(rows)

    def close(self) -> None:
        """Finish the table.

        Raises:
            ValueError: rows are missing.
        """
        if self._rows != self.shape[0]:
            raise ValueError(f"{self._name}: {self._rows} of {self.shape[0]} rows were written")
        self._out.close()
        described = {"format": 1, "store": self._format, "dtype": self.dtype.name, "shape": list(self.shape)}
        (self.path / _FILE).write_text(json.dumps(described) + "\n", encoding="utf-8")
        for file in self.path.rglob("*"):
            if file.is_file():
                self._writer.file(file.relative_to(self._writer.path).as_posix(), content=False)
        self._writer.content(self._name, self._digest.hexdigest())


class TableFeatures:
    """A :class:`FeatureStore` of tables in folders; each is opened when it is first read.

    Args:
        folders: by key.

    Raises:
        ArtifactError: a folder that no store was made in.
    """

    def __init__(self, folders: Mapping[Key, Path]) -> None:
        self._folders = dict(folders)
        self._described = {key: _described(folder) for key, folder in self._folders.items()}
        self._tables: dict[Key, RowTable] = {}
        self._lock = threading.Lock()

    def keys(self) -> Sequence[Key]:
        """What there is."""
        return list(self._folders)

    def shape(self, key: Key) -> tuple[int, ...]:
        """(rows, ...)."""
        return tuple(self._described[key]["shape"])

    def dtype(self, key: Key) -> "np.dtype[Any]":
        """Of the values."""
        dtype: np.dtype[Any] = np.dtype(self._described[key]["dtype"])
        return dtype

    def read(self, key: Key, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Read rows into a buffer."""
        shape = self.shape(key)
        check_read(key, shape, self.dtype(key), rows, out)
        if isinstance(rows, slice):
            rows = slice(rows.start or 0, shape[0] if rows.stop is None else rows.stop)
        if len(out):
            with _reading(self._folders[key]):
                self._table(key).read(rows, out, num_threads=num_threads)

    def _table(self, key: Key) -> RowTable:
        with self._lock:
            if key not in self._tables:
                folder, name = self._folders[key], self._described[key]["store"]
                format = table_format(name, f"{folder}: its store")
                self._tables[key] = format(folder, self.dtype(key), self.shape(key))
            return self._tables[key]


def table_column(folder: Path, key: Key) -> Column:
    """The table in a folder, as a column.

    Raises:
        ArtifactError: there is none, or it is damaged.
    """
    return Column(TableFeatures({key: folder}), key)


@contextlib.contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """What a table's class raises is said in one line; databases raise what they like."""
    try:
        yield
    except GnnctlError:
        raise
    except Exception as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: object) -> ArtifactError:
    text = " ".join(str(error).split())
    fix = "make the graph again; gnnctl inspect --verify names the files that changed"
    return ArtifactError(f"{folder} cannot be read: {text}", fix=fix)


def _described(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if found["format"] != 1:
            raise ValueError(f"its format is {found['format']}, not 1")
        np.dtype(found["dtype"]), [int(n) for n in found["shape"]], str(found["store"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from None
    return found
