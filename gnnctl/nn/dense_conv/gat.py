"""Graph attention network, dense."""

import torch
from torch import Tensor, nn

from gnnctl.nn.dense_conv.batch import present, with_loops
from gnnctl.nn.dropout import dropout


class DenseGATConv(nn.Module):
    r"""The layer of "Graph Attention Networks" (Velickovic et al., 2018), with H heads side by side.

    .. math::
        \alpha_{ij} = \mathrm{softmax}_{j: A_{ij} \neq 0} \,
            \mathrm{LeakyReLU} \left( a_s^\top W x_j + a_d^\top W x_i \right), \quad
        h_i = \sum_j \alpha_{ij} W x_j + b

    A node without edges gets the bias alone.

    Args:
        in_channels: width of x.
        out_channels: width of each head.
        heads: H.
        concat: heads side by side, or their average.
        negative_slope: of the leaky ReLU.
        dropout: of the coefficients, in training.
        self_loops: whether a node attends to itself too.
        bias: whether there is a bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        self_loops: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.heads, self.out_channels, self.concat = heads, out_channels, concat
        self.negative_slope, self.dropout, self.self_loops = negative_slope, dropout, self_loops
        self.lin = nn.Linear(in_channels, heads * out_channels, bias=False)
        self.att_src = nn.Parameter(torch.empty(heads, out_channels))
        self.att_dst = nn.Parameter(torch.empty(heads, out_channels))
        self.bias = nn.Parameter(torch.zeros(heads * out_channels if concat else out_channels)) if bias else None
        for weight in (self.lin.weight, self.att_src, self.att_dst):
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, adj: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, N, heads * out_channels), or (B, N, out_channels)."""
        adj = with_loops(adj) if self.self_loops else adj
        hidden = self.lin(x).unflatten(-1, (self.heads, self.out_channels)).transpose(1, 2)  # (B, H, N, out)
        src, dst = ((hidden * a[:, None]).sum(-1) for a in (self.att_src, self.att_dst))
        score = nn.functional.leaky_relu(dst[:, :, :, None] + src[:, :, None], self.negative_slope)
        absent = (adj == 0)[:, None]
        # The lowest number in place of minus infinity: a row without edges is no NaN, and is zeroed after.
        alpha = score.masked_fill(absent, torch.finfo(score.dtype).min).softmax(-1).masked_fill(absent, 0.0)
        alpha = dropout(alpha, self.dropout, self.training)
        out = (alpha @ hidden).transpose(1, 2)
        out = out.flatten(2) if self.concat else out.mean(2)
        return present(out if self.bias is None else out + self.bias, mask)
