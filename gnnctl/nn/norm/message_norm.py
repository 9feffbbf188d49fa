"""Normalisation of what arrived at a node."""

import torch
from torch import Tensor, nn


class MessageNorm(nn.Module):
    r"""The layer of "DeeperGCN: All You Need to Train Deeper GCNs" (Li et al., 2020).

    .. math:: s \, \|x_i\|_p \, \frac{m_i}{\|m_i\|_p}

    of aggregated messages m; the layer adds it to x and goes on.

    Shapes: x (N, F); messages (N, F'); result (N, F').

    Args:
        learn_scale: whether s is learned; it starts at 1.
        p: of the norms.
    """

    def __init__(self, learn_scale: bool = False, p: float = 2.0) -> None:
        super().__init__()
        self.p = p
        self.scale = nn.Parameter(torch.ones(1), requires_grad=learn_scale)

    def forward(self, x: Tensor, messages: Tensor) -> Tensor:
        """(N, F') messages of the lengths of (N, F) nodes."""
        lengths: Tensor = torch.linalg.vector_norm(x, self.p, dim=-1, keepdim=True)
        return nn.functional.normalize(messages, p=self.p, dim=-1) * lengths * self.scale

    def reset_parameters(self) -> None:
        """Back to one."""
        nn.init.ones_(self.scale)
