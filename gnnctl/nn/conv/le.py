"""Local extremum convolution."""

from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, masked, project_first
from gnnctl.nn.ops import segment_reduce, spmm


class LEConv(MessagePassing):
    r"""The layer of "ASAP: Adaptive Structure Aware Pooling for Learning Hierarchical Graph Representations"
    (Ranjan et al., 2020), which sees how a node differs from its neighbours.

    .. math::
        h_i = W_3 x_i + b_3 + \sum_{j \to i} w_{ji} \left( W_1 x_j + b_1 - W_2 x_i \right)

    It is computed as :math:`\sum_j w_{ji} W_1 x_j + (\sum_j w_{ji}) (b_1 - W_2 x_i)`: no difference is ever made.

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_weight (E,); result (D, out).

    Args:
        in_channels: width of the sources, or (of sources, of destinations).
        out_channels: width of the result.
        bias: whether there are biases.
    """

    def __init__(self, in_channels: int | tuple[int, int], out_channels: int, *, bias: bool = True) -> None:
        super().__init__("sum")
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.lin_src = nn.Linear(source, out_channels, bias=bias)
        self.lin_dst = nn.Linear(target, out_channels, bias=False)
        self.root = nn.Linear(target, out_channels, bias=bias)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for linear in (self.lin_src, self.lin_dst, self.root):
            linear.reset_parameters()

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_weight: Tensor | None = None, edge_mask: Tensor | None = None
    ) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        weight = masked(edge_weight, edge_mask)
        if weight is None:
            total = edge_index.in_degree().to(target.dtype)[:, None]
        else:
            total = segment_reduce(edge_index.colptr, weight[:, None])
        matrix = self.lin_src.weight
        if project_first(edge_index, source, matrix.shape[0]):
            out = spmm(edge_index, nn.functional.linear(source, matrix), weight)
        else:
            out = nn.functional.linear(spmm(edge_index, source, weight), matrix)
        difference: Tensor = -self.lin_dst(target)
        if self.lin_src.bias is not None:
            difference = difference + self.lin_src.bias
        root: Tensor = self.root(target)
        return root + out + total * difference
