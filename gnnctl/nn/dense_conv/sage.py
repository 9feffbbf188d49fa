"""GraphSAGE, dense."""

from torch import Tensor, nn

from gnnctl.nn.dense_conv.batch import present


class DenseSAGEConv(nn.Module):
    r"""The layer of "Inductive Representation Learning on Large Graphs" (Hamilton et al., 2017).

    .. math:: h_i = W_1 \frac{\sum_j A_{ij} x_j}{\max(1, \sum_j A_{ij})} + W_2 \, x_i + b

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        normalize: whether rows are divided by their lengths.
        bias: whether there is a bias.
    """

    def __init__(self, in_channels: int, out_channels: int, *, normalize: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.normalize = normalize
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.root = nn.Linear(in_channels, out_channels, bias=bias)

    def forward(self, x: Tensor, adj: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, N, out_channels)."""
        mean = (adj @ x) / adj.sum(-1, keepdim=True).clamp(min=1)
        out = self.lin(mean) + self.root(x)
        return present(nn.functional.normalize(out, dim=-1) if self.normalize else out, mask)
