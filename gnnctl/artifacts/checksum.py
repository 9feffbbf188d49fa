"""The hashes that artifacts are known by. All are SHA-256 in hexadecimal."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

_BLOCK = 1 << 22


def canonical_json(value: Any) -> bytes:
    """The one spelling of a JSON value that is hashed: sorted keys, no blanks, UTF-8.

    Raises:
        TypeError: a value that JSON does not know.
        ValueError: NaN or an infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def checksum_json(value: Any) -> str:
    """Hash of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def file_checksum(path: Path) -> str:
    """Hash of a file's bytes.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_checksums(paths: Iterable[Path]) -> dict[str, str]:
    """Hash of each file's bytes, keyed by the path as given."""
    return {str(path): file_checksum(path) for path in paths}


def array_checksum(array: np.ndarray) -> str:
    """Hash of an array's type, shape and values; not of how it is stored."""
    digest = array_digest(array.dtype, array.shape)
    for block in byte_blocks(array):
        digest.update(block)
    return digest.hexdigest()


def array_digest(dtype: np.dtype[Any], shape: tuple[int, ...]) -> "hashlib._Hash":
    """The hash that :func:`array_checksum` feeds, for arrays written in pieces."""
    return hashlib.sha256(canonical_json([dtype.newbyteorder("<").str, list(shape)]))


def byte_blocks(array: np.ndarray) -> Iterator[memoryview]:
    """The bytes of an array in C order, little-endian, a few megabytes at a time."""
    if array.size == 0:
        return
    little = array.dtype.newbyteorder("<")
    rows = max(1, _BLOCK // max(1, array.dtype.itemsize * (array.size // max(1, len(array))))) if array.ndim else 1
    whole = array.reshape(1) if array.ndim == 0 else array
    for start in range(0, len(whole), rows):
        block = np.ascontiguousarray(whole[start : start + rows], dtype=little)
        yield block.reshape(-1).view(np.uint8).data
