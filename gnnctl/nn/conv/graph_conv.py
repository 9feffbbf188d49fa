"""Graph convolution of the k-GNN paper."""

from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.conv.sage import SAGEConv


class GraphConv(SAGEConv):
    r"""The layer of "Weisfeiler and Leman Go Neural: Higher-order Graph Neural Networks" (Morris et al., 2019).

    .. math:: h_i = W_1 \sum_{j \to i} w_{ji} x_j + W_2 \, x_i + b

    It is :class:`~gnnctl.nn.conv.SAGEConv` with a sum, the reduction that tells multisets of neighbours apart.

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_weight (E,); result (D, out).

    Args:
        in_channels: width of the sources, or (of sources, of destinations).
        out_channels: width of the result.
        aggr: see :func:`gnnctl.nn.aggr.aggregation`; several are put side by side before W_1.
        root: whether the destination's own features take part.
        bias: whether there is a bias.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        aggr: AggregationLike = "sum",
        root: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, aggr=aggr, root=root, bias=bias)
