"""Equilibrium aggregation: what minimises a learned energy."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from gnnctl.nn.aggr.base import Aggregation, reset
from gnnctl.nn.aggr.groups import rows_as_edges
from gnnctl.nn.ops import gather_dst, segment_reduce


class Potential(nn.Module):
    """A residual network with layer norm and tanh, from (N, in_channels) to (N,).

    Args:
        in_channels: width of its input, which every layer sees.
        hidden: widths of hidden layers.
    """

    def __init__(self, in_channels: int, hidden: Sequence[int]) -> None:
        super().__init__()
        widths = [in_channels, *hidden]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in hidden)
        self.skips = nn.ModuleList(nn.Linear(in_channels, width) for width in hidden)
        self.out = nn.Linear(widths[-1], 1)
        self.skip = nn.Linear(in_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N,) of (N, in_channels)."""
        hidden = x
        for layer, norm, skip in zip(self.layers, self.norms, self.skips, strict=True):
            hidden = norm(layer(hidden)).tanh() + skip(x)
        out: Tensor = self.out(hidden) + self.skip(x)
        return out.squeeze(1)


class EquilibriumAggregation(Aggregation):
    r"""The aggregation of "Equilibrium Aggregation: Encoding Sets via Optimization" (Bartunov et al., 2022).

    .. math:: \arg\min_y \; \mathrm{softplus}(\lambda) \, \|y\|^2 + \frac{1}{n} \sum_{i=1}^n F(x_i, y)

    approached from zero by a few steps of gradient descent with momentum, whose rate, momentum and :math:`\lambda` are
    learned. The energy is a sum over groups, so that a group's result does not depend on how many others there are.

    Shapes: values (E, in_channels); result (D, out_channels).

    Args:
        in_channels: width of the rows.
        out_channels: width of y.
        hidden: widths of the hidden layers of F.
        steps: of the descent.
        regularisation: what :math:`\lambda` starts at.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden: Sequence[int] = (64,),
        steps: int = 5,
        regularisation: float = 0.1,
    ) -> None:
        super().__init__()
        self.out_channels, self.steps, self.initial = out_channels, steps, (regularisation, 0.1, 0.9)
        self.potential = Potential(in_channels + out_channels, hidden)
        self.regularisation = nn.Parameter(torch.empty(1))
        self.rate = nn.Parameter(torch.empty(1))
        self.momentum = nn.Parameter(torch.empty(1))
        self._set_scalars()

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, out_channels) of (E, in_channels) rows."""
        edges = rows_as_edges(ptr, values.shape[0])
        pull = 2 * nn.functional.softplus(self.regularisation)
        rate, momentum = nn.functional.softplus(self.rate), self.momentum.sigmoid()
        y = values.new_zeros(ptr.shape[0] - 1, self.out_channels)
        velocity = y

        def potential(of_rows: Tensor) -> Tensor:
            energies: Tensor = self.potential(torch.cat([values, of_rows], dim=1))
            return energies.sum()

        for _ in range(self.steps):
            # Each row's gradient by itself, then their mean: gathering and reducing are differentiated once only.
            slopes = torch.func.grad(potential)(gather_dst(edges, y))
            velocity = momentum * velocity - rate * (segment_reduce(ptr, slopes, "mean") + pull * y)
            y = y + velocity
        return y

    def channels(self, in_channels: int) -> int:
        """The width of y."""
        return self.out_channels

    def _set_scalars(self) -> None:
        for parameter, value in zip((self.regularisation, self.rate, self.momentum), self.initial, strict=True):
            nn.init.constant_(parameter, value)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self._set_scalars()
        reset(self.potential)
