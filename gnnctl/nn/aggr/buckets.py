"""Groups of like sizes as dense batches, for aggregations that look at a whole group at once.

Padding every group to the largest would make the work that of the most popular node, times the number of nodes. Here
groups are sorted by size and cut into buckets: a bucket takes smaller and smaller groups as long as its padded volume
stays within 1 + WASTE of its rows, so that never more than that is wasted, with a number of buckets that grows as the
logarithm of the largest size. Each bucket is one dense call, and groups without rows are in none.

The cuts depend on the sizes, which a compiled graph must not. While compiling there are two ways:

- with ``max_group``, a bound that the user knows, all groups are one batch padded to it, with nothing that depends on
  the data: ``fullgraph=True`` holds, and a larger group stops the program with an error;
- without it, the buckets run uncompiled between two compiled graphs, which ``fullgraph=True`` refuses by name.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

WASTE = 0.25

# (B, L, F) rows, zero where there are none, and (B, L) bool, where there are; answers (B, C).
Dense = Callable[[Tensor, Tensor], Tensor]


class Bucket(NamedTuple):
    """Groups of like sizes: ``groups`` (B,) int64 which, ``length`` the rows of the largest."""

    groups: Tensor
    length: int


def buckets_of(ptr: Tensor, waste: float = WASTE) -> list[Bucket]:
    """Cut the groups that have rows into buckets, the largest first.

    Args:
        ptr: (D + 1,) int64.
        waste: of each bucket, most padding over rows.
    """
    sizes, order = torch.diff(ptr).sort(descending=True, stable=True)
    kinds, repeats = torch.unique_consecutive(sizes, return_counts=True)
    found: list[Bucket] = []
    first = count = rows = length = 0
    for size, times in zip(kinds.tolist(), repeats.tolist(), strict=True):
        if size == 0:
            break
        if count and length * (count + times) > (1 + waste) * (rows + size * times):
            found.append(Bucket(order[first : first + count], length))
            first, count, rows = first + count, 0, 0
        length = length if count else size
        count, rows = count + times, rows + size * times
    if count:
        found.append(Bucket(order[first : first + count], length))
    return found


def by_buckets(values: Tensor, ptr: Tensor, dense: Dense, channels: int, max_group: int | None = None) -> Tensor:
    """Aggregate groups by a function of dense batches.

    Args:
        values: (E, F) rows, grouped.
        ptr: (D + 1,) int64.
        dense: gives the same for a group whatever stands in its padding, and however much there is; a group without
            any row must give finite numbers.
        channels: C, the width of what it gives.
        max_group: most rows of a group; needed to compile without a break, checked always.

    Returns:
        (D, C); zero for groups without rows.

    Raises:
        ValueError: a group is larger than ``max_group``.
    """
    if torch.compiler.is_compiling():
        if max_group is not None:
            return _padded(values, ptr, dense, max_group)
        from gnnctl.nn.aggr.outside import outside

        return outside(_bucketed, values, ptr, dense, channels, max_group)
    return _bucketed(values, ptr, dense, channels, max_group)


def check_bound(largest: int, max_group: int | None) -> None:
    """Check that the largest group is within the bound.

    Raises:
        ValueError: it is not.
    """
    if max_group is not None and largest > max_group:
        raise ValueError(f"max_group is {max_group}, but there is a group of {largest} rows")


def _bucketed(values: Tensor, ptr: Tensor, dense: Dense, channels: int, max_group: int | None) -> Tensor:
    buckets = buckets_of(ptr)
    if not buckets:
        return values.new_zeros(ptr.shape[0] - 1, channels)
    check_bound(buckets[0].length, max_group)
    found = [dense(*_batch(values, ptr[b.groups], ptr[b.groups + 1], b.length)) for b in buckets]
    out = found[0].new_zeros(ptr.shape[0] - 1, channels)
    return out.index_copy(0, torch.cat([b.groups for b in buckets]), torch.cat(found))


def _padded(values: Tensor, ptr: Tensor, dense: Dense, max_group: int) -> Tensor:
    torch._assert_async((torch.diff(ptr) <= max_group).all(), f"a group has more rows than max_group = {max_group}")
    values = torch.cat([values, values.new_zeros(1, *values.shape[1:])])  # a row to point to, if there is no other
    out = dense(*_batch(values, ptr[:-1], ptr[1:], max_group))
    empty = ptr[:-1] == ptr[1:]
    return out.masked_fill(empty[:, None], 0)


def _batch(values: Tensor, start: Tensor, end: Tensor, length: int) -> tuple[Tensor, Tensor]:
    index = start[:, None] + torch.arange(length, device=start.device)
    there = index < end[:, None]
    rows = values.index_select(0, torch.where(there, index, 0).flatten())
    return rows.view(*index.shape, values.shape[1]).masked_fill(~there[:, :, None], 0), there
