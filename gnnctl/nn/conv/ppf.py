"""Convolution of point pair features."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.conv.own_message import with_own_message
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import gather_dst, gather_src


class PPFConv(MessagePassing):
    r"""The layer of "PPFNet: Global Context Aware Local Features for Robust 3D Point Matching" (Deng et al., 2018).

    .. math::
        h_i = g \left( \mathrm{aggr}_{j \to i} \, f \left( [x_j, \|d\|, \angle(n_i, d), \angle(n_j, d),
            \angle(n_i, n_j)] \right) \right), \quad d = p_j - p_i

    Angles are in radians, from 0 to pi. A point's pair with itself has four zeros.

    Shapes: x (S, in), ((S, in), (D, in)) or None; pos and normal (S, 3) or ((S, 3), (D, 3)); result (D, out of g).

    Args:
        local_network: f, from (E, in + 4); None: the identity.
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

    def forward(
        self, x: Pair | None, edge_index: EdgeIndex, pos: Pair, normal: Pair, edge_mask: Tensor | None = None
    ) -> Tensor:
        """(D, out of g)."""
        (place_src, place_dst), (normal_src, normal_dst) = (ends(v, edge_index.num_dst) for v in (pos, normal))
        source, target = (None, None) if x is None else ends(x, edge_index.num_dst)
        pairs = point_pair_features(
            gather_src(edge_index, place_src) - gather_dst(edge_index, place_dst),
            gather_dst(edge_index, normal_dst),
            gather_src(edge_index, normal_src),
        )
        messages = self._message(None if source is None else gather_src(edge_index, source), pairs)
        if edge_mask is not None:
            messages = messages * edge_mask[:, None]
        colptr = edge_index.colptr
        if self.self_loops:
            own = self._message(target, place_dst.new_zeros(place_dst.shape[0], 4))
            messages, colptr = with_own_message(edge_index, messages, own)
        out: Tensor = self.aggr(messages, colptr)
        return out if self.global_network is None else self.global_network(out)

    def _message(self, features: Tensor | None, geometry: Tensor) -> Tensor:
        values = geometry if features is None else torch.cat([features, geometry], dim=-1)
        return values if self.local_network is None else self.local_network(values)


def point_pair_features(between: Tensor, normal_dst: Tensor, normal_src: Tensor) -> Tensor:
    """(E, 4): length of the (E, 3) vectors ``between``, and the angles of them and both normals."""
    angles = [_angle(a, b) for a, b in ((normal_dst, between), (normal_src, between), (normal_dst, normal_src))]
    return torch.stack([torch.linalg.vector_norm(between, dim=1), *angles], dim=1)


def _angle(a: Tensor, b: Tensor) -> Tensor:
    # By its tangent: exact near 0 and pi, where the cosine hardly changes.
    return torch.atan2(torch.linalg.vector_norm(torch.linalg.cross(a, b), dim=1), (a * b).sum(1))
