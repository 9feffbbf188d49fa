"""Subtraction of the mean."""

from torch import Tensor, nn

from gnnctl.nn.norm.graphs import graph_mean, to_nodes


class MeanSubtractionNorm(nn.Module):
    r"""Of "Revisiting Over-smoothing in Deep GCNs" (Yang et al., 2020): :math:`x - \mathrm{E}[x]` in each graph.

    Shapes: x (N, F); ptr (B + 1,); result (N, F).
    """

    def forward(self, x: Tensor, ptr: Tensor | None = None) -> Tensor:
        """(N, F) of nodes of graphs ``ptr[b]:ptr[b + 1]``, or of one graph."""
        return x - to_nodes(graph_mean(x, ptr), ptr, x.shape[0])
