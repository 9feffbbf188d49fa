"""Numeric arrays as uncompressed Zarr v3: raw little-endian chunk files that are mapped, never loaded whole.

An array of up to 1 GiB is one exact chunk. A larger one is cut along its first axis into equal chunks of at most
1 GiB, each a multiple of 64 KiB, so that the files map side by side as one contiguous array.
"""

import json
import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gnnctl.artifacts.checksum import array_digest, byte_blocks
from gnnctl.errors import ArtifactError

_CHUNK_BYTES = 1 << 30
_ALIGNMENT = 1 << 16


def rows_per_chunk(shape: tuple[int, ...], itemsize: int, limit: int = _CHUNK_BYTES) -> int:
    """Rows of each chunk of an array with this shape and item size in bytes."""
    rows, row_bytes = max(1, shape[0]), max(1, itemsize * math.prod(shape[1:]))
    if rows * row_bytes <= limit:
        return rows
    step = _ALIGNMENT // math.gcd(_ALIGNMENT, row_bytes)
    largest = max(step, limit // row_bytes // step * step)
    chunks = -(-rows // largest)
    return -(-rows // (chunks * step)) * step


class ArrayStream:
    """Writes one array front to back, in pieces, hashing as it goes.

    Args:
        path: folder of the Zarr array; must not exist.
        dtype: element type; stored little-endian.
        shape: full shape, at least one axis.
        attributes: JSON attributes of the array.
    """

    def __init__(
        self, path: Path, dtype: Any, shape: tuple[int, ...], attributes: dict[str, Any] | None = None
    ) -> None:
        import zarr

        self.path = path
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.shape = tuple(int(n) for n in shape)
        self.rows = 0
        self.checksum = ""
        self._row_bytes = self.dtype.itemsize * math.prod(self.shape[1:])
        self._chunk_rows = rows_per_chunk(self.shape, self.dtype.itemsize)
        self._digest = array_digest(self.dtype, self.shape)
        self._chunk = 0
        self._file: BinaryIO | None = None
        self._room = 0
        zarr.create_array(
            store=str(path),
            shape=self.shape,
            chunks=(self._chunk_rows, *(max(1, n) for n in self.shape[1:])),
            dtype=self.dtype,
            compressors=None,
            filters=None,
            fill_value=0,
            attributes=attributes,
        )

    def append(self, rows: np.ndarray) -> None:
        """Write the next rows, shape (n, *shape[1:]).

        Raises:
            ValueError: the rows do not fit the array.
        """
        if rows.shape[1:] != self.shape[1:] or self.rows + len(rows) > self.shape[0]:
            raise ValueError(f"{self.path.name}: rows of shape {rows.shape} do not fit into {self.shape}")
        for block in byte_blocks(np.asarray(rows, dtype=self.dtype)):
            self._digest.update(block)
            self._write(block)
        self.rows += len(rows)

    def _write(self, block: memoryview) -> None:
        while len(block):
            if self._file is None:
                path = self.path.joinpath("c", str(self._chunk), *("0" for _ in self.shape[1:]))
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("wb")
                self._room = self._chunk_rows * self._row_bytes
            part = block[: self._room]
            self._file.write(part)
            self._room -= len(part)
            block = block[len(part) :]
            if self._room == 0:
                self._finish_chunk()

    def _finish_chunk(self) -> None:
        if self._file is None:
            return
        if self._room:  # Zarr pads the last chunk
            self._file.truncate(self._chunk_rows * self._row_bytes)
        self._file.close()
        self._file = None
        self._chunk += 1

    def abort(self) -> None:
        """Let go of the open file; the array stays unfinished."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> str:
        """Finish the array and return its content hash.

        Raises:
            ValueError: rows are missing.
        """
        if self.rows != self.shape[0]:
            raise ValueError(f"{self.path.name}: {self.rows} of {self.shape[0]} rows were written")
        self._finish_chunk()
        self.checksum = self._digest.hexdigest()
        return self.checksum


def open_array(path: Path) -> np.ndarray:
    """Map an array, read-only. Arrays that are compressed or cut otherwise are read through zarr.

    Raises:
        ArtifactError: metadata missing or unreadable, chunk missing or truncated.
    """
    try:
        meta = json.loads((path / "zarr.json").read_text())
        shape = tuple(int(n) for n in meta["shape"])
        chunks = tuple(int(n) for n in meta["chunk_grid"]["configuration"]["chunk_shape"])
        codecs = [codec["name"] for codec in meta["codecs"]]
        plain = codecs == ["bytes"] and meta["codecs"][0].get("configuration", {}).get("endian", "little") == "little"
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ArtifactError(f"{path} is no readable Zarr v3 array: {error}", fix="make the artifact again") from None
    if not plain or chunks[1:] != tuple(max(1, n) for n in shape[1:]):
        return _read_through_zarr(path)
    dtype = np.dtype(meta["data_type"]).newbyteorder("<")
    if math.prod(shape) == 0:
        return np.empty(shape, dtype)
    row_bytes = dtype.itemsize * math.prod(shape[1:])
    count = -(-shape[0] // chunks[0])
    files = [str(path.joinpath("c", str(i), *("0" for _ in shape[1:]))) for i in range(count)]
    if count > 1 and (chunks[0] * row_bytes) % os.sysconf("SC_PAGE_SIZE"):
        return _read_through_zarr(path)
    from gnnctl.native import Mapping

    try:
        mapping = Mapping(files, chunks[0] * row_bytes, shape[0] * row_bytes)
    except PermissionError:
        raise
    except OSError as error:
        raise ArtifactError(
            f"{error.filename}: array chunk missing or truncated", fix="make the artifact again"
        ) from None
    return np.frombuffer(memoryview(mapping), dtype=dtype).reshape(shape)


def _read_through_zarr(path: Path) -> np.ndarray:
    import zarr

    return np.asarray(zarr.open_array(store=str(path), mode="r")[...])
