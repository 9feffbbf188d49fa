"""GravNet."""

import torch
from torch import Tensor, nn

from gnnctl.nn.conv.dynamic_edge import Ptr, with_spare_row
from gnnctl.nn.message_passing import MessagePassing, Pair
from gnnctl.nn.neighbors import fixed_edges, nearest_k
from gnnctl.nn.ops import gather_dst, gather_src


class GravNetConv(MessagePassing):
    r"""The layer of "Learning Representations of Irregular Particle-detector Geometry with Distance-weighted Graph
    Networks" (Qasim et al., 2019).

    .. math:: h_i = W_1 x_i + W_2 \left[ \mathrm{mean}_j \, m_{ji}, \max_j \, m_{ji} \right] + b, \quad
        m_{ji} = e^{-10 \, \|s_j - s_i\|^2} \, W_h x_j, \quad s = W_s x

    over the k sources j that are nearest to i in the learned space of s, itself among them.

    Shapes: x (S, in) or ((S, in), (D, in)); ptr (B + 1,) int64, or one for each end; result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        space_channels: dimensions of the learned space.
        propagate_channels: width of the messages.
        k: neighbours of a node.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, space_channels: int, propagate_channels: int, k: int
    ) -> None:
        super().__init__("mean,max")
        self.k = k
        self.lin_space = nn.Linear(in_channels, space_channels)
        self.lin_message = nn.Linear(in_channels, propagate_channels)
        self.root = nn.Linear(in_channels, out_channels, bias=False)
        self.lin = nn.Linear(2 * propagate_channels, out_channels)

    def forward(self, x: Pair, ptr: Ptr = None) -> Tensor:
        """(D, out_channels)."""
        source, target = x if isinstance(x, tuple) else (x, x)
        ptr_src, ptr_dst = ptr if isinstance(ptr, tuple) else (ptr, ptr)
        place_src = self.lin_space(source)
        place_dst = place_src if target is source else self.lin_space(target)
        edges = fixed_edges(nearest_k(place_src, place_dst, self.k, ptr_src, ptr_dst), source.shape[0])
        between = gather_src(edges, place_src) - gather_dst(edges, with_spare_row(place_dst))
        weight = torch.exp(-10.0 * between.square().sum(-1))
        out = self.propagate(edges, weight, x=self.lin_message(source))[:-1]
        result: Tensor = self.root(target) + self.lin(out)
        return result
