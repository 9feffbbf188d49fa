"""PointNet++ convolution."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.conv.own_message import with_own_message
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import gather_dst, gather_src


class PointNetConv(MessagePassing):
    r"""The layer of "PointNet++: Deep Hierarchical Feature Learning on Point Sets in a Metric Space" (Qi et al., 2017).

    .. math:: h_i = g \left( \mathrm{aggr}_{j \to i} \, f \left( [x_j, p_j - p_i] \right) \right)

    Shapes: x (S, in), ((S, in), (D, in)) or None; pos (S, 3) or ((S, 3), (D, 3)); result (D, out of g).

    Args:
        local_network: f, from (E, in + 3); None: the identity.
        global_network: g; None: the identity.
        aggr: see :func:`gnnctl.nn.aggr.aggregation`.
        self_loops: whether a point is its own neighbour too, beside any loops that the graph has.
    """

    def __init__(
        self,
        local_network: nn.Module | None = None,
        global_network: nn.Module | None = None,
        *,
        aggr: AggregationLike = "max",
        self_loops: bool = True,
    ) -> None:
        super().__init__(aggr)
        self.local_network, self.global_network, self.self_loops = local_network, global_network, self_loops

    def forward(self, x: Pair | None, edge_index: EdgeIndex, pos: Pair, edge_mask: Tensor | None = None) -> Tensor:
        """(D, out of g)."""
        place_src, place_dst = ends(pos, edge_index.num_dst)
        source, target = (None, None) if x is None else ends(x, edge_index.num_dst)
        between = gather_src(edge_index, place_src) - gather_dst(edge_index, place_dst)
        messages = self._message(None if source is None else gather_src(edge_index, source), between)
        if edge_mask is not None:
            messages = messages * edge_mask[:, None]
        colptr = edge_index.colptr
        if self.self_loops:
            own = self._message(target, torch.zeros_like(place_dst))
            messages, colptr = with_own_message(edge_index, messages, own)
        out: Tensor = self.aggr(messages, colptr)
        return out if self.global_network is None else self.global_network(out)

    def _message(self, features: Tensor | None, geometry: Tensor) -> Tensor:
        values = geometry if features is None else torch.cat([features, geometry], dim=-1)
        return values if self.local_network is None else self.local_network(values)
