"""Path integral based pooling."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.pool.select import Pooled, one_graph, pooled
from gnnctl.nn.pool.topk import keep


class PANPooling(nn.Module):
    r"""The pooling of "Path Integral Based Convolution and Pooling for Graph Neural Networks" (Ma et al., 2020).

    .. math:: s_i = \sigma \left( \beta_1 \, x_i \cdot p + \beta_2 \sum_j M_{ji} \right)

    The nodes of highest score are kept, as :math:`s_i x_i`. M is the maximal entropy transition matrix of a
    :class:`~gnnctl.nn.conv.PANConv`; it is never formed, the layer's
    :meth:`~gnnctl.nn.conv.PANConv.leaving` gives the sums of its columns. How many nodes there are depends on the
    data; see :mod:`gnnctl.nn.pool` on compiling.

    Args:
        in_channels: width of x.
        ratio: how many of each graph; see :func:`~gnnctl.nn.pool.select.top_k`.
        min_score: the least score that is kept, of a softmax over a graph, in place of ``ratio``.
        multiplier: of the kept features.
        activation: sigma.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        ratio: float | int = 0.5,
        min_score: float | None = None,
        multiplier: float = 1.0,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
    ) -> None:
        super().__init__()
        self.ratio, self.min_score, self.multiplier, self.activation = ratio, min_score, multiplier, activation
        self.projection = nn.Parameter(torch.ones(in_channels))
        self.beta = nn.Parameter(torch.full((2,), 0.5))

    def forward(self, x: Tensor, edge_index: EdgeIndex, leaving: Tensor, ptr: Tensor | None = None) -> Pooled:
        """Pool the graphs ``ptr`` (B + 1,) of x (N, F); ``leaving`` (N,) are the sums of M's columns."""
        score = self.beta[0] * (x @ self.projection) + self.beta[1] * leaving
        score = self.activation(score) if self.min_score is None else score
        kept, score = keep(score, one_graph(x, ptr), self.ratio, self.min_score)
        return pooled(x, edge_index, kept, score, self.multiplier)
