"""Which seeds are in which batch: one definition for sampling on the fly, for `sample`, and for merging records."""

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.sampling.keys import absorb, absorb_rows, name_hash

_SHUFFLE = name_hash("shuffle")


def batches(seeds: np.ndarray, batch_size: int, *, shuffle: bool, seed: int, epoch: int) -> list[np.ndarray]:
    """Cut seeds into batches; the last may be smaller.

    The shuffled order is by a key of (seed, epoch, row), so it depends on the set of the seeds alone.

    Args:
        seeds: (n,) int64 rows, distinct.
        batch_size: seeds a batch, at least 1.
        shuffle: keyed order; otherwise the seeds' own.
        seed: run seed.
        epoch: 0 for evaluation, 1.. for training.

    Raises:
        ValueError: batch_size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
    rows = np.ascontiguousarray(seeds, dtype=np.int64)
    if shuffle:
        keys = absorb_rows(absorb(absorb(absorb(0, seed), epoch), _SHUFFLE), rows)
        rows = rows[np.lexsort((rows, keys))]
    return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]


def checked_seeds(seeds: np.ndarray, num_nodes: int) -> np.ndarray:
    """The seeds of one batch, if they are (s,) int64 distinct rows below ``num_nodes``.

    Raises:
        TypeError: no int64 array.
        ValueError: not one contiguous dimension, a seed out of range or twice.
    """
    if not isinstance(seeds, np.ndarray) or seeds.dtype != np.int64:
        raise TypeError(f"seeds: expected an int64 array, got {getattr(seeds, 'dtype', type(seeds).__name__)}")
    if seeds.ndim != 1 or not seeds.flags.c_contiguous:
        raise ValueError("seeds: expected one contiguous dimension")
    if len(seeds):
        if seeds.min() < 0 or seeds.max() >= num_nodes:
            raise ValueError(f"seeds: a row is outside 0..{num_nodes - 1}")
        ascending = np.sort(seeds)
        if np.any(twice := ascending[1:] == ascending[:-1]):
            raise ValueError(f"seeds: row {ascending[1:][twice][0]} occurs twice")
    return seeds


def checked_method(hops: int, seed: int) -> None:
    """Check what every method is made with.

    Raises:
        UsageError: fewer than one hop, or a run seed out of range.
    """
    if isinstance(hops, bool) or not isinstance(hops, int) or hops < 1:
        raise UsageError(f"hops: expected 1 or more, got {hops!r}", fix="pass a positive number")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise UsageError(f"seed: {seed!r} is outside 0..2^64-1", fix="pass a smaller one")
