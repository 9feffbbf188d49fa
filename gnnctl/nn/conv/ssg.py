"""Simple spectral graph convolution."""

from torch import Tensor

from gnnctl.nn.conv.multi_hop import State
from gnnctl.nn.conv.normalization import Adjacency, times
from gnnctl.nn.conv.sg import SGConv


class SSGConv(SGConv):
    r"""The layer of "Simple Spectral Graph Convolution" (Zhu and Koniusz, 2021).

    .. math::
        H = \left( \alpha X + \frac{1 - \alpha}{K} \sum_{k=1}^K
        \left( \hat D^{-1/2} \hat A \hat D^{-1/2} \right)^k X \right) W + b, \quad \hat A = A + I

    Where the result is narrower than x, X W is computed first and the rounds are that narrow.

    Shapes: x (N, in); with one round ((S, in), (D, in)) too; edge_weight (E,); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        alpha: how much of the node's own features is kept.
        hops: K.
        self_loops: whether a node takes part in its own sum.
        bias: whether there is a bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        alpha: float,
        hops: int = 1,
        self_loops: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, hops=hops, self_loops=self_loops, bias=bias)
        self.alpha = alpha

    def start(self, x: Tensor) -> State:
        """(the features of this hop, the sum so far)."""
        (h,) = super().start(x)
        return h, h * self.alpha

    def step(self, turn: int, source: State, target: State, matrix: Adjacency) -> State:
        """The next hop's features, added to the sum."""
        h = times(matrix, source[0], target[0])
        return h, target[1] + h * ((1 - self.alpha) / self.rounds)

    def finish(self, state: State) -> Tensor:
        """What is left of the linear part, of the sum."""
        return super().finish(state[1:])
