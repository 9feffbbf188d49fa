"""Graph isomorphism network, dense."""

import torch
from torch import Tensor, nn

from gnnctl.nn.dense_conv.batch import present


class DenseGINConv(nn.Module):
    r"""The layer of "How Powerful are Graph Neural Networks?" (Xu et al., 2019).

    .. math:: H = \mathrm{MLP} \left( (1 + \epsilon) X + A X \right)

    Args:
        network: the MLP, from (B, N, in).
        train_eps: whether epsilon is learned, from 0.
        root: whether a node's own features take part.
    """

    def __init__(self, network: nn.Module, *, train_eps: bool = False, root: bool = True) -> None:
        super().__init__()
        self.network, self.root = network, root
        self.eps = nn.Parameter(torch.zeros(())) if train_eps else None

    def forward(self, x: Tensor, adj: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, N, out of the MLP)."""
        out = adj @ x
        if self.root:
            out = out + (x if self.eps is None else x * (1 + self.eps))
        return present(self.network(out), mask)
