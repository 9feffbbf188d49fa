"""The published pick function over many nodes at once, in NumPy: for engines that hold edges as tables."""

import numpy as np

from gnnctl.sampling.keys import absorb, absorb_rows, bounded_all, name_hash, words_at
from gnnctl.sampling.spec import ALL


def draw_keys(
    seed: int, epoch: int, edge_type: str, nodes: np.ndarray, disjoint: tuple[str, np.ndarray] | None = None
) -> np.ndarray:
    """The keys of the draws of nodes (n,) over one edge type: (n,) uint64; see schemas/picks.md.

    Args:
        seed: run seed.
        epoch: of all of them.
        edge_type: its name.
        nodes: rows.
        disjoint: of disjoint sampling, the seeds' node type and the row of each node's seed.
    """
    key = absorb(absorb(0, seed), epoch)
    if disjoint is None:
        return absorb_rows(absorb(key, name_hash(edge_type)), nodes)
    node_type, seeds = disjoint
    key = absorb(absorb(key, name_hash(node_type)), name_hash(edge_type))
    return absorb_rows(absorb_rows(key, seeds), nodes)


def picks(keys: np.ndarray, degree: np.ndarray, fan_out: int, replace: bool) -> tuple[np.ndarray, np.ndarray]:
    """Which of its in-edges each node takes, uniformly drawn.

    Args:
        keys: (n,) uint64.
        degree: (n,) int64, 0 or more.
        fan_out: -1 for all.
        replace: with replacement.

    Returns:
        How many each takes, (n,) int64, and their offsets one after the other.
    """
    taken = degree.copy()
    if fan_out != ALL:
        taken = np.where(degree > 0, fan_out, 0) if replace else np.minimum(degree, fan_out)
    starts = np.cumsum(taken) - taken
    offsets = np.arange(int(taken.sum()), dtype=np.int64) - np.repeat(starts, taken)  # those that take all
    drawn = np.flatnonzero((taken > 0) & (fan_out != ALL) & (replace | (taken < degree)))
    if len(drawn) and fan_out > 0:
        chosen = (_with if replace else _without)(keys[drawn], degree[drawn], fan_out)
        offsets[starts[drawn][:, None] + np.arange(fan_out)] = chosen
    return taken, offsets


def _with(keys: np.ndarray, degree: np.ndarray, count: int) -> np.ndarray:
    return np.stack([bounded_all(words_at(keys, i), degree) for i in range(count)], axis=1)


def _without(keys: np.ndarray, degree: np.ndarray, count: int) -> np.ndarray:
    """The first elements of each keyed permutation; of the array only the exchanged places are kept."""
    places = np.full((len(keys), count), -1, np.int64)  # which were written, in this order
    values = np.zeros((len(keys), count), np.int64)
    found = np.zeros((len(keys), count), np.int64)

    def at(place: np.ndarray, written: int) -> np.ndarray:
        value = place.copy()
        for i in range(written):
            value = np.where(places[:, i] == place, values[:, i], value)
        return value

    for i in range(count):
        here = np.full(len(keys), i, np.int64)
        other = i + bounded_all(words_at(keys, i), degree - i)
        found[:, i] = at(other, i)
        values[:, i], places[:, i] = at(here, i), other
    return found
