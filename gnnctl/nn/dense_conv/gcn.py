"""Graph convolutional network, dense."""

import torch
from torch import Tensor, nn

from gnnctl.nn.dense_conv.batch import present, with_loops


class DenseGCNConv(nn.Module):
    r"""The layer of "Semi-Supervised Classification with Graph Convolutional Networks" (Kipf and Welling, 2017).

    .. math:: H = D^{-1/2} (A + w I) D^{-1/2} X W + b, \quad D = \mathrm{diag}((A + w I) \mathbf{1})

    Degrees below one count as one.

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        loop_weight: w, which takes the place of the diagonal; None leaves it.
        bias: whether there is a bias.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, loop_weight: float | None = 1.0, bias: bool = True
    ) -> None:
        super().__init__()
        self.loop_weight = loop_weight
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.xavier_uniform_(self.lin.weight)

    def forward(self, x: Tensor, adj: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, N, out_channels)."""
        adj = adj if self.loop_weight is None else with_loops(adj, self.loop_weight)
        scale = adj.sum(-1).clamp(min=1).rsqrt()
        out = scale[:, :, None] * (adj @ (scale[:, :, None] * self.lin(x)))
        return present(out if self.bias is None else out + self.bias, mask)
