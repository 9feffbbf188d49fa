"""Normalisation by the size of graphs."""

from torch import Tensor, nn

from gnnctl.nn.norm.graphs import graph_size, to_nodes


class GraphSizeNorm(nn.Module):
    r"""Of "Benchmarking Graph Neural Networks" (Dwivedi et al., 2020): :math:`x / \sqrt{n}` in a graph of n nodes.

    Shapes: x (N, F); ptr (B + 1,); result (N, F).
    """

    def forward(self, x: Tensor, ptr: Tensor | None = None) -> Tensor:
        """(N, F) of nodes of graphs ``ptr[b]:ptr[b + 1]``, or of one graph."""
        return x * to_nodes(graph_size(x, ptr).clamp(min=1).rsqrt(), ptr, x.shape[0])
