"""A process's part of the batches that several processes share."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np


class Share(NamedTuple):
    """The part of process ``rank`` among P: of n seeds those from n * rank // P to n * (rank + 1) // P, exclusive.

    Parts do not overlap, are all of them together, and differ by at most one seed. With ``owner``, by seed the process
    that it belongs to, a part is the seeds of its process, in their order, and may be of any size.
    """

    rank: int = 0
    among: int = 1
    owner: np.ndarray | None = None

    def bounds(self, size: int) -> tuple[int, int]:
        """First and last (exclusive) of ``size`` seeds."""
        return size * self.rank // self.among, size * (self.rank + 1) // self.among

    def stretch(self, size: int, *, filled: bool) -> tuple[int, int, bool]:
        """First and last of ``size`` seeds, and whether they count.

        Args:
            filled: where the part is empty, take the first seed, which does not count: its process has to take part in
                the step, and needs something to compute with.
        """
        start, end = self.bounds(size)
        return (0, min(1, size), False) if filled and start == end else (start, end, True)

    def of(self, batches: Iterable[np.ndarray], *, filled: bool) -> Iterator[tuple[np.ndarray, bool]]:
        """The part of every batch, and whether it counts; empty ones are left out unless ``filled``."""
        for seeds in batches:
            if self.owner is not None:
                own = seeds[self.owner[seeds] == self.rank]
                if len(own):
                    yield own, True
                elif filled:
                    yield seeds[:1], False
                continue
            start, end, counted = self.stretch(len(seeds), filled=filled)
            if start < end:
                yield seeds[start:end], counted


WHOLE = Share()
