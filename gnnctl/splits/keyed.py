"""The keyed hash that decides the part of a row: it knows the row's original id and the seed, nothing else."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from gnnctl.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_PERSON = b"gnnctl split 1"


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

    try:
        texts = pc.cast(values, pa.string()).to_pylist()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise DataError(
            f"values of type {values.type} cannot be hashed", fix="use a column of text or numbers"
        ) from None
    start = hashlib.blake2b(digest_size=8, key=f"{domain} {seed}".encode(), person=_PERSON)
    digests = []
    for text in texts:
        state = start.copy()
        state.update(text.encode())
        digests.append(state.digest())
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
