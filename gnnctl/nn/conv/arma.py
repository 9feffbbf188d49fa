"""Graph convolution with auto-regressive moving average filters."""

import torch
from torch import Tensor, nn

from gnnctl.nn.conv.initial import glorot_
from gnnctl.nn.conv.multi_hop import MultiHop, State
from gnnctl.nn.conv.normalization import Adjacency, times
from gnnctl.nn.dropout import dropout


class ARMAConv(MultiHop):
    r"""The layer of "Graph Neural Networks with Convolutional ARMA Filters" (Bianchi et al., 2021).

    .. math::
        H = \frac1K \sum_{k=1}^K H_k^{(T)}, \quad
        H_k^{(t)} = \sigma \left( D^{-1/2} A D^{-1/2} H_k^{(t-1)} W_k + X V_k + b_k \right), \quad H_k^{(0)} = X

    The K stacks go through each round together, side by side.

    Shapes: x (N, in); with one round ((S, in), (D, in)) too; edge_weight (E,); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        stacks: K.
        hops: T.
        shared_weights: whether the rounds of a stack have the same weights (W from the second round on).
        activation: sigma; None for a ReLU.
        dropout: of x in the term of V, in training.
        bias: whether there are biases.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stacks: int = 1,
        hops: int = 1,
        shared_weights: bool = False,
        activation: nn.Module | None = None,
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__(hops, self_loops=False)
        self.stacks, self.out_channels, self.dropout = stacks, out_channels, dropout
        self.activation = nn.ReLU() if activation is None else activation
        different = 1 if shared_weights else hops
        self.first_weight = nn.Parameter(torch.empty(stacks, in_channels, out_channels))
        count = min(different, hops - 1) if shared_weights else hops - 1
        self.weight = nn.Parameter(torch.empty(count, stacks, out_channels, out_channels)) if hops > 1 else None
        self.root_weight = nn.Parameter(torch.empty(different, stacks, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(different, stacks * out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot)."""
        for weight in (self.first_weight, self.weight, self.root_weight):
            if weight is not None:
                glorot_(weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def start(self, x: Tensor) -> State:
        """(H, X)."""
        return x, x

    def step(self, turn: int, source: State, target: State, matrix: Adjacency) -> State:
        """(D, K * out) of (S, K * out), or of (S, in) in the first round."""
        h, x = source[0], target[1]
        if turn == 0 or self.weight is None:
            h = h @ _side_by_side(self.first_weight)
        else:
            each = self.weight[min(turn, self.weight.shape[0]) - 1]
            h = torch.einsum("nki,kio->nko", h.view(-1, self.stacks, self.out_channels), each).flatten(1)
        place = min(turn, self.root_weight.shape[0] - 1)
        root = dropout(x, self.dropout, self.training) @ _side_by_side(self.root_weight[place])
        # Edges without loops: the matrix has no term of the destinations' own rows.
        out = times(matrix, h, root) + root
        out = out if self.bias is None else out + self.bias[place]
        return self.activation(out), x

    def finish(self, state: State) -> Tensor:
        """The mean over the stacks."""
        return state[0].view(-1, self.stacks, self.out_channels).mean(1)


def _side_by_side(weight: Tensor) -> Tensor:
    # (K, in, out) -> (in, K * out)
    return weight.transpose(0, 1).flatten(1)
