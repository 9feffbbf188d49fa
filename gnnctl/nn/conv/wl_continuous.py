"""Weisfeiler-Lehman refinement of continuous features."""

from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import inverse
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, masked
from gnnctl.nn.ops import segment_reduce, spmm


class WLConvContinuous(MessagePassing):
    r"""The refinement of "Wasserstein Weisfeiler-Lehman Graph Kernels" (Togninalli et al., 2019); it has no weights.

    .. math:: h_i = \frac12 \left( x_i + \frac{1}{\sum_{j \to i} w_{ji}} \sum_{j \to i} w_{ji} x_j \right)

    Shapes: x (S, F) or ((S, F), (D, F)); edge_weight (E,); result (D, F).
    """

    def __init__(self) -> None:
        super().__init__("sum")

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_weight: Tensor | None = None, edge_mask: Tensor | None = None
    ) -> Tensor:
        """(D, F); a node without edges keeps half of its features."""
        source, target = ends(x, edge_index.num_dst)
        if edge_weight is None:
            out = spmm(edge_index, source, edge_mask, "mean")
        else:
            total = segment_reduce(edge_index.colptr, edge_weight[:, None])
            out = spmm(edge_index, source, masked(edge_weight, edge_mask)) * inverse(total).to(source.dtype)
        return (target + out) / 2
