"""The keyed hashes that decide parts: of a row by its original id and the seed, of a link by those of its ends."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from gnnctl.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_PERSON = b"gnnctl split 1"
_AT_ONCE = 1 << 16  # Python objects that stand at a time


def keyed_hashes(values: "pa.Array | pa.ChunkedArray", seed: int, domain: str) -> np.ndarray:
    """BLAKE2b, 64 bits, of each value's text: (n,) uint64, uniform and independent of all other values.

    The text is what Arrow prints when it casts the value to a string, so the integer 7 and the text "7" hash alike.

    Args:
        values: (n,) of any type that has a text; no nulls.
        seed: part of the key.
        domain: part of the key; what the values are (``"id"``, ``"group"``).

    Raises:
        DataError: the values have no text (lists, structs).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    start = hashlib.blake2b(digest_size=8, key=f"{domain} {seed}".encode(), person=_PERSON)
    hashes = np.empty(len(values), np.uint64)
    for first in range(0, len(values), _AT_ONCE):
        try:
            texts = pc.cast(values.slice(first, _AT_ONCE), pa.string()).to_pylist()
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            raise DataError(
                f"values of type {values.type} cannot be hashed", fix="use a column of text or numbers"
            ) from None
        digests = []
        for text in texts:
            state = start.copy()
            state.update(text.encode())
            digests.append(state.digest())
        hashes[first : first + len(texts)] = np.frombuffer(b"".join(digests), dtype="<u8")
    return hashes


def mix_all(z: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 of each word (n,) uint64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = z ^ (z >> np.uint64(31))
    return mixed


def link_hashes(first: np.ndarray, second: np.ndarray, name: str, seed: int, domain: str = "link") -> np.ndarray:
    """mix(mix(h + first) + second), modulo 2^64, of each link: (n,) uint64.

    Args:
        first, second: (n,) uint64, hashes of the ids of its ends.
        name: of the edge type; h is its hash with ``domain`` and ``seed``.
        seed, domain: parts of the key.
    """
    import pyarrow as pa

    start = keyed_hashes(pa.array([name]), seed, domain)
    return mix_all(mix_all(start + first) + second)
