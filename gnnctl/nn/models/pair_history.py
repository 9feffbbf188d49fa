"""What was between two nodes before, as events bring it."""

import torch
from torch import Tensor, nn


class PairHistory(nn.Module):
    """Of each pair of nodes, either way round, how many events there were and when the latest was.

    Not among a model's weights: replaying the events fills it again. Memory grows with the pairs that met, 24 bytes
    each; a batch in which pairs meet for the first time copies that once.

    Args:
        num_nodes: N.
    """

    pair: Tensor
    count: Tensor
    latest: Tensor

    def __init__(self, num_nodes: int) -> None:
        super().__init__()
        self.num_nodes = num_nodes
        for name in ("pair", "count", "latest"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64), persistent=False)

    def reset_state(self) -> None:
        """Forget all events."""
        self.pair, self.count, self.latest = (self.pair.new_zeros(0) for _ in range(3))

    def forward(self, source: Tensor, destination: Tensor) -> tuple[Tensor, Tensor]:
        """Events (...) int64 of pairs (...), and the time (...) int64 of the latest; 0 where there was none."""
        asked = self._number(source, destination)
        if not len(self.pair):
            return torch.zeros_like(asked), torch.zeros_like(asked)
        place = torch.searchsorted(self.pair, asked).clamp(max=len(self.pair) - 1)
        there = self.pair[place] == asked
        return torch.where(there, self.count[place], 0), torch.where(there, self.latest[place], 0)

    @torch.no_grad()
    def insert(self, source: Tensor, destination: Tensor, time: Tensor) -> None:
        """Take a batch of M events, none before those taken already; ``time`` (M,) int64."""
        pair, place, count = torch.unique(self._number(source, destination), return_inverse=True, return_counts=True)
        latest = torch.empty_like(pair).scatter_reduce(0, place, time, "amax", include_self=False)
        at = torch.searchsorted(self.pair, pair)
        known = at < len(self.pair)
        known[known.clone()] = self.pair[at[known]] == pair[known]
        self.count[at[known]] += count[known]
        self.latest[at[known]] = latest[known]
        new = ~known
        slots = at[new] + torch.arange(int(new.sum()), device=at.device)  # in order among those that are there
        if not len(slots):
            return
        old = torch.ones(len(self.pair) + len(slots), dtype=torch.bool, device=at.device)
        old[slots] = False
        for name, values in (("pair", pair), ("count", count), ("latest", latest)):
            grown = values.new_empty(len(old))
            grown[old], grown[slots] = getattr(self, name), values[new]
            setattr(self, name, grown)

    def _number(self, source: Tensor, destination: Tensor) -> Tensor:
        return torch.minimum(source, destination) * self.num_nodes + torch.maximum(source, destination)
