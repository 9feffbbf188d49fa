"""Self-attention graph pooling."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.pool.select import Pooled, one_graph, pooled
from gnnctl.nn.pool.topk import keep


class SAGPooling(nn.Module):
    r"""The pooling of "Self-Attention Graph Pooling" (Lee et al., 2019): the nodes of highest score
    :math:`s = \sigma(\mathrm{conv}(x))` are kept, as :math:`s_i x_i`.

    With ``min_score`` the scores are a softmax over a graph, and those above it are kept. How many nodes there are
    depends on the data; see :mod:`gnnctl.nn.pool` on compiling.

    Args:
        conv: a convolution to (N, 1), e.g. ``GCNConv(in_channels, 1)``.
        ratio: how many of each graph; see :func:`~gnnctl.nn.pool.select.top_k`.
        min_score: the least score that is kept, in place of ``ratio``.
        multiplier: of the kept features.
        activation: sigma.
    """

    def __init__(
        self,
        conv: nn.Module,
        *,
        ratio: float | int = 0.5,
        min_score: float | None = None,
        multiplier: float = 1.0,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
    ) -> None:
        super().__init__()
        self.conv = conv
        self.ratio, self.min_score, self.multiplier, self.activation = ratio, min_score, multiplier, activation

    def forward(
        self, x: Tensor, edge_index: EdgeIndex, ptr: Tensor | None = None, attention: Tensor | None = None
    ) -> Pooled:
        """Pool the graphs ``ptr`` (B + 1,) of x (N, F); ``attention`` (N, ...) enters the convolution in its place."""
        score = self.conv(x if attention is None else attention, edge_index).squeeze(-1)
        score = self.activation(score) if self.min_score is None else score
        kept, score = keep(score, one_graph(x, ptr), self.ratio, self.min_score)
        return pooled(x, edge_index, kept, score, self.multiplier)
