"""GraphSAGE."""

from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike, aggregation
from gnnctl.nn.linear import Linear, linear
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, project_first


class SAGEConv(MessagePassing):
    r"""The layer of "Inductive Representation Learning on Large Graphs" (Hamilton et al., 2017).

    .. math:: h_i = W_1 \, \mathrm{aggr}_{j \to i} \, w_{ji} x_j + W_2 \, x_i + b

    With ``project`` the neighbours are :math:`\mathrm{ReLU}(W_3 x_j + c)`: with the maximum, the paper's pooling
    aggregator.

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_weight (E,); result (D, out).

    Args:
        in_channels: width of the sources, or (of sources, of destinations).
        out_channels: width of the result.
        aggr: see :func:`gnnctl.nn.aggr.aggregation`; several are put side by side before W_1.
        root: whether the destination's own features take part.
        normalize: whether the result has length 1.
        project: whether neighbours pass a linear layer and ReLU first.
        bias: whether there is a bias.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        aggr: AggregationLike = "mean",
        root: bool = True,
        normalize: bool = False,
        project: bool = False,
        bias: bool = True,
    ) -> None:
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        super().__init__(aggregation(aggr, source))
        self.normalize = normalize
        self.project = Linear(source, source) if project else None
        self.lin = Linear(self.aggr.channels(source), out_channels, bias=bias)
        self.root = Linear(target, out_channels, bias=False) if root else None

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_weight: Tensor | None = None, edge_mask: Tensor | None = None
    ) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        source = source if self.project is None else self.project(source).relu()
        if self.aggr.linear and project_first(edge_index, source, self.lin.out_features):
            out = self.propagate(edge_index, edge_weight, edge_mask, x=linear(source, self.lin.weight))
            out = out if self.lin.bias is None else out + self.lin.bias
        else:
            out = self.lin(self.propagate(edge_index, edge_weight, edge_mask, x=source))
        out = out if self.root is None else out + self.root(target)
        return nn.functional.normalize(out, dim=-1) if self.normalize else out
