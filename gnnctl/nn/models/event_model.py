"""A temporal graph network that finds links: events in, one batch after the other, and how likely each was."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gnnctl.nn.dropout import Dropout
from gnnctl.nn.models.pair_history import PairHistory
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

    over the last K events (i, j) before the batch, s being memories, to which features are added. A link is scored by
    an MLP of both ends and, with ``pairs``, of the events that were between the two of them: log(1 + how many), and the
    encoded time since the latest. Memories alone hardly tell that two nodes met before, which often says most ("Towards
    Better Evaluation for Dynamic Link Prediction", Poursafaei et al., 2022).

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
        pairs: whether earlier events between the two ends of a link count.
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
        pairs: bool = True,
    ) -> None:
        super().__init__()
        self.memory = TGNMemory(num_nodes, message_channels, hidden, hidden)
        self.memory.time = _Since(hidden, unit)
        self.recent = RecentNeighbors(num_nodes, recent, message_channels)
        self.history = PairHistory(num_nodes) if pairs else None
        self.register_buffer("features", features, persistent=False)
        self.described = None if features is None else nn.Linear(features.shape[1], hidden)
        seen = 2 * hidden + message_channels
        self.attention = nn.MultiheadAttention(hidden, heads, dropout=dropout, kdim=seen, vdim=seen, batch_first=True)
        self.query = nn.Linear(2 * hidden, hidden)
        self.joined = nn.Linear(2 * hidden, hidden)
        self.dropout = Dropout(dropout)
        self.scored = nn.Sequential(
            nn.Linear((3 if pairs else 2) * hidden + 2 * pairs, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )
        self._waiting: EventBatch | None = None

    def reset_state(self) -> None:
        """Forget all events."""
        self.memory.reset_state()
        self.recent.reset_state()
        if self.history is not None:
            self.history.reset_state()
        self._waiting = None

    def forward(self, batch: EventBatch) -> tuple[Tensor, Tensor]:
        """Scores (M,) of the events and (M, K) of their negatives, from what was before the batch."""
        if batch.first:
            self.reset_state()
        self.absorb()
        source = torch.cat([batch.source[:, None], batch.negative[0]], 1)
        destination = torch.cat([batch.destination[:, None], batch.negative[1]], 1)
        # What is asked about one node at one event is the same for all its pairs.
        event = torch.arange(batch.num_seeds, device=source.device)[:, None] * len(self.recent.seen)
        asked, place = torch.unique(torch.stack([event + source, event + destination]), return_inverse=True)
        nodes, times = asked % len(self.recent.seen), batch.time[asked // len(self.recent.seen)]
        z = self.represent(nodes, times)
        both = [z[place[0]], z[place[1]]]
        if self.history is not None:
            count, latest = self.history(source, destination)
            both.append(self._between(count, latest, batch.time[:, None]))
        self._waiting = batch
        scores: Tensor = self.scored(self.dropout(torch.cat(both, -1))).squeeze(-1)
        return scores[:, 0], scores[:, 1:]

    def absorb(self) -> None:
        """Take in the events of the batch that was scored last."""
        if self._waiting is not None:
            one, self._waiting = self._waiting, None
            self.memory.update(one.source, one.destination, one.time, one.message)
            self.recent.insert(one.source, one.destination, one.time, one.message)
            if self.history is not None:
                self.history.insert(one.source, one.destination, one.time)

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
        out: Tensor = functional.relu(self.joined(torch.cat([own, seen], -1)))
        return out

    def _between(self, count: Tensor, latest: Tensor, times: Tensor) -> Tensor:
        """(M, 1 + K, hidden + 2) of the number of a pair's events and the time of the latest, (M, 1 + K) int64 each."""
        met = (count > 0)[..., None]
        since = torch.where(count > 0, times - latest, 0).to(self.joined.weight.dtype)
        encoded = self._encoded(since) * met
        return torch.cat([encoded, torch.log1p(count.to(encoded.dtype))[..., None], met.to(encoded.dtype)], -1)

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
