"""Numbers that stand for rows of features: equal for equal rows, and for others almost never."""

import numpy as np

from gnnctl.graph.store_interfaces import Column

_ODD = np.uint64(0x9E3779B97F4A7C15)


def mixed(values: np.ndarray) -> np.ndarray:
    """(...) uint64: every bit of each value spread over all bits (splitmix64, Steele et al. 2014)."""
    found = values.astype(np.uint64) + _ODD
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(found ^ (found >> np.uint64(31)))


def row_hashes(values: np.ndarray | Column, block: int = 1 << 20) -> np.ndarray:
    """(n,) uint64 of the rows of stored features (n, F); the two zeros of floating point are one number.

    Args:
        block: numbers looked at together.
    """
    found = np.zeros(len(values), np.uint64)
    width = values.shape[1] if values.ndim == 2 else 0
    if not width:
        return found
    factors = mixed(np.arange(width)) | np.uint64(1)
    step = max(1, block // width)
    for start in range(0, len(values), step):
        rows = np.ascontiguousarray(values[start : start + step])
        if rows.dtype.kind == "f":
            rows = rows + rows.dtype.type(0)  # -0.0 becomes 0.0
        words = rows.view(np.dtype(f"u{rows.dtype.itemsize}"))
        found[start : start + step] = (mixed(words) * factors).sum(axis=1, dtype=np.uint64)
    return found


def first_of(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(n,) int64: for each key the first place among ``known`` (m,) where it stands, -1 where nowhere."""
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known[order], keys)
    found = np.full(len(keys), -1)
    inside = np.flatnonzero(place < len(known))
    met = inside[known[order[place[inside]]] == keys[inside]]
    found[met] = order[place[met]]
    return found
