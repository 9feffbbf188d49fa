"""Differentiable group normalisation."""

import torch
from torch import Tensor, nn

from gnnctl.nn.norm.batch_norm import BatchNorm

_ROWS = 1024  # whose distances to all others are held at a time


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

    @staticmethod
    def group_distance_ratio(x: Tensor, y: Tensor, eps: float = 1e-5) -> float:
        r"""How far apart classes are, over how far apart their own nodes are; it falls as layers smooth nodes over.

        .. math::
            \frac{(C - 1)^{-2} \sum_c d(X_c, X \setminus X_c)}{C^{-1} \sum_c d(X_c, X_c) + \epsilon}

        of the mean Euclidean distances d between rows of two sets, those of a node to itself counted in.

        Args:
            x: (N, F) float.
            y: (N,) integers, the class of each; at least two of them.
            eps: added to the denominator.

        Raises:
            ValueError: fewer than two classes, or not one for each row.
        """
        if y.shape != x.shape[:1]:
            raise ValueError(f"y {tuple(y.shape)} has not one class for each row of x {tuple(x.shape)}")
        classes, member = torch.unique(y, return_inverse=True)
        count = classes.shape[0]
        if count < 2:
            raise ValueError(f"y holds {count} class: distances between classes need two")
        of_class = nn.functional.one_hot(member, count).to(x.dtype)
        sizes, total = of_class.sum(0), x.new_zeros(count, count)
        for rows, classes_of in zip(torch.split(x, _ROWS), torch.split(of_class, _ROWS), strict=True):
            total += classes_of.T @ torch.cdist(rows, x, compute_mode="donot_use_mm_for_euclid_dist") @ of_class
        within = total.diagonal() / sizes.square()
        between = (total.sum(1) - total.diagonal()) / (sizes * (x.shape[0] - sizes))
        return float(between.sum() / (count - 1) ** 2 / (within.mean() + eps))

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.lin.reset_parameters()
        self.norm.reset_parameters()
