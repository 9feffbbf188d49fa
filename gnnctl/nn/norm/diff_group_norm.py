"""Differentiable group normalisation."""

from torch import Tensor, nn

from gnnctl.nn.norm.batch_norm import BatchNorm


class DiffGroupNorm(nn.Module):
    r"""The layer of "Towards Deeper GNNs with Differentiable Group Normalization" (Zhou et al., 2020).

    .. math:: x + \lambda \sum_{g=1}^G \mathrm{BatchNorm}(S_g \odot x), \quad S = \mathrm{softmax}(x W)

    Evaluation takes the running statistics, so a prediction does not depend on its batch.

    Shapes: x (N, in_channels); result the same.

    Args:
        in_channels: width of x.
        groups: G.
        balance: lambda.
        eps, momentum, affine, track_running_stats: of the batch norm.
    """

    def __init__(
        self,
        in_channels: int,
        groups: int,
        balance: float = 0.01,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.groups, self.balance = in_channels, groups, balance
        self.lin = nn.Linear(in_channels, groups, bias=False)
        self.norm = BatchNorm(groups * in_channels, eps, momentum, affine, track_running_stats)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels)."""
        share = self.lin(x).softmax(dim=1)
        grouped: Tensor = self.norm((share[:, :, None] * x[:, None, :]).flatten(1))
        return x + self.balance * grouped.view(x.shape[0], self.groups, self.in_channels).sum(1)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.lin.reset_parameters()
        self.norm.reset_parameters()
