"""The latest neighbours of every node, as events bring them."""

import torch
from torch import Tensor, nn

from gnnctl.nn.models.event_store import Events


class RecentNeighbors(nn.Module):
    """Of each node the last K events that it took part in, whichever end it was.

    Not among a model's weights: replaying the events fills it again.

    Args:
        num_nodes: N.
        count: K.
        width: F, of the events' messages.
    """

    other: Tensor
    time: Tensor
    message: Tensor
    seen: Tensor

    def __init__(self, num_nodes: int, count: int, width: int) -> None:
        super().__init__()
        self.count = count
        self.register_buffer("other", torch.zeros(num_nodes, count, dtype=torch.int64), persistent=False)
        self.register_buffer("time", torch.zeros(num_nodes, count, dtype=torch.int64), persistent=False)
        self.register_buffer("message", torch.zeros(num_nodes, count, width), persistent=False)
        self.register_buffer("seen", torch.zeros(num_nodes, dtype=torch.int64), persistent=False)

    def reset_state(self) -> None:
        """Forget all events."""
        self.seen.zero_()

    def forward(self, nodes: Tensor) -> tuple[Events, Tensor]:
        """Events of nodes (n,), each part (n, K, ...) in no order, and (n, K) bool: where there is one."""
        kept = Events(nodes[:, None].expand(-1, self.count), self.other[nodes], self.time[nodes], self.message[nodes])
        return kept, torch.arange(self.count, device=nodes.device) < self.seen[nodes, None]

    @torch.no_grad()
    def insert(self, source: Tensor, destination: Tensor, time: Tensor, message: Tensor) -> None:
        """Take a batch of M events, in their order; ``time`` (M,) int64, ``message`` (M, F)."""
        node, other = torch.cat([source, destination]), torch.cat([destination, source])
        # Both directions of an event before the next one's.
        order = torch.arange(len(source), device=node.device).repeat(2).argsort(stable=True)
        order = order[node[order].argsort(stable=True)]
        node, other = node[order], other[order]
        found, counts = torch.unique_consecutive(node, return_counts=True)
        first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        place = torch.arange(len(node), device=node.device) - first
        last = place >= torch.repeat_interleave(counts, counts) - self.count
        slot = (self.seen[node] + place) % self.count
        node, slot, order = node[last], slot[last], order[last] % len(source)
        self.other[node, slot] = other[last]
        self.time[node, slot] = time[order]
        self.message[node, slot] = message[order].to(self.message.dtype)
        self.seen[found] += counts
