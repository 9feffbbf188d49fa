"""Another order of stored records for every reading, as random as bounded memory allows."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from gnnctl.sampling.keys import absorb, absorb_rows, name_hash
from gnnctl.sampling.records import Block

WINDOW = 8  # groups of rows that are mixed

Item = TypeVar("Item")


def shuffled(items: Sequence[Item], key: int) -> list[Item]:
    """The items in ascending order of (absorb(key, number), number)."""
    numbers = np.arange(len(items))
    return [items[i] for i in np.lexsort((numbers, absorb_rows(key, numbers)))]


def mixed(groups: Iterator[list[Block]], key: int, window: int) -> Iterator[list[Block]]:
    """The records of every ``window`` groups among each other, in the order of :func:`shuffled`.

    Args:
        groups: records of one part and epoch.
        key: together with the number of the window.
        window: groups held in memory.
    """
    waiting: list[Block] = []
    number = count = 0
    for group in groups:
        waiting += group
        count += 1
        if count == window:
            yield [_shuffled_block(Block.joined(waiting), absorb(key, number))]
            waiting, count, number = [], 0, number + 1
    if waiting:
        yield [_shuffled_block(Block.joined(waiting), absorb(key, number))]


def _shuffled_block(block: Block, key: int) -> Block:
    numbers = np.arange(len(block))
    return block.taken(np.lexsort((numbers, absorb_rows(key, numbers))))


def reading_key(seed: int, epoch: int) -> int:
    """The key under which an epoch shuffles records that were read before: key(run seed, epoch, name("reading"))."""
    return absorb(absorb(absorb(0, seed), epoch), name_hash("reading"))
