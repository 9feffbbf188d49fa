"""Convolution along edges and against them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.message_passing import MessagePassing


class DirGNNConv(MessagePassing):
    r"""The layer of "Edge Directionality Improves Learning on Heterophilic Graphs" (Rossi et al., 2023), for any layer.

    .. math:: H = (1 - \alpha) \, \mathrm{conv}_{in}(X, A) + \alpha \, \mathrm{conv}_{out}(X, A^\top) + X W + b

    The two should leave out the node's own part, which W is for::

        DirGNNConv(16, 32, partial(SAGEConv, root=False))
        DirGNNConv(16, 32, partial(GCNConv, self_loops=False))

    Sources and destinations must be the same nodes: a sampled model has only the edges into its nodes.

    Shapes: x (N, in); values of edges as the inner layer has them; result (N, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        conv: makes the inner layers, called with both widths, twice.
        alpha: the share of the edges out of a node.
        root: whether the node's own features take part.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        conv: Callable[[int, int], MessagePassing],
        *,
        alpha: float = 0.5,
        root: bool = True,
    ) -> None:
        super().__init__("sum")
        self.alpha = alpha
        self.conv_in = conv(in_channels, out_channels)
        self.conv_out = conv(in_channels, out_channels)
        self.root = nn.Linear(in_channels, out_channels) if root else None
        # Degrees of a whole graph are those of one direction.
        self.inputs = frozenset(name for name in self.conv_in.inputs if name.startswith("edge_"))

    def forward(self, x: Tensor, edge_index: EdgeIndex, **values: Any) -> Tensor:
        """(N, out_channels).

        Args:
            x: (N, in_channels).
            edge_index: E edges between N nodes.
            values: of edges, in their order, by the names that the inner layer takes.

        Raises:
            ValueError: sources and destinations are not the same nodes, or a value of no edge is given.
        """
        if edge_index.num_src != edge_index.num_dst:
            raise ValueError("edge_index: messages go both ways: sources and destinations must be the same nodes")
        unknown = [name for name in values if name not in self.inputs]
        if unknown:
            raise ValueError(f"{unknown[0]}: the inner layer takes {', '.join(sorted(self.inputs)) or 'no values'}")
        turned, order = edge_index.reversed()
        against = {n: v.index_select(0, order) if isinstance(v, Tensor) else v for n, v in values.items()}
        along: Tensor = self.conv_in(x, edge_index, **values)
        out = torch.lerp(along, self.conv_out(x, turned, **against), self.alpha)
        return out if self.root is None else torch.add(out, self.root(x))
