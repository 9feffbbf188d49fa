"""Chebyshev spectral graph convolution."""

from typing import Literal

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.multi_hop import MultiHop, State
from gnnctl.nn.conv.normalization import Adjacency, inverse, normalized, own_degrees, times, unsampled
from gnnctl.nn.message_passing import Pair, masked

Laplacian = Literal["sym", "rw", "none"]


class ChebConv(MultiHop):
    r"""The layer of "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering"
    (Defferrard et al., 2016).

    .. math::
        H = \sum_{k=0}^{K-1} T_k(\hat L) X W_k + b, \quad \hat L = \frac{2 L}{\lambda} - I, \quad
        T_0 = I, \; T_1(\hat L) = \hat L, \; T_k = 2 \hat L T_{k-1} - T_{k-2}

    L is :math:`I - D^{-1/2} A D^{-1/2}` ("sym"), :math:`I - A D^{-1}` ("rw") or :math:`D - A` ("none"). Where the
    result is no wider than x, the sum is computed by Clenshaw's rule: one product of X with all W_k, then rounds of the
    result's width. D are in-degrees, as everywhere in this library (torch-geometric takes out-degrees: the same for
    undirected graphs, which the method is meant for), and loops in the graph count as edges.

    Shapes: x (N, in); with two terms ((S, in), (D, in)) too; edge_weight (E,); lambda_max () or (N,); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        terms: K, at least 2.
        laplacian: L.
        bias: whether there is a bias.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, terms: int, laplacian: Laplacian = "sym", bias: bool = True
    ) -> None:
        super().__init__(terms - 1, self_loops=False)
        if laplacian not in ("sym", "rw", "none"):
            raise ValueError(f"laplacian must be sym, rw or none, got {laplacian!r}")
        self.laplacian, self.out_channels = laplacian, out_channels
        # W_0, W_1, ... one below the other.
        self.lin = nn.Linear(in_channels, terms * out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.clenshaw = out_channels <= in_channels
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot, for each W_k)."""
        for k in range(self.rounds + 1):
            nn.init.xavier_uniform_(self._weight(k))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def _weight(self, k: int) -> Tensor:
        return self.lin.weight[k * self.out_channels : (k + 1) * self.out_channels]

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
        lambda_max: Tensor | float | None = None,
    ) -> Tensor:
        """(D, out_channels); ``degree`` None takes the edges for the whole graph.

        Args:
            lambda_max: the largest eigenvalue of L, or of each node's graph; None is 2, and for the Laplacian "none"
                twice the largest degree.
        """
        self.check(x, edge_index)
        return self.run(x, self.matrix(x, edge_index, edge_weight, edge_mask, degree, lambda_max))

    def advance(
        self,
        turn: int,
        source: State,
        target: State,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
        lambda_max: Tensor | float | None = None,
    ) -> State:
        """One round; the Laplacian "none" needs ``lambda_max`` where ``degree`` is given, which may be of a part."""
        matrix = self.matrix(source[0], edge_index, edge_weight, edge_mask, degree, lambda_max)
        return self.step(turn, source, target, matrix)

    def matrix(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None,
        edge_mask: Tensor | None,
        degree: Degrees | None,
        lambda_max: Tensor | float | None = None,
    ) -> Adjacency:
        """The scaled Laplacian."""
        dtype = torch.promote_types((x[0] if isinstance(x, tuple) else x).dtype, torch.float32)
        if self.laplacian == "none" and lambda_max is None and degree is not None:
            raise ValueError("lambda_max: give it where degrees are those of a graph that is not seen whole")
        if degree is None:
            degree = own_degrees(edge_index, edge_weight, homogeneous=True)
        into = degree.dst.to(dtype)
        if lambda_max is None:
            # A zero row, so that a graph without nodes has a largest degree too.
            largest = torch.cat([into, into.new_zeros(1)]).amax() if self.laplacian == "none" else 1.0
            lambda_max = 2 * largest
        if isinstance(lambda_max, Tensor):
            lambda_max = lambda_max.to(dtype)[: edge_index.num_dst] if lambda_max.dim() else lambda_max.to(dtype)
            scale = 2 * inverse(lambda_max)
        else:
            scale = into.new_full((), 2 / lambda_max)
        if self.laplacian == "sym":
            whole = normalized(edge_index, edge_weight, edge_mask, degree, self_loops=False, dtype=dtype)
            assert whole.dst is not None
            return whole._replace(dst=whole.dst * -scale, own=(scale - 1).expand_as(into))
        dst = -scale * unsampled(degree, edge_index).to(dtype)
        weight = masked(edge_weight, edge_mask)
        if self.laplacian == "rw":
            return Adjacency(edge_index, weight, inverse(degree.src.to(dtype)), dst, (scale - 1).expand_as(into))
        return Adjacency(edge_index, weight, None, dst, into * scale - 1)

    def start(self, x: Tensor) -> State:
        """(sum, the sum before, all products), or (T_k X, T_{k-1} X, sum)."""
        if self.clenshaw:
            products = self.lin(x)
            last = products[:, self.rounds * self.out_channels :]
            return last, torch.zeros_like(last), products
        return x, torch.zeros_like(x), nn.functional.linear(x, self._weight(0))

    def step(self, turn: int, source: State, target: State, matrix: Adjacency) -> State:
        """One term more."""
        h = times(matrix, source[0], target[0])
        if self.clenshaw:
            k = self.rounds - 1 - turn
            product = target[2][:, k * self.out_channels : (k + 1) * self.out_channels]
            return (h if k == 0 else 2 * h) - target[1] + product, target[0], target[2]
        h = h if turn == 0 else 2 * h - target[1]
        return h, target[0], target[2] + nn.functional.linear(h, self._weight(turn + 1))

    def finish(self, state: State) -> Tensor:
        """The sum and the bias."""
        out = state[0 if self.clenshaw else 2]
        return out if self.bias is None else out + self.bias
