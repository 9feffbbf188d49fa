"""Simplified graph convolution."""

from torch import Tensor, nn

from gnnctl.nn.conv.multi_hop import MultiHop, State
from gnnctl.nn.conv.normalization import Adjacency, times


class SGConv(MultiHop):
    r"""The layer of "Simplifying Graph Convolutional Networks" (Wu et al., 2019).

    .. math:: H = \left( \hat D^{-1/2} \hat A \hat D^{-1/2} \right)^K X W + b, \quad \hat A = A + I

    Where the result is narrower than x, X W is computed first and the rounds are that narrow.

    Shapes: x (N, in); with one round ((S, in), (D, in)) too; edge_weight (E,); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        hops: K.
        self_loops: whether a node takes part in its own sum.
        bias: whether there is a bias.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, hops: int = 1, self_loops: bool = True, bias: bool = True
    ) -> None:
        super().__init__(hops, self_loops=self_loops)
        self.lin = nn.Linear(in_channels, out_channels, bias=bias)
        self.narrows = out_channels < in_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.lin.reset_parameters()

    def start(self, x: Tensor) -> State:
        """(x,), or its product with W."""
        return (nn.functional.linear(x, self.lin.weight) if self.narrows else x,)

    def step(self, turn: int, source: State, target: State, matrix: Adjacency) -> State:
        """The matrix times the state."""
        return (times(matrix, source[0], target[0]),)

    def finish(self, state: State) -> Tensor:
        """What is left of the linear part."""
        out: Tensor = state[0]
        if not self.narrows:
            out = self.lin(out)
            return out
        return out if self.lin.bias is None else out + self.lin.bias
