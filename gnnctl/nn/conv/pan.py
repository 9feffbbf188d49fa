"""Path integral convolution."""

import math

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import inverse_root
from gnnctl.nn.message_passing import MessagePassing, masked
from gnnctl.nn.ops import spmm


class PANConv(MessagePassing):
    r"""The layer of "Path Integral Based Convolution and Pooling for Graph Neural Networks" (Ma et al., 2020).

    .. math::
        H = M X W + b, \quad M = Z^{-1/2} \left( \sum_{n=0}^L e^{-E_n} A^n \right) Z^{-1/2}, \quad
        Z_i = \sum_j \left( \sum_{n=0}^L e^{-E_n} A^n \right)_{ij}

    E_n, the energy of a path of n edges, is learned; at first :math:`e^{-E_n} = 2^{-n-1}`. M is never formed: its
    product with anything is L rounds over the edges. Z counts the paths into a node, as the paper has it
    (torch-geometric counts the nodes they come from, and multiplies learned factors, which may turn negative).

    Sources and destinations must be the same nodes, and all of the graph: Z cannot be had from a sample.

    Shapes: x (N, in); edge_weight (E,), at least 0; result (N, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        hops: L, at least 1.

    Raises:
        ValueError: hops is less than 1.
    """

    def __init__(self, in_channels: int, out_channels: int, *, hops: int) -> None:
        super().__init__("sum")
        if hops < 1:
            raise ValueError(f"hops must be at least 1, got {hops}")
        self.hops = hops
        self.lin = nn.Linear(in_channels, out_channels)
        self.energy = nn.Parameter(torch.empty(hops + 1))
        self.narrows = out_channels < in_channels
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew; energies as at first."""
        self.lin.reset_parameters()
        with torch.no_grad():
            self.energy.copy_(torch.arange(1, self.hops + 2) * math.log(2))

    def forward(
        self, x: Tensor, edge_index: EdgeIndex, edge_weight: Tensor | None = None, edge_mask: Tensor | None = None
    ) -> Tensor:
        """(N, out_channels).

        Raises:
            ValueError: sources and destinations are not the same nodes.
        """
        if edge_index.num_src != edge_index.num_dst:
            raise ValueError(f"edge_index: paths of {self.hops} edges need the same nodes as sources and destinations")
        ones = x.new_ones(x.shape[0], 1)
        root = inverse_root(self._paths(edge_index, edge_weight, ones))
        h = nn.functional.linear(x, self.lin.weight) if self.narrows else x
        h = self._paths(edge_index, masked(edge_weight, edge_mask), h * root) * root
        if not self.narrows:
            h = nn.functional.linear(h, self.lin.weight)
        return h + self.lin.bias

    def leaving(self, edge_index: EdgeIndex, edge_weight: Tensor | None = None) -> Tensor:
        """(N,): of each node, the sum of its column of M, which is its weight in all nodes' results (for pooling)."""
        ones = self.energy.new_ones(edge_index.num_src, 1)
        root = inverse_root(self._paths(edge_index, edge_weight, ones))
        turned, order = edge_index.reversed()
        weight = None if edge_weight is None else edge_weight.index_select(0, order)
        return (self._paths(turned, weight, root) * root)[:, 0]

    def _paths(self, edge_index: EdgeIndex, weight: Tensor | None, x: Tensor) -> Tensor:
        """The polynomial of the adjacency matrix times x, by Horner's rule."""
        factor = (-self.energy).exp().to(x.dtype)
        out = x * factor[self.hops]
        for n in range(self.hops - 1, -1, -1):
            out = spmm(edge_index, out, weight) + x * factor[n]
        return out
