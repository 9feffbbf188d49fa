"""Which seeds are in which batch: one definition for sampling on the fly, for `sample`, and for merging records."""

import numpy as np

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
