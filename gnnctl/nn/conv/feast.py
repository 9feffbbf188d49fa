"""Feature-steered convolution."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.loops import looped
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import gather_dst, gather_src, segment_reduce


class FeaStConv(MessagePassing):
    r"""The layer of "FeaStNet: Feature-Steered Graph Convolutions for 3D Shape Analysis" (Verma et al., 2018).

    .. math::
        h_i = \frac{1}{n_i} \sum_{j \to i} \sum_h q_{jih} W_h x_j + b, \quad
        q_{ji} = \mathrm{softmax}_h \left( u_h^\top (x_j - x_i) + c_h \right)

    Shapes: x (S, in) or ((S, in), (D, in)); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        heads: number of matrices W_h.
        self_loops: whether a node is its own neighbour too (sources and destinations being the same nodes). The loop
            replaces those that the graph has.
        bias: whether there is a bias.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, heads: int = 1, self_loops: bool = True, bias: bool = True
    ) -> None:
        super().__init__("mean")
        self.heads, self.out_channels, self.self_loops = heads, out_channels, self_loops
        self.adds_loops = self_loops
        self.lin = nn.Linear(in_channels, heads * out_channels, bias=False)
        self.lin_steer = nn.Linear(in_channels, heads, bias=False)
        self.offset = nn.Parameter(torch.empty(heads))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for linear in (self.lin, self.lin_steer):
            bound = linear.in_features**-0.5
            nn.init.uniform_(linear.weight, -bound, bound)
        for vector in (self.offset, self.bias):
            if vector is not None:
                nn.init.normal_(vector, std=0.1)

    def forward(self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        loops = looped(edge_index) if self.self_loops else None
        if loops is not None:
            edge_index, edge_mask = loops.edge_index, loops.values(edge_mask)
        steer = gather_src(edge_index, self.lin_steer(source)) - gather_dst(edge_index, self.lin_steer(target))
        share = (steer + self.offset).softmax(-1)
        share = share if edge_mask is None else share * edge_mask[:, None]
        hidden = self.lin(source).view(-1, self.heads, self.out_channels)
        counted = None if loops is None or loops.replaced is None else (~loops.replaced).to(share.dtype)[:, None]
        share = share if counted is None else share * counted
        out = self.aggr.along(edge_index, hidden, share.to(hidden.dtype)).sum(1)
        if counted is not None:  # the mean is over those that count
            out = out / segment_reduce(edge_index.colptr, counted, "mean").clamp(min=1e-9).to(out.dtype)
        return out if self.bias is None else out + self.bias
