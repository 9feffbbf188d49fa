"""Edge convolution over neighbours in the space of the features."""

import torch
from torch import Tensor, nn

from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.message_passing import MessagePassing, Pair
from gnnctl.nn.neighbors import fixed_edges, nearest_k
from gnnctl.nn.ops import gather_dst, gather_src

# Graphs of the sources and of the destinations, or of both where they are the same.
Ptr = Tensor | tuple[Tensor | None, Tensor | None] | None


class DynamicEdgeConv(MessagePassing):
    r"""The layer of "Dynamic Graph CNN for Learning on Point Clouds" (Wang et al., 2019).

    .. math:: h_i = \mathrm{aggr}_{j \in \mathrm{knn}(i)} \, \mathrm{MLP} \left( [x_i, x_j - x_i] \right)

    The neighbours are the k sources nearest to :math:`x_i` in its graph, itself among them; fewer where the graph has
    fewer.

    Shapes: x (S, in) or ((S, in), (D, in)); ptr (B + 1,) int64, or one for each end; result (D, out of the MLP).

    Args:
        network: the MLP, from (E, 2 * in).
        k: neighbours of a node.
        aggr: see :func:`gnnctl.nn.aggr.aggregation`.
    """

    def __init__(self, network: nn.Module, k: int, *, aggr: AggregationLike = "max") -> None:
        super().__init__(aggr)
        self.network, self.k = network, k

    def forward(self, x: Pair, ptr: Ptr = None) -> Tensor:
        """(D, out of the MLP)."""
        source, target = x if isinstance(x, tuple) else (x, x)
        ptr_src, ptr_dst = ptr if isinstance(ptr, tuple) else (ptr, ptr)
        edges = fixed_edges(nearest_k(source, target, self.k, ptr_src, ptr_dst), source.shape[0])
        own = gather_dst(edges, with_spare_row(target))
        messages = self.network(torch.cat([own, gather_src(edges, source) - own], dim=-1))
        return self.aggregate(messages, edges)[:-1]


def with_spare_row(target: Tensor) -> Tensor:
    """(D + 1, F): a row of zeros for the destination of edges that stand for no neighbour."""
    return torch.cat([target, target.new_zeros(1, target.shape[1])])
