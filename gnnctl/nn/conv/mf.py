"""Convolution of molecular fingerprints."""

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import unsampled
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, masked
from gnnctl.nn.ops import segment_matmul, spmm


class MFConv(MessagePassing):
    r"""The layer of "Convolutional Networks on Graphs for Learning Molecular Fingerprints" (Duvenaud et al., 2015):
    each degree has weights of its own.

    .. math:: h_i = W^{(d_i)}_1 \sum_{j \to i} x_j + W^{(d_i)}_2 x_i + b^{(d_i)}

    Nodes are sorted by degree and multiplied in one grouped product. Degrees are numbers of in-edges in the whole
    graph; a destination whose in-edges were sampled has its sum scaled up by how many were left out.

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_weight (E,); result (D, out).

    Args:
        in_channels: width of the sources, or (of sources, of destinations).
        out_channels: width of the result.
        max_degree: higher degrees share the weights of this one.
        bias: whether there are biases.
    """

    def __init__(
        self, in_channels: int | tuple[int, int], out_channels: int, *, max_degree: int = 10, bias: bool = True
    ) -> None:
        super().__init__("sum")
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.max_degree = max_degree
        self.weight = nn.Parameter(torch.empty(max_degree + 1, out_channels, source))
        self.root_weight = nn.Parameter(torch.empty(max_degree + 1, out_channels, target))
        self.bias = nn.Parameter(torch.empty(max_degree + 1, out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, as torch.nn.Linear does."""
        for weight in (self.weight, self.root_weight):
            nn.init.uniform_(weight, -(weight.shape[2] ** -0.5), weight.shape[2] ** -0.5)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -(self.weight.shape[2] ** -0.5), self.weight.shape[2] ** -0.5)

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
    ) -> Tensor:
        """(D, out_channels); ``degree`` None takes the edges for the whole graph."""
        source, target = ends(x, edge_index.num_dst)
        out = spmm(edge_index, source, masked(edge_weight, edge_mask))
        count = edge_index.in_degree()
        if degree is not None:
            out = out * unsampled(degree, edge_index).to(out.dtype)[:, None]
            count = degree.in_edges.to(torch.int64)
        group, order = count.clamp(max=self.max_degree).sort(stable=True)
        ptr = torch.searchsorted(group, torch.arange(self.max_degree + 2, device=group.device))
        rows = torch.cat([out, target.to(out.dtype)], 1).index_select(0, order)
        weights = torch.cat([self.weight, self.root_weight], 2).mT
        out = segment_matmul(rows, ptr, weights, self.bias)
        return torch.empty_like(out).index_copy(0, order, out)
