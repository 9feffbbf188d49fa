"""Attention of a node over its neighbours' representations of all earlier layers."""

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import adjacency
from gnnctl.nn.dropout import dropout
from gnnctl.nn.linear import per_head
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import sddmm, spmm


class DNAConv(MessagePassing):
    r"""The layer of "Just Jump: Dynamic Neighborhood Aggregation in Graph Neural Networks" (Fey, 2019).

    Of each neighbour's L earlier representations the destination's newest one chooses, for each of H heads by itself:

    .. math::
        h_i = \sum_{j \to i} \hat w_{ji} \sum_l \alpha_{ji}^l W_v x_j^l, \quad
        \alpha_{ji}^l = \frac{\exp s_{ji}^l}{1 + \sum_k \exp s_{ji}^k}, \quad
        s_{ji}^l = \frac{(W_q x_i^L)^\top W_k x_j^l}{\sqrt{F / H}}

    The one in the denominator lets a head take nothing of a neighbour. The weights :math:`\hat w` are GCN's, with its
    loops; the three maps (with biases) are made of G blocks. All are applied to nodes, and the representations are
    never copied for each edge.

    Shapes: x (S, L, F) or ((S, L, F), (D, M, F)), oldest first; edge_weight (E,); result (D, F).

    Args:
        channels: F.
        heads: H, divides F.
        groups: G, divides F.
        dropout: of the attention coefficients, in training.
        self_loops: whether a node attends to itself too; with ``normalize`` only.
        normalize: whether the edges are normalised by degree; else they have the weights that are given.
        bias: whether the maps have biases.

    Raises:
        ValueError: heads or groups do not divide F; in forward, x is not of three dimensions.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 1,
        groups: int = 1,
        dropout: float = 0.0,
        self_loops: bool = True,
        normalize: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__("sum")
        self.heads, self.dropout, self.self_loops, self.normalize = heads, dropout, self_loops, normalize
        for name, parts in (("heads", heads), ("groups", groups)):
            if parts < 1 or channels % parts:
                raise ValueError(f"{name} must divide {channels} channels, got {parts}")
        self.lin_query, self.lin_key, self.lin = (GroupedLinear(channels, groups, bias=bias) for _ in range(3))

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for linear in (self.lin_query, self.lin_key, self.lin):
            linear.reset_parameters()

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
    ) -> Tensor:
        """(D, F); ``degree`` None takes the edges for the whole graph."""
        source, target = ends(x, edge_index.num_dst)
        if source.dim() != 3 or target.dim() != 3:
            raise ValueError(f"x must be (nodes, layers, channels), got {tuple(source.shape)}, {tuple(target.shape)}")
        matrix = adjacency(
            x, edge_index, edge_weight, edge_mask, degree, self_loops=self.self_loops, normalize=self.normalize
        )
        layers, count = source.shape[1], edge_index.num_dst
        key, value = self._of_heads(self.lin_key(source)), self._of_heads(self.lin(source))
        query = self._of_heads(self.lin_query(target[:, -1])[:, None]) / key.shape[-1] ** 0.5
        # Layers and heads side by side are so many heads of one product and of one weighted sum.
        score = sddmm(edge_index, query.repeat(1, layers, 1, 1).flatten(1, 2), key.flatten(1, 2))
        alpha = self._chosen(score.view(-1, layers, self.heads)).flatten(1)
        if matrix.weight is not None:
            alpha = alpha * matrix.weight[:, None]
        sent = value.flatten(1, 2)
        if matrix.src is not None:
            sent = sent * matrix.src.to(sent.dtype)[:, None, None]
        out = spmm(edge_index, sent, alpha.to(sent.dtype)).view(count, *value.shape[1:]).sum(1)
        if matrix.dst is not None:
            out = out * matrix.dst.to(out.dtype)[:, None, None]
        if matrix.own is not None:
            own_key, own_value = (
                (self._of_heads(self.lin_key(target)), self._of_heads(self.lin(target)))
                if isinstance(x, tuple)
                else (key[:count], value[:count])
            )
            alpha = self._chosen((query * own_key).sum(-1))
            own = (alpha[..., None].to(own_value.dtype) * own_value).sum(1)
            out = out + own * matrix.own.to(out.dtype)[:, None, None]
        return out.flatten(1)

    def _of_heads(self, rows: Tensor) -> Tensor:
        return rows.view(*rows.shape[:2], self.heads, rows.shape[2] // self.heads)

    def _chosen(self, score: Tensor) -> Tensor:
        # (., L, H) coefficients. No score is above the peak or zero, so that no exponential overflows.
        peak = score.detach().amax(1, keepdim=True).clamp(min=0)
        share = (score - peak).exp()
        alpha = share / (share.sum(1, keepdim=True) + (-peak).exp())
        return dropout(alpha, self.dropout, self.training)


class GroupedLinear(nn.Module):
    """A linear map of G blocks: each part of the input makes the same part of the result.

    Args:
        channels: F, of the input and of the result.
        groups: G, divides F.
        bias: whether there is a bias.
    """

    def __init__(self, channels: int, groups: int, *, bias: bool = True) -> None:
        super().__init__()
        width = channels // groups
        self.weight = nn.Parameter(torch.empty(groups, width, width))
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, uniformly within the inverse root of a part's width."""
        bound = self.weight.shape[1] ** -0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(..., F) from (..., F)."""
        groups, width = self.weight.shape[:2]
        rows = x.flatten(0, -2)
        out = per_head(rows.view(rows.shape[0], groups, width), self.weight).reshape(x.shape)
        return out if self.bias is None else out + self.bias
