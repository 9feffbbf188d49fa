"""Edge convolution."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import gather_dst, gather_src


class EdgeConv(MessagePassing):
    r"""The layer of "Dynamic Graph CNN for Learning on Point Clouds" (Wang et al., 2019), over given edges.

    .. math:: h_i = \mathrm{aggr}_{j \to i} \, \mathrm{MLP} \left( [x_i, x_j - x_i] \right)

    Where the MLP begins with a linear layer, that one is applied to nodes instead of edges.

    Shapes: x (S, in) or ((S, in), (D, in)); result (D, out of the MLP).

    Args:
        network: the MLP, from (E, 2 * in).
        aggr: see :func:`gnnctl.nn.aggr.aggregation`.
    """

    def __init__(self, network: nn.Module, *, aggr: AggregationLike = "max") -> None:
        super().__init__(aggr)
        self.network = network

    def forward(self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None) -> Tensor:
        """(D, out of the MLP)."""
        source, target = ends(x, edge_index.num_dst)
        modules = list(self.network) if type(self.network) is nn.Sequential else [self.network]
        first = modules[0]
        if isinstance(first, nn.Linear):
            of_own, of_difference = first.weight.chunk(2, dim=1)
            own = nn.functional.linear(target, of_own - of_difference, first.bias)
            messages = gather_dst(edge_index, own)
            messages = messages + gather_src(edge_index, nn.functional.linear(source, of_difference))
            for module in modules[1:]:
                messages = module(messages)
        else:
            own = gather_dst(edge_index, target)
            messages = self.network(torch.cat([own, gather_src(edge_index, source) - own], dim=-1))
        messages = messages if edge_mask is None else messages * edge_mask[:, None]
        return self.aggregate(messages, edge_index)
