"""A temporal graph network that finds links: events in, one batch after the other, and how likely each was."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gnnctl.nn.models.recent_neighbors import RecentNeighbors
from gnnctl.nn.models.tgn import TGNMemory, TimeEncoder


@dataclass(frozen=True)
class EventBatch:
    """M events, none before those of an earlier batch, and what each is told from.

    Attributes:
        source, destination: (M,) int64 nodes. time: (M,) int64. message: (M, F) float32.
        negative: (2, M, K) int64, sources and destinations of what did not happen at an event's time.
        first: whether a run through time begins with it.
        counted: see :class:`gnnctl.graph.batch.Batch`.
    """

    source: Tensor
    destination: Tensor
    time: Tensor
    message: Tensor
    negative: Tensor
    first: bool = False
    counted: bool = True

    @property
    def num_seeds(self) -> int:
        """M."""
        return len(self.source)

    def to(self, device: torch.device) -> "EventBatch":
        """The same on another device."""
        parts = ("source", "destination", "time", "message", "negative")
        return replace(self, **{name: getattr(self, name).to(device) for name in parts})


class _Since(TimeEncoder):
    """Encodes times in units of ``unit``."""

    unit: Tensor

    def __init__(self, out_channels: int, unit: float) -> None:
        super().__init__(out_channels)
        self.register_buffer("unit", torch.tensor(float(unit)))

    def forward(self, time: Tensor) -> Tensor:
        return super().forward(time / self.unit)


class EventModel(nn.Module):
    r"""TGN with attention over recent events, of "Temporal Graph Networks for Deep Learning on Dynamic Graphs" (Rossi
    et al., 2020): what is known of a node at time t is

    .. math::
        z_i(t) = W [s_i \| \mathrm{attention}(s_i \| \phi(0), \{ s_j \| e_{ij} \| \phi(t - t_{ij}) \})]

    over the last K events (i, j) before the batch, s being memories, to which features are added; a link is scored by
    an MLP of both ends.

    A batch's events change memories only after it was scored, when the next one comes: no event sees itself, or another
    of its batch.

    Args:
        num_nodes: of all types, one after the other.
        message_channels: F, of the events; may be 0.
        hidden: width of memories and representations; a multiple of ``heads``.
        features: (num_nodes, D) of the nodes, or None.
        heads: of attention.
        recent: K.
        dropout: of attention and in the MLP.
        unit: a time that counts as 1.
    """

    def __init__(
        self,
        num_nodes: int,
        message_channels: int,
        hidden: int,
        *,
        features: Tensor | None = None,
        heads: int = 2,
        recent: int = 10,
        dropout: float = 0.0,
        unit: float = 1.0,
    ) -> None:
        super().__init__()
        self.memory = TGNMemory(num_nodes, message_channels, hidden, hidden)
        self.memory.time = _Since(hidden, unit)
        self.recent = RecentNeighbors(num_nodes, recent, message_channels)
        self.register_buffer("features", features, persistent=False)
        self.described = None if features is None else nn.Linear(features.shape[1], hidden)
        seen = 2 * hidden + message_channels
        self.attention = nn.MultiheadAttention(hidden, heads, dropout=dropout, kdim=seen, vdim=seen, batch_first=True)
        self.query = nn.Linear(2 * hidden, hidden)
        self.joined = nn.Linear(2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.scored = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self._waiting: EventBatch | None = None

    def reset_state(self) -> None:
        """Forget all events."""
        self.memory.reset_state()
        self.recent.reset_state()
        self._waiting = None

    def forward(self, batch: EventBatch) -> tuple[Tensor, Tensor]:
        """Scores (M,) of the events and (M, K) of their negatives, from what was before the batch."""
        if batch.first:
            self.reset_state()
        self.absorb()
        count = batch.num_seeds
        source = torch.cat([batch.source[:, None], batch.negative[0]], 1)
        destination = torch.cat([batch.destination[:, None], batch.negative[1]], 1)
        times = batch.time.repeat_interleave(source.shape[1])
        z = self.represent(torch.cat([source.flatten(), destination.flatten()]), torch.cat([times, times]))
        first, second = z.view(2, count, source.shape[1], -1)
        self._waiting = batch
        scores = self._score(first, second)
        return scores[:, 0], scores[:, 1:]

    def absorb(self) -> None:
        """Take in the events of the batch that was scored last."""
        if self._waiting is not None:
            one, self._waiting = self._waiting, None
            self.memory.update(one.source, one.destination, one.time, one.message)
            self.recent.insert(one.source, one.destination, one.time, one.message)

    def represent(self, nodes: Tensor, times: Tensor) -> Tensor:
        """(n, hidden) of nodes (n,) at times (n,)."""
        events, there = self.recent(nodes)
        involved, place = torch.unique(torch.cat([nodes, events.other[there]]), return_inverse=True)
        memory, _ = self.memory(involved)
        if self.described is not None:
            memory = memory + self.described(cast(Tensor, self.features)[involved])
        own = memory.index_select(0, place[: len(nodes)])
        other = own.new_zeros(*there.shape, own.shape[1])
        other[there] = memory.index_select(0, place[len(nodes) :])
        since = (times[:, None] - events.time).to(own.dtype)
        keys = torch.cat([other, events.message, self._encoded(since)], -1)
        query = self.query(torch.cat([own, self._encoded(torch.zeros_like(since[:, :1]))[:, 0]], -1))
        # A node without events attends to one that is nothing, whose outcome is left out.
        none = ~there.any(1)
        padding = ~there
        padding[:, 0] &= ~none
        seen, _ = self.attention(query[:, None], keys, keys, key_padding_mask=padding, need_weights=False)
        seen = torch.where(none[:, None], 0.0, seen[:, 0])
        out: Tensor = self.dropout(functional.relu(self.joined(torch.cat([own, seen], -1))))
        return out

    @torch.no_grad()
    def replay(self, batches: Iterable[EventBatch]) -> Iterator[tuple[Tensor, Tensor]]:
        """Scores of batches, one after the other, in evaluation mode; goes on from where the model stands."""
        self.eval()
        for batch in batches:
            yield self(batch)
        self.absorb()

    def _encoded(self, since: Tensor) -> Tensor:
        found: Tensor = self.memory.time(since.flatten())
        return found.view(*since.shape, -1)

    def _score(self, source: Tensor, destination: Tensor) -> Tensor:
        """(...) of (..., hidden) each."""
        out: Tensor = self.scored(torch.cat([source, destination], -1)).squeeze(-1)
        return out
