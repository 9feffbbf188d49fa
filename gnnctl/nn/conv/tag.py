"""Topology adaptive graph convolution."""

import torch
from torch import Tensor, nn

from gnnctl.nn.conv.multi_hop import MultiHop, State
from gnnctl.nn.conv.normalization import Adjacency, times


class TAGConv(MultiHop):
    r"""The layer of "Topology Adaptive Graph Convolutional Networks" (Du et al., 2017).

    .. math:: H = \sum_{k=0}^K \left( D^{-1/2} A D^{-1/2} \right)^k X W_k + b

    Where the result is no wider than x, the polynomial is computed by Horner's rule: one product of X with all W_k,
    then rounds of the result's width.

    Shapes: x (N, in); with one round ((S, in), (D, in)) too; edge_weight (E,); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        hops: K.
        normalize: whether the edges are normalised by degree.
        bias: whether there is a bias.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, hops: int = 3, normalize: bool = True, bias: bool = True
    ) -> None:
        super().__init__(hops, self_loops=False, normalize=normalize)
        # W_0, W_1, ... one below the other.
        self.lin = nn.Linear(in_channels, (hops + 1) * out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.out_channels = out_channels
        self.horner = out_channels <= in_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.lin.reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def _weight(self, k: int) -> Tensor:
        return self.lin.weight[k * self.out_channels : (k + 1) * self.out_channels]

    def start(self, x: Tensor) -> State:
        """(sum so far, all products), or (features of this hop, sum so far)."""
        if self.horner:
            products = self.lin(x)
            return products[:, self.rounds * self.out_channels :], products
        return x, nn.functional.linear(x, self._weight(0))

    def step(self, turn: int, source: State, target: State, matrix: Adjacency) -> State:
        """One power more."""
        h = times(matrix, source[0], target[0])
        if self.horner:
            first = (self.rounds - 1 - turn) * self.out_channels
            return h + target[1][:, first : first + self.out_channels], target[1]
        return h, target[1] + nn.functional.linear(h, self._weight(turn + 1))

    def finish(self, state: State) -> Tensor:
        """The sum and the bias."""
        out = state[0 if self.horner else 1]
        return out if self.bias is None else out + self.bias
