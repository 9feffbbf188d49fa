"""Point-GNN."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import gather_dst, gather_src


class PointGNNConv(MessagePassing):
    r"""The layer of "Point-GNN: Graph Neural Network for 3D Object Detection in a Point Cloud" (Shi et al., 2020).

    .. math:: h_i = x_i + g \left( \mathrm{aggr}_{j \to i} \, f \left( [p_j - p_i + \Delta p_i, x_j] \right) \right),
        \quad \Delta p_i = m (x_i)

    The shift :math:`\Delta p_i`, which makes neighbouring points independent of where the point itself was measured,
    is computed once for each node.

    Shapes: x (S, in) or ((S, in), (D, in)); pos (S, 3) or ((S, 3), (D, 3)); result (D, in).

    Args:
        shift_network: m, from (D, in) to (D, 3).
        edge_network: f, from (E, 3 + in).
        update_network: g, to (D, in).
        aggr: see :func:`gnnctl.nn.aggr.aggregation`.
    """

    def __init__(
        self,
        shift_network: nn.Module,
        edge_network: nn.Module,
        update_network: nn.Module,
        *,
        aggr: AggregationLike = "max",
    ) -> None:
        super().__init__(aggr)
        self.shift_network, self.edge_network, self.update_network = shift_network, edge_network, update_network

    def forward(self, x: Pair, edge_index: EdgeIndex, pos: Pair, edge_mask: Tensor | None = None) -> Tensor:
        """(D, in)."""
        source, target = ends(x, edge_index.num_dst)
        place_src, place_dst = ends(pos, edge_index.num_dst)
        moved = self.shift_network(target) - place_dst
        between = gather_src(edge_index, place_src) + gather_dst(edge_index, moved)
        messages = self.edge_network(torch.cat([between, gather_src(edge_index, source)], dim=-1))
        if edge_mask is not None:
            messages = messages * edge_mask[:, None]
        out: Tensor = self.update_network(self.aggregate(messages, edge_index))
        return target + out
