"""The published pick function over many nodes at once, in NumPy: for engines that hold edges as tables."""

import numpy as np

from gnnctl.sampling.keys import absorb, absorb_rows, bounded_all, name_hash, words_at
from gnnctl.sampling.spec import ALL
from gnnctl.sampling.trees import HiddenEdges


def draw_keys(
    seed: int, epoch: int, edge_type: str, nodes: np.ndarray, disjoint: tuple[str, np.ndarray] | None = None
) -> np.ndarray:
    """The keys of the draws of nodes (n,) over one edge type: (n,) uint64; see schemas/picks.md.

    Args:
        seed: run seed.
        epoch: of all of them.
        edge_type: its name.
        nodes: rows.
        disjoint: of disjoint sampling, what trees grow from, by name (a node type, or links), and the word of each
            node's tree, of 64 bits: the row of its seed, or the word of its link.
    """
    key = absorb(absorb(0, seed), epoch)
    if disjoint is None:
        return absorb_rows(absorb(key, name_hash(edge_type)), nodes)
    kind, words = disjoint
    key = absorb(absorb(key, name_hash(kind)), name_hash(edge_type))
    return absorb_rows(absorb_rows(key, words), nodes)


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


def visible_picks(
    keys: np.ndarray, degree: np.ndarray, fan_out: int, hidden: HiddenEdges
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`picks` without replacement from the in-edges that are not hidden.

    Args:
        keys, degree, fan_out: as of :func:`picks`.
        hidden: in-edges of each node, whose offsets are below its degree.

    Returns:
        As :func:`picks`.
    """
    unseen = np.diff(hidden.ptr)
    taken = degree - unseen if fan_out == ALL else np.minimum(degree - unseen, fan_out)
    owners, found = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for more in np.unique(unseen).tolist():  # as many more are drawn, and those that are hidden passed over
        of = np.flatnonzero(unseen == more)
        count, offsets = picks(keys[of], degree[of], fan_out if fan_out == ALL else fan_out + more, False)
        owners.append(np.repeat(of, count))
        found.append(offsets)
    owner, offset = np.concatenate(owners), np.concatenate(found)
    order = np.argsort(owner, kind="stable")
    owner, offset = owner[order], offset[order]
    width = int(degree.max(initial=0)) + 1
    passed = np.isin(owner * width + offset, np.repeat(np.arange(len(degree)), unseen) * width + hidden.offset)
    owner, offset = owner[~passed], offset[~passed]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    return taken, offset[place < taken[owner]]


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
