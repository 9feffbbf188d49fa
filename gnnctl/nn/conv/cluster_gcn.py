"""Graph convolution of Cluster-GCN."""

from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import averaged, times
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, project_first


class ClusterGCNConv(MessagePassing):
    r"""The layer of "Cluster-GCN: An Efficient Algorithm for Training Deep and Large Graph Convolutional Networks"
    (Chiang et al., 2019).

    .. math::
        H = \left( \hat A + \lambda \, \mathrm{diag}(\hat A) \right) X W_1 + X W_2 + b, \quad
        \hat A = (D + I)^{-1} (A + I)

    A node that the graph gives a loop keeps that one: none is added.

    Shapes: x (S, in) or ((S, in), (D, in)); edge_weight (E,); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        diagonal: lambda, by which a node's own part is enhanced.
        bias: whether there is a bias.
    """

    def __init__(self, in_channels: int, out_channels: int, *, diagonal: float = 0.0, bias: bool = True) -> None:
        super().__init__("sum")
        self.diagonal = diagonal
        self.lin = nn.Linear(in_channels, out_channels, bias=bias)
        self.root = nn.Linear(in_channels, out_channels, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot)."""
        for linear in (self.lin, self.root):
            nn.init.xavier_uniform_(linear.weight)
        if self.lin.bias is not None:
            nn.init.zeros_(self.lin.bias)

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
    ) -> Tensor:
        """(D, out_channels); ``degree`` None takes the edges for the whole graph."""
        source, target = ends(x, edge_index.num_dst)
        matrix = averaged(edge_index, edge_weight, edge_mask, degree, diagonal=self.diagonal, dtype=source.dtype)
        root: Tensor = self.root(target)
        if project_first(edge_index, source, self.lin.out_features):
            same = not isinstance(x, tuple)
            source = nn.functional.linear(source, self.lin.weight)
            own = source[: edge_index.num_dst] if same else nn.functional.linear(target, self.lin.weight)
            out = times(matrix, source, own)
            out = out if self.lin.bias is None else out + self.lin.bias
        else:
            out = self.lin(times(matrix, source, target))
        return root + out
