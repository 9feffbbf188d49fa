"""Temporal graph networks: a memory for each node, changed by the events that it takes part in."""

import copy
from typing import Protocol

import torch
from torch import Tensor, nn

from gnnctl.nn.models.event_store import Events, EventStore


class MessageModule(Protocol):
    """Makes (M, out_channels) of the memories of both ends, the message and the encoded time, (M, ...) each."""

    out_channels: int

    def __call__(self, node: Tensor, other: Tensor, message: Tensor, time: Tensor) -> Tensor: ...


class IdentityMessage(nn.Module):
    """All that is known of an event, side by side.

    Args:
        message_channels: of events. memory_channels: of memories. time_channels: of encoded times.
    """

    def __init__(self, message_channels: int, memory_channels: int, time_channels: int) -> None:
        super().__init__()
        self.out_channels = message_channels + 2 * memory_channels + time_channels

    def forward(self, node: Tensor, other: Tensor, message: Tensor, time: Tensor) -> Tensor:
        """(M, out_channels)."""
        return torch.cat([node, other, message, time], -1)


class LastMessage(nn.Module):
    """Of a node's messages the latest; of equally late ones the last."""

    def forward(self, messages: Tensor, index: Tensor, time: Tensor, num_nodes: int) -> Tensor:
        """(num_nodes, F) of messages (M, F), their nodes (M,) and times (M,); zeros where there is none."""
        order = time.argsort(stable=True)
        rank = torch.empty_like(order).scatter_(0, order, torch.arange(order.shape[0], device=order.device))
        best = order.new_full((num_nodes,), -1).scatter_reduce_(0, index, rank, "amax")
        found = (best >= 0).nonzero()[:, 0]
        rows = messages.index_select(0, order.index_select(0, best.index_select(0, found)))
        return messages.new_zeros(num_nodes, messages.shape[1]).index_copy(0, found, rows)


class MeanMessage(nn.Module):
    """The mean of a node's messages."""

    def forward(self, messages: Tensor, index: Tensor, time: Tensor, num_nodes: int) -> Tensor:
        """(num_nodes, F) of messages (M, F), their nodes (M,) and times (M,); zeros where there is none."""
        total = messages.new_zeros(num_nodes, messages.shape[1]).index_add(0, index, messages)
        count = torch.bincount(index, minlength=num_nodes).clamp(min=1)
        return total / count[:, None]


class TimeEncoder(nn.Module):
    r""":math:`\cos(w t + b)`, of "Inductive Representation Learning on Temporal Graphs" (Xu et al., 2020)."""

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.lin = nn.Linear(1, out_channels)

    def forward(self, time: Tensor) -> Tensor:
        """(M, out_channels) of (M,) float."""
        return torch.cos(self.lin(time[:, None]))


class TGNMemory(nn.Module):
    r"""The memory of "Temporal Graph Networks for Deep Learning on Dynamic Graphs" (Rossi et al., 2020).

    An event from u to v at time t, with a message e, is kept until u and v are next in a batch; then each node's
    messages become one, and that changes its memory:

    .. math::
        m_u = \mathrm{message}_s(s_u, s_v, e, \phi(t - t_u)), \quad
        m_v = \mathrm{message}_d(s_v, s_u, e, \phi(t - t_v)), \quad
        s_i \leftarrow \mathrm{GRU}(\mathrm{aggregate}(m_i), s_i)

    In training: ask for memories of a batch's nodes, compute the loss, then :meth:`update` with the batch's events; the
    gradient reaches the weights through the memories asked for, whose last change is computed anew, and no further
    back. In evaluation :meth:`update` changes memories at once. Changing to evaluation takes in all events that wait,
    so the memories alone (buffers, saved with the weights) are the state.

    A message is used once, and a node without messages keeps its memory.

    Args:
        num_nodes: N.
        message_channels: width of the events' messages.
        memory_channels: width of the memories.
        time_channels: width of encoded times.
        message: makes messages for sources, a copy of it those for destinations; None: :class:`IdentityMessage`.
        aggregate: makes one of a node's messages; None: :class:`LastMessage`.
    """

    memory: Tensor
    last_update: Tensor

    def __init__(
        self,
        num_nodes: int,
        message_channels: int,
        memory_channels: int,
        time_channels: int,
        *,
        message: MessageModule | None = None,
        aggregate: nn.Module | None = None,
    ) -> None:
        super().__init__()
        made = IdentityMessage(message_channels, memory_channels, time_channels) if message is None else message
        self.message_channels = message_channels
        self.source_message, self.destination_message = made, copy.deepcopy(made)
        self.aggregate = LastMessage() if aggregate is None else aggregate
        self.time = TimeEncoder(time_channels)
        self.gru = nn.GRUCell(made.out_channels, memory_channels)
        self.register_buffer("memory", torch.zeros(num_nodes, memory_channels))
        self.register_buffer("last_update", torch.zeros(num_nodes, dtype=torch.int64))
        self._stores = self._empty_stores()

    def reset_state(self) -> None:
        """Forget all memories and all events that wait."""
        self.memory.zero_()
        self.last_update.zero_()
        self._stores = self._empty_stores()

    def forward(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Memories (n, memory_channels) and (n,) int64 times of the last event in them, of different nodes (n,)."""
        if self.training:
            return self._renewed(nodes)
        return self.memory.index_select(0, nodes), self.last_update.index_select(0, nodes)

    @torch.no_grad()
    def update(self, source: Tensor, destination: Tensor, time: Tensor, message: Tensor) -> None:
        """Take a batch of events.

        Args:
            source: (M,) int64 nodes.
            destination: (M,) int64 nodes.
            time: (M,) int64, none before those of earlier batches.
            message: (M, message_channels).

        Raises:
            ValueError: a message of another width.
        """
        if message.shape[1:] != (self.message_channels,):
            raise ValueError(f"message: expected (M, {self.message_channels}), got {tuple(message.shape)}")
        nodes = torch.unique(torch.cat([source, destination]))
        if self.training:
            self._take_in(nodes)
        self._stores[0].put(Events(source, destination, time, message))
        self._stores[1].put(Events(destination, source, time, message))
        if not self.training:
            self._take_in(nodes)

    @torch.no_grad()
    def flush(self) -> None:
        """Take in all events that wait."""
        self._take_in(torch.arange(self.memory.shape[0], device=self.memory.device))

    def train(self, mode: bool = True) -> "TGNMemory":
        """Change to training or to evaluation; the latter takes in all events that wait."""
        if self.training and not mode:
            self.flush()
        return super().train(mode)

    def _take_in(self, nodes: Tensor) -> None:
        memory, last_update = self._renewed(nodes)
        self.memory[nodes] = memory
        self.last_update[nodes] = last_update
        for store in self._stores:
            store.drop(nodes)

    def _renewed(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        sent, received = (store.of(nodes) for store in self._stores)
        index, time = torch.cat([sent.node, received.node]), torch.cat([sent.time, received.time])
        messages = torch.cat(
            [self._messages(self.source_message, sent), self._messages(self.destination_message, received)]
        )
        place = torch.empty_like(self.last_update).scatter_(0, nodes, torch.arange(len(nodes), device=nodes.device))
        index = place.index_select(0, index)
        before, since = self.memory.index_select(0, nodes), self.last_update.index_select(0, nodes)
        after = self.gru(self.aggregate(messages, index, time, len(nodes)), before)
        changed = torch.bincount(index, minlength=len(nodes)) > 0
        latest = since.scatter_reduce(0, index, time, "amax")
        return torch.where(changed[:, None], after, before), latest

    def _messages(self, module: MessageModule, events: Events) -> Tensor:
        since = (events.time - self.last_update.index_select(0, events.node)).to(self.memory.dtype)
        ends = (self.memory.index_select(0, events.node), self.memory.index_select(0, events.other))
        return module(*ends, events.message.to(self.memory.dtype), self.time(since))

    def _empty_stores(self) -> tuple[EventStore, EventStore]:
        num_nodes, device = self.memory.shape[0], self.memory.device
        sides = (EventStore(num_nodes, self.message_channels, device) for _ in range(2))
        first, second = sides
        return first, second
