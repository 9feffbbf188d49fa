"""Batch normalisation."""

from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    r"""The layer of "Batch Normalization" (Ioffe and Szegedy, 2015), over all nodes of a batch.

    .. math:: \gamma \odot \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} + \beta

    In training, fewer than two nodes have no variance: they take the running statistics, where those are kept. In
    evaluation all do, so a prediction does not depend on its batch.

    Shapes: x (N, in_channels); result the same. Args: as ``torch.nn.BatchNorm1d``.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels)."""
        if self.training and self.running_mean is not None and x.shape[0] < 2:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        out: Tensor = super().forward(x)
        return out
