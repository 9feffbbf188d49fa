"""Instance normalisation."""

import torch
from torch import Tensor, nn

from gnnctl.nn.norm.graphs import graph_mean, graph_size, scaled, to_nodes


class InstanceNorm(nn.Module):
    r"""The layer of "Instance Normalization" (Ulyanov et al., 2017), over the nodes of each graph by itself.

    .. math:: \gamma \odot \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} + \beta

    Shapes: x (N, in_channels); ptr (B + 1,); result (N, in_channels).

    Args:
        in_channels: width of x.
        eps: added to the variance.
        momentum: share of a batch in the running statistics.
        affine: whether there are gamma and beta.
        track_running_stats: whether running statistics (averages over graphs; the variance unbiased) are kept, and
            used in evaluation.
    """

    running_mean: Tensor | None
    running_var: Tensor | None

    def __init__(
        self,
        in_channels: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
    ) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(in_channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(in_channels)) if affine else None
        self.register_buffer("running_mean", torch.zeros(in_channels) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(in_channels) if track_running_stats else None)

    def forward(self, x: Tensor, ptr: Tensor | None = None) -> Tensor:
        """(N, in_channels) of nodes of graphs ``ptr[b]:ptr[b + 1]``, or of one graph."""
        if not self.training and self.running_mean is not None and self.running_var is not None:
            return scaled((x - self.running_mean) / (self.running_var + self.eps).sqrt(), self.weight, self.bias)
        mean = graph_mean(x, ptr)
        centred = x - to_nodes(mean, ptr, x.shape[0])
        var = graph_mean(centred.square(), ptr)
        if self.running_mean is not None and self.running_var is not None and x.shape[0] > 0:
            size = graph_size(x, ptr)
            with torch.no_grad():
                unbiased = var * (size / (size - 1).clamp(min=1))
                self.running_mean.lerp_(mean.mean(0).to(self.running_mean.dtype), self.momentum)
                self.running_var.lerp_(unbiased.mean(0).to(self.running_var.dtype), self.momentum)
        return scaled(centred * to_nodes((var + self.eps).rsqrt(), ptr, x.shape[0]), self.weight, self.bias)

    def reset_parameters(self) -> None:
        """Back to ones and zeros, the running statistics too."""
        for ones in (self.weight, self.running_var):
            if ones is not None:
                nn.init.ones_(ones)
        for zeros in (self.bias, self.running_mean):
            if zeros is not None:
                nn.init.zeros_(zeros)
