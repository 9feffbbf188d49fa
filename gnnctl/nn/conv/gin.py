"""Graph isomorphism network."""

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import unsampled
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, masked
from gnnctl.nn.ops import gather_src, segment_reduce, spmm


class GINConv(MessagePassing):
    r"""The layer of "How Powerful are Graph Neural Networks?" (Xu et al., 2019).

    .. math:: h_i = \mathrm{MLP} \left( (1 + \epsilon) \, x_i + \sum_{j \to i} x_j \right)

    With edge features the message is :math:`\mathrm{ReLU}(x_j + W e_{ji})` (GINE, Hu et al., 2020). A destination whose
    in-edges were sampled has its sum scaled up by how many were left out.

    Shapes: x (S, in) or ((S, in), (D, in)); edge_attr (E, edge_channels); result: the MLP's.

    Args:
        network: the MLP, from (D, in).
        edge_channels: width of edge features that take part; 0 for none.
        in_channels: width of x; needed with edge features.
        eps: epsilon.
        train_eps: whether epsilon is learned, from ``eps``.
        root: whether the destination's own features take part.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        edge_channels: int = 0,
        in_channels: int = 0,
        eps: float = 0.0,
        train_eps: bool = False,
        root: bool = True,
    ) -> None:
        super().__init__("sum")
        self.network = network
        self.root = root
        self.initial_eps = eps
        self.eps = nn.Parameter(torch.tensor(float(eps))) if train_eps else None
        self.edge_lin = Linear(edge_channels, in_channels) if edge_channels else None

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """(D, out of the MLP); ``degree`` None takes the edges for the whole graph."""
        source, target = ends(x, edge_index.num_dst)
        weight = masked(edge_weight, edge_mask)
        if self.edge_lin is None or edge_attr is None:
            out = spmm(edge_index, source, weight)
        else:
            message = (gather_src(edge_index, source) + self.edge_lin(edge_attr)).relu()
            out = segment_reduce(edge_index.colptr, message if weight is None else message * weight[:, None])
        if degree is not None:
            out = out * unsampled(degree, edge_index).to(out.dtype)[:, None]
        if self.root:
            eps = self.initial_eps if self.eps is None else self.eps
            out = out + (target if self.eps is None and not eps else target * (1 + eps))
        result: Tensor = self.network(out)
        return result
