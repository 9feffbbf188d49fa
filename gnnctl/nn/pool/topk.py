"""Top-k pooling by a learned projection."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import segment_softmax
from gnnctl.nn.pool.select import Kept, Pooled, above, one_graph, pooled, top_k


class TopKPooling(nn.Module):
    r"""The pooling of "Graph U-Nets" (Gao and Ji, 2019) and "Towards Sparse Hierarchical Graph Classifiers" (Cangea et
    al., 2018): the nodes of highest score :math:`s_i = \sigma(x_i \cdot p / \|p\|)` are kept, as :math:`s_i x_i`.

    With ``min_score`` the scores are the softmax of :math:`x_i \cdot p` over a graph, and those above it are kept.
    Kept nodes stay in their order. How many there are depends on the data; see :mod:`gnnctl.nn.pool` on compiling.

    Args:
        in_channels: width of x, or of what the scores are made from.
        ratio: how many of each graph; see :func:`~gnnctl.nn.pool.select.top_k`.
        min_score: the least score that is kept, in place of ``ratio``.
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
        self.weight = nn.Parameter(torch.empty(in_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the projection anew."""
        bound = self.weight.shape[0] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(
        self, x: Tensor, edge_index: EdgeIndex, ptr: Tensor | None = None, attention: Tensor | None = None
    ) -> Pooled:
        """Pool the graphs ``ptr`` (B + 1,) of x (N, F); ``attention`` (N, in_channels) is scored in place of x."""
        ptr = one_graph(x, ptr)
        score = (x if attention is None else attention) @ self.weight
        if self.min_score is None:
            score = self.activation(score / torch.linalg.vector_norm(self.weight))
        kept, score = keep(score, ptr, self.ratio, self.min_score)
        return pooled(x, edge_index, kept, score, self.multiplier)


def keep(score: Tensor, ptr: Tensor, ratio: float | int, min_score: float | None) -> tuple[Kept, Tensor]:
    """The best nodes by ``ratio``, or those above ``min_score`` of the softmax of the scores; and the scores (N,)."""
    if min_score is None:
        return top_k(score, ptr, ratio), score
    score = segment_softmax(ptr, score[:, None])[:, 0]
    return above(score, ptr, min_score), score
