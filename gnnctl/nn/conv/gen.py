"""Generalised aggregation."""

from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.norm import BatchNorm, MessageNorm
from gnnctl.nn.ops import gather_src


class GENConv(MessagePassing):
    r"""The layer of "DeeperGCN: All You Need to Train Deeper GCNs" (Li et al., 2020).

    .. math::
        h_i = \mathrm{MLP} \left( x_i + \mathrm{aggr}_{j \to i} (\mathrm{ReLU}(x_j + W_e e_{ji}) + \epsilon) \right)

    x and the edge features are first brought to ``out_channels`` by linear maps, where they have another width.
    Without edge features the messages are those of nodes, and are not made for each edge unless the aggregation needs
    them.

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_attr (E, edge_channels); result (D, out).

    Args:
        in_channels: width of x, or (of sources, of destinations).
        out_channels: width of the result.
        aggr: see :func:`gnnctl.nn.aggr.aggregation`; :class:`~gnnctl.nn.aggr.SoftmaxAggregation` and
            :class:`~gnnctl.nn.aggr.PowerMeanAggregation` may learn.
        edge_channels: width of edge features that take part; 0 for none.
        num_layers: linear layers of the MLP.
        expansion: hidden width of the MLP over ``out_channels``.
        batch_norm: whether the hidden layers of the MLP are normalised.
        message_norm: whether what arrives has the length of x; see :class:`~gnnctl.nn.norm.MessageNorm`.
        learn_scale: whether the scale of that length is learned.
        eps: added to messages.
        bias: whether the linear layers have biases.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        aggr: AggregationLike = "softmax",
        edge_channels: int = 0,
        num_layers: int = 2,
        expansion: int = 2,
        batch_norm: bool = True,
        message_norm: bool = False,
        learn_scale: bool = False,
        eps: float = 1e-7,
        bias: bool = False,
    ) -> None:
        super().__init__(aggr)
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.eps, self.edge_channels = eps, edge_channels

        def fitted(width: int) -> nn.Linear | None:
            return None if width == out_channels else nn.Linear(width, out_channels, bias=bias)

        self.lin_src, self.lin_dst = fitted(source), fitted(target)
        self.edge_lin = fitted(edge_channels) if edge_channels else None
        self.lin_aggr = fitted(self.aggr.channels(out_channels))
        self.message_norm = MessageNorm(learn_scale) if message_norm else None
        widths = [out_channels, *[out_channels * expansion] * (num_layers - 1), out_channels]
        modules: list[nn.Module] = []
        for i in range(num_layers):
            if i:
                modules += [BatchNorm(widths[i])] if batch_norm else []
                modules.append(nn.ReLU())
            modules.append(nn.Linear(widths[i], widths[i + 1], bias=bias))
        self.network = nn.Sequential(*modules)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.aggr.reset_parameters()
        for module in self.modules():
            if isinstance(module, nn.Linear | BatchNorm | MessageNorm):
                module.reset_parameters()

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None, edge_attr: Tensor | None = None
    ) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        hidden = source if self.lin_src is None else self.lin_src(source)
        if edge_attr is None or not self.edge_channels:
            out = self.aggr.along(edge_index, hidden.relu() + self.eps, edge_mask)
        else:
            edge = edge_attr if self.edge_lin is None else self.edge_lin(edge_attr)
            messages = (gather_src(edge_index, hidden) + edge).relu() + self.eps
            messages = messages if edge_mask is None else messages * edge_mask[:, None]
            out = self.aggregate(messages, edge_index)
        out = out if self.lin_aggr is None else self.lin_aggr(out)
        out = out if self.message_norm is None else self.message_norm(target, out)
        result: Tensor = self.network(out + (target if self.lin_dst is None else self.lin_dst(target)))
        return result
