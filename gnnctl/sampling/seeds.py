"""Which seeds are in which batch: one definition for sampling on the fly, for `sample`, and for merging records."""

from collections.abc import Iterator

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.sampling.keys import absorb, absorb_rows, name_hash

_SHUFFLE, _GROUP, _BALANCE = name_hash("shuffle"), name_hash("group"), name_hash("balance")


def batches(
    seeds: np.ndarray,
    batch_size: int,
    *,
    shuffle: bool,
    seed: int,
    epoch: int,
    groups: np.ndarray | None = None,
    classes: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Cut n seeds into ceil(n / batch_size) batches; the last may be smaller.

    The shuffled order is ascending in (key of the row, row), with key(run seed, epoch, name("shuffle"), row) in the
    notation of schemas/picks.md, so it depends on the set of the seeds alone.

    With ``groups`` the seeds of a group are neighbours. Shuffled, the order is ascending in (key of the group, group,
    key of the row, row), the group's with name("group"); otherwise in group, then the seeds' own order.

    With ``classes`` (shuffled only) a batch of s distinct seeds has them from all classes in equal parts: each class
    gives min(level, size of the class), with the largest level at which the sum is at most s, and what is left is
    given, one each, by the larger classes least in (key(run seed, epoch, name("balance"), batch, class), class). A
    class gives its seeds in shuffled order and begins again at its end, over all batches. So rare classes repeat, and
    frequent ones are covered as far as the number of batches allows. Within a batch the order is the shuffled one.

    Args:
        seeds: (n,) int64 rows, distinct.
        batch_size: seeds a batch, at least 1.
        shuffle: keyed order; otherwise the seeds' own.
        seed: run seed.
        epoch: 0 for evaluation, 1.. for training.
        groups: (n,) integers, the group of each seed.
        classes: (n,) integers, the class of each seed.

    Raises:
        ValueError: batch_size below 1, groups or classes that do not fit, or options that do not go together.
        TypeError: groups or classes that are no integers.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
    rows = np.ascontiguousarray(seeds, dtype=np.int64)
    if classes is not None:
        if groups is not None:
            raise ValueError("classes: seeds are either grouped or balanced")
        if not shuffle:
            raise ValueError("classes: only shuffled seeds are balanced")
        order = _shuffled(rows, seed, epoch)
        label = _per_seed(classes, "classes", len(rows))[order]
        return list(_balanced(rows[order], label, batch_size, _epoch_key(seed, epoch, _BALANCE)))
    if groups is not None:
        group = _per_seed(groups, "groups", len(rows))
        order = _shuffled(rows, seed, epoch) if shuffle else np.arange(len(rows))
        group = group[order]
        if shuffle:
            order = order[np.lexsort((group, absorb_rows(_epoch_key(seed, epoch, _GROUP), group)))]
        else:
            order = order[np.argsort(group, kind="stable")]
        rows = rows[order]
    elif shuffle:
        rows = rows[_shuffled(rows, seed, epoch)]
    return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]


def _balanced(rows: np.ndarray, label: np.ndarray, batch_size: int, key: int) -> Iterator[np.ndarray]:
    """Batches of shuffled rows, balanced over their classes."""
    classes, size = np.unique(label, return_counts=True)
    members = np.argsort(label, kind="stable")  # places in the shuffled order, class by class
    first = np.cumsum(size) - size
    given = np.zeros(len(classes), np.int64)
    for batch, start in enumerate(range(0, len(rows), batch_size)):
        wanted = min(batch_size, len(rows) - start)
        takes = _equal_parts(size, wanted)
        larger = np.flatnonzero(size > takes)
        order = np.lexsort((classes[larger], absorb_rows(absorb(key, batch), classes[larger])))
        takes[larger[order[: wanted - int(takes.sum())]]] += 1
        owner = np.repeat(np.arange(len(classes)), takes)
        turn = np.arange(len(owner)) - np.repeat(np.cumsum(takes) - takes, takes)
        places = members[first[owner] + (given[owner] + turn) % size[owner]]
        given += takes
        yield rows[np.sort(places)]


def _equal_parts(size: np.ndarray, wanted: int) -> np.ndarray:
    """min(level, size) with the largest level at which the sum is at most ``wanted``; sum(size) >= wanted."""
    low, high = 0, int(size.max())
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.minimum(size, middle).sum()) <= wanted:
            low = middle
        else:
            high = middle - 1
    parts: np.ndarray = np.minimum(size, low)
    return parts


def _epoch_key(seed: int, epoch: int, purpose: int) -> int:
    return absorb(absorb(absorb(0, seed), epoch), purpose)


def _shuffled(rows: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Places of rows in keyed order."""
    order: np.ndarray = np.lexsort((rows, absorb_rows(_epoch_key(seed, epoch, _SHUFFLE), rows)))
    return order


def _per_seed(values: np.ndarray, name: str, count: int) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, got {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{name}: expected one for each of {count} seeds, got shape {array.shape}")
    return array.astype(np.int64)


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
