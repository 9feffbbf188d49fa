"""Convolution with a matrix for each edge."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, project_first
from gnnctl.nn.ops import gather_src


class NNConv(MessagePassing):
    r"""The layer of "Neural Message Passing for Quantum Chemistry" (Gilmer et al., 2017), also known as ECC.

    .. math:: h_i = W_r x_i + \mathrm{aggr}_{j \to i} \, x_j^\top \Theta(e_{ji}) + b

    Where the network ends in a linear layer of K inputs, :math:`\Theta(e) = \sum_k g_k(e) \Theta_k`. A linear
    aggregation is then K weighted sums of nodes, before or after the products with :math:`\Theta_k`, whichever is
    cheaper: no edge has a matrix, nor a message.

    Shapes: x (S, in) or ((S, in), (D, in_dst)); edge_attr (E, edge_channels); result (D, out).

    Args:
        in_channels: width of x, or (of sources, of destinations).
        out_channels: width of the result.
        network: from (E, edge_channels) to (E, in * out): for each edge a matrix, row by row.
        aggr: see :func:`gnnctl.nn.aggr.aggregation`; one that keeps the width.
        root: whether the destination's own features take part.
        bias: whether there is a bias.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        network: nn.Module,
        *,
        aggr: AggregationLike = "sum",
        root: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__(aggr)
        self.source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.out_channels = out_channels
        self.network = network
        self.root = nn.Linear(target, out_channels, bias=False) if root else None
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Pair, edge_index: EdgeIndex, edge_attr: Tensor, edge_mask: Tensor | None = None) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        modules = list(self.network) if type(self.network) is nn.Sequential else [self.network]
        last = modules[-1]
        if self.aggr.linear and isinstance(last, nn.Linear):
            for module in modules[:-1]:
                edge_attr = module(edge_attr)
            out = self._factored(source, edge_index, edge_attr, last, edge_mask)
        else:
            matrices = self.network(edge_attr).view(-1, self.source, self.out_channels)
            messages = torch.einsum("ei,eio->eo", gather_src(edge_index, source), matrices)
            messages = messages if edge_mask is None else messages * edge_mask[:, None]
            out = self.aggregate(messages, edge_index)
        out = out if self.root is None else out + self.root(target)
        return out if self.bias is None else out + self.bias

    def _factored(
        self, source: Tensor, edge_index: EdgeIndex, factors: Tensor, last: nn.Linear, edge_mask: Tensor | None
    ) -> Tensor:
        matrices = last.weight.view(self.source, self.out_channels, -1)
        if last.bias is not None:  # a factor that is one for every edge
            matrices = torch.cat([matrices, last.bias.view(self.source, self.out_channels, 1)], dim=-1)
            factors = torch.cat([factors, factors.new_ones(factors.shape[0], 1)], dim=-1)
        factors = factors if edge_mask is None else factors * edge_mask[:, None]
        if project_first(edge_index, source, self.out_channels):
            rows = (source @ matrices.flatten(1)).view(source.shape[0], *matrices.shape[1:]).transpose(1, 2)
            return self.aggr.along(edge_index, rows, factors.to(rows.dtype)).sum(1)
        rows = source[:, None].repeat(1, factors.shape[1], 1)
        found = self.aggr.along(edge_index, rows, factors.to(rows.dtype))
        return found.flatten(1) @ matrices.permute(2, 0, 1).flatten(0, 1)
