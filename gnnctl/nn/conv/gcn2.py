"""Deep graph convolution with initial residual and identity mapping."""

from math import log

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.appnp import teleported
from gnnctl.nn.conv.initial import glorot_
from gnnctl.nn.conv.normalization import adjacency, times
from gnnctl.nn.message_passing import MessagePassing, Pair, ends


class GCN2Conv(MessagePassing):
    r"""The layer of "Simple and Deep Graph Convolutional Networks" (Chen et al., 2020), GCNII.

    .. math::
        H = \left( (1 - \alpha) P X + \alpha X_0 \right) \left( (1 - \beta) I + \beta W \right), \quad
        P = \hat D^{-1/2} (A + I) \hat D^{-1/2}, \quad \beta = \log (\theta / \ell + 1)

    Without shared weights (GCNII*) :math:`\alpha X_0` has a matrix of its own.

    Shapes: x (S, F) or ((S, F), (D, F)); x_0 (D, F); edge_weight (E,); result (D, F).

    Args:
        channels: F.
        alpha: how much of x_0 is kept.
        theta: strength of the weights; None for beta = 1.
        layer: l, the layer's number, from 1; given together with theta.
        shared_weights: one matrix for both terms.
        self_loops: whether a node takes part in its own sum.
        normalize: whether the edges are normalised by degree, and loops added.

    Raises:
        ValueError: only one of theta and layer is given.
    """

    def __init__(
        self,
        channels: int,
        *,
        alpha: float,
        theta: float | None = None,
        layer: int | None = None,
        shared_weights: bool = True,
        self_loops: bool = True,
        normalize: bool = True,
    ) -> None:
        super().__init__("sum")
        if (theta is None) != (layer is None):
            raise ValueError("theta and layer make beta together: give both, or neither for beta = 1")
        self.alpha, self.self_loops, self.normalize = alpha, self_loops, normalize
        self.beta = 1.0 if theta is None or layer is None else log(theta / layer + 1)
        self.weight = nn.Parameter(torch.empty(channels, channels))
        self.weight_0 = None if shared_weights else nn.Parameter(torch.empty(channels, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot)."""
        for weight in (self.weight, self.weight_0):
            if weight is not None:
                glorot_(weight)

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
        x_0: Tensor | None = None,
    ) -> Tensor:
        """(D, F); ``x_0`` None is the destinations' x; ``degree`` None takes the edges for the whole graph."""
        source, target = ends(x, edge_index.num_dst)
        x_0 = target if x_0 is None else x_0[: edge_index.num_dst]
        matrix = adjacency(
            x, edge_index, edge_weight, edge_mask, degree, self_loops=self.self_loops, normalize=self.normalize
        )
        if self.weight_0 is None:
            return self._mapped(teleported(matrix, source, target, x_0, self.alpha), self.weight)
        out = self._mapped(times(matrix, source, target) * (1 - self.alpha), self.weight)
        return out + self._mapped(x_0 * self.alpha, self.weight_0)

    def _mapped(self, h: Tensor, weight: Tensor) -> Tensor:
        return h * (1 - self.beta) + (h @ weight) * self.beta
