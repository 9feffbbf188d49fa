"""The keyed hashes of schemas/picks.md, vectorised; the native sampler computes the same."""

import numpy as np

from gnnctl.splits.keyed import mix_all

_MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def name_hash(name: str) -> int:
    """FNV-1a, 64 bits, of a name's UTF-8 bytes: how the types of a graph enter the keys."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK
    return value


def mix(z: int) -> int:
    """The finalizer of SplitMix64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def absorb(key: int, word: int) -> int:
    """A new key from a key and a word of 64 bits."""
    return mix(key ^ mix((word + GOLDEN) & _MASK))


def absorb_rows(key: int | np.ndarray, rows: np.ndarray) -> np.ndarray:
    """:func:`absorb` of each row (n,) int64 into one key, or into the key (n,) uint64 of each: (n,) uint64."""
    words = rows.astype(np.uint64) + np.uint64(GOLDEN)
    return mix_all(np.uint64(key) ^ mix_all(words))


def random_words(key: int, count: int) -> np.ndarray:
    """random(key, 0) ... random(key, count - 1): (count,) uint64."""
    return mix_all(np.uint64(key) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(GOLDEN))


def words_at(keys: np.ndarray, index: int) -> np.ndarray:
    """random(key, index) of each key (n,) uint64."""
    return mix_all(keys + np.uint64((index + 1) * GOLDEN & _MASK))


def bounded_all(words: np.ndarray, below: np.ndarray | int) -> np.ndarray:
    """bounded(word, n) of each word: (count,) int64 in 0..n - 1, for n of 1 to 2^63 - 1, one or one for each."""
    n = np.asarray(below).astype(np.uint64)
    half, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    word_high, word_low, n_high, n_low = words >> half, words & low, n >> half, n & low
    middle = word_high * n_low + (word_low * n_low >> half)
    carried = word_low * n_high + (middle & low)
    places: np.ndarray = (word_high * n_high + (middle >> half) + (carried >> half)).astype(np.int64)
    return places


def set_digest(rows: np.ndarray) -> int:
    """A word for a set of rows (n,) int64, whatever their order: the sum of key(row) over them."""
    return int(absorb_rows(0, rows).sum(dtype=np.uint64))
