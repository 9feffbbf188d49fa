"""Graph convolution that mixes powers of the adjacency matrix."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gnnctl.nn.conv.multi_hop import MultiHop, State
from gnnctl.nn.conv.normalization import Adjacency, times


class MixHopConv(MultiHop):
    r"""The layer of "MixHop: Higher-Order Graph Convolutional Architectures via Sparsified Neighborhood Mixing"
    (Abu-El-Haija et al., 2019).

    .. math::
        H = \Big\Vert_{p \in P} \left( \hat D^{-1/2} \hat A \hat D^{-1/2} \right)^p X W_p + b, \quad \hat A = A + I

    Where that is narrower on the whole, X W_p is computed first for all p, and a round takes those along that still
    have a power to gain.

    Shapes: x (N, in); with powers up to 1 ((S, in), (D, in)) too; edge_weight (E,); result (D, len(P) * out).

    Args:
        in_channels: width of x.
        out_channels: width of each power's part.
        powers: P, different ones, the largest at least 1; the parts of the result are in their order.
        self_loops: whether a node takes part in its own sum.
        bias: whether there is a bias.

    Raises:
        ValueError: powers repeat, are negative, or none is above 0.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        powers: Sequence[int] = (0, 1, 2),
        self_loops: bool = True,
        bias: bool = True,
    ) -> None:
        if len(set(powers)) < len(powers) or min(powers, default=-1) < 0:
            raise ValueError(f"powers must be different and at least 0, got {list(powers)}")
        super().__init__(max(powers), self_loops=self_loops)
        self.powers, self.out_channels = list(powers), out_channels
        # W_p from the highest power to the lowest, one below the other: a round works on the first ones.
        self.order = sorted(powers, reverse=True)
        self.lin = nn.Linear(in_channels, len(powers) * out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(len(powers) * out_channels)) if bias else None
        self.narrows = sum(powers) * out_channels < max(powers) * in_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.lin.reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def start(self, x: Tensor) -> State:
        """(all products,), or (x, the parts that are done)."""
        if self.narrows:
            return (self.lin(x),)
        done = x.new_empty(x.shape[0], 0)
        return x, self._part(x, 0) if 0 in self.powers else done

    def _part(self, h: Tensor, power: int) -> Tensor:
        first = self.order.index(power) * self.out_channels
        return nn.functional.linear(h, self.lin.weight[first : first + self.out_channels])

    def step(self, turn: int, source: State, target: State, matrix: Adjacency) -> State:
        """One power more."""
        power = turn + 1
        if self.narrows:
            width = sum(p >= power for p in self.order) * self.out_channels
            h = times(matrix, source[0][:, :width], target[0][:, :width])
            return (torch.cat([h, target[0][:, width:]], 1),)
        h = times(matrix, source[0], target[0])
        return h, torch.cat([self._part(h, power), target[1]], 1) if power in self.powers else target[1]

    def finish(self, state: State) -> Tensor:
        """The parts in the order of the powers."""
        parts = torch.split(state[0 if self.narrows else 1], self.out_channels, 1)
        out = torch.cat([parts[self.order.index(p)] for p in self.powers], 1)
        return out if self.bias is None else out + self.bias
