"""Higher-order graph convolution, dense."""

from typing import Literal

from torch import Tensor, nn

from gnnctl.nn.dense_conv.batch import present


class DenseGraphConv(nn.Module):
    r"""The layer of "Weisfeiler and Leman Go Neural: Higher-order Graph Neural Networks" (Morris et al., 2019).

    .. math:: h_i = W_1 \, \mathrm{aggr}_j \, A_{ij} x_j + b + W_2 \, x_i

    A mean divides by :math:`\max(1, \sum_j A_{ij})`; a maximum is taken over the x_j with an edge, whatever its weight,
    and is zero where there is none.

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        aggr: sum, mean or max.
        bias: whether there is a bias.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, aggr: Literal["sum", "mean", "max"] = "sum", bias: bool = True
    ) -> None:
        super().__init__()
        if aggr not in ("sum", "mean", "max"):
            raise ValueError(f"aggr must be sum, mean or max, got {aggr!r}")
        self.aggr = aggr
        self.lin = nn.Linear(in_channels, out_channels, bias=bias)
        self.root = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x: Tensor, adj: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, N, out_channels)."""
        if self.aggr == "max":
            joined = (adj != 0)[:, :, :, None]
            best = x[:, None].masked_fill(~joined, -float("inf")).amax(2)
            out = best.masked_fill(~joined.any(2), 0.0)
        else:
            out = adj @ x
            out = out / adj.sum(-1, keepdim=True).clamp(min=1) if self.aggr == "mean" else out
        return present(self.lin(out) + self.root(x), mask)
