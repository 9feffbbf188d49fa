"""The events that each node has yet to take in."""

from typing import NamedTuple

import torch
from torch import Tensor

_LEAST_ROOM = 1024


class Events(NamedTuple):
    """``node`` and ``other`` (M,) int64 ends, ``time`` (M,) int64, ``message`` (M, F)."""

    node: Tensor
    other: Tensor
    time: Tensor
    message: Tensor


class EventStore:
    """Of each node the events of the last batch that it was in, until they are taken.

    Events are written one after the other into a buffer, those of a node together; where it is full, those that were
    taken or replaced are dropped, so that adding costs a constant time for each event, whatever the number of nodes.

    Args:
        num_nodes: N.
        width: F, of the messages.
        device: where the events are.
    """

    def __init__(self, num_nodes: int, width: int, device: torch.device | str = "cpu") -> None:
        self._start = torch.zeros(num_nodes, dtype=torch.int64, device=device)
        self._count = torch.zeros(num_nodes, dtype=torch.int64, device=device)
        self._used = 0
        self._buffer = self._room(_LEAST_ROOM, width)

    @property
    def num_nodes(self) -> int:
        """N."""
        return self._count.shape[0]

    def put(self, events: Events) -> None:
        """Keep events; of a node that has some, these take their place."""
        order = events.node.argsort(stable=True)
        events = Events(*(part.detach().index_select(0, order) for part in events))
        nodes, counts = torch.unique_consecutive(events.node, return_counts=True)
        self._count[nodes] = 0
        new = order.shape[0]
        if self._used + new > self._buffer.node.shape[0]:
            self._compact(new)
        for kept, given in zip(self._buffer, events, strict=True):
            kept[self._used : self._used + new] = given
        self._count[nodes] = counts
        self._start[nodes] = self._used + counts.cumsum(0) - counts
        self._used += new

    def of(self, nodes: Tensor) -> Events:
        """The events of nodes (n,), those of a node together and in the order in which they were put."""
        places = self._places(nodes)
        return Events(*(part.index_select(0, places) for part in self._buffer))

    def drop(self, nodes: Tensor) -> None:
        """Forget the events of nodes (n,)."""
        self._count[nodes] = 0

    def _places(self, nodes: Tensor) -> Tensor:
        counts = self._count.index_select(0, nodes)
        shift = torch.repeat_interleave(self._start.index_select(0, nodes) - counts.cumsum(0) + counts, counts)
        return shift + torch.arange(shift.shape[0], device=shift.device)

    def _compact(self, new: int) -> None:
        nodes = self._count.nonzero()[:, 0]
        live = self.of(nodes)
        counts = self._count.index_select(0, nodes)
        self._used = live.node.shape[0]
        self._buffer = self._room(2 * (self._used + new), live.message.shape[1])
        for kept, given in zip(self._buffer, live, strict=True):
            kept[: self._used] = given
        self._start[nodes] = counts.cumsum(0) - counts

    def _room(self, size: int, width: int) -> Events:
        size, device = max(size, _LEAST_ROOM), self._count.device
        node, other, time = (torch.empty(size, dtype=torch.int64, device=device) for _ in range(3))
        return Events(node, other, time, torch.empty(size, width, device=device))
