"""Pathfinder discovery network."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import normalized, plain, times
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, masked, project_first


class PDNConv(MessagePassing):
    r"""The layer of "Pathfinder Discovery Networks for Neural Message Passing" (Rozemberczki et al., 2021): weights of
    edges are learned from their features.

    .. math::
        h_i = \sum_{j \in N(i) \cup \{i\}} \frac{g_{ji}}{\sqrt{d_j d_i}} W x_j + b, \quad
        g_{ji} = \mathrm{sigmoid}(\mathrm{MLP}(e_{ji})), \quad d_i = \sum_{j \in N(i) \cup \{i\}} g_{ji}

    A loop that is added has g = 1. The degrees are sums of what was learned, over all in-edges of both ends: with
    ``normalize`` the layer takes whole graphs only.

    Shapes: x (N, in), without ``normalize`` ((S, in), (D, in)) too; edge_attr (E, edge_channels); edge_weight (E,),
    which multiplies g; result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        edge_channels: width of edge features.
        hidden_channels: width of the MLP.
        self_loops: whether a node takes part in its own sum; only with ``normalize``.
        normalize: whether the edges are normalised by degree.
        bias: whether there is a bias.

    Raises:
        ValueError: loops without ``normalize``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        edge_channels: int,
        hidden_channels: int,
        self_loops: bool | None = None,
        normalize: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__("sum")
        if self_loops and not normalize:
            raise ValueError("self_loops: they are added where degrees normalise the edges, with normalize=True")
        self.self_loops, self.normalize = normalize if self_loops is None else self_loops, normalize
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.gate = nn.Sequential(
            nn.Linear(edge_channels, hidden_channels), nn.ReLU(), nn.Linear(hidden_channels, 1), nn.Sigmoid()
        )
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot)."""
        for linear in (self.lin, self.gate[0], self.gate[2]):
            assert isinstance(linear, nn.Linear)
            nn.init.xavier_uniform_(linear.weight)
        for bias in (self.gate[0].bias, self.gate[2].bias, self.bias):
            if isinstance(bias, nn.Parameter):
                nn.init.zeros_(bias)

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """(D, out_channels); without ``edge_attr`` g is 1.

        Raises:
            ValueError: sources and destinations are different nodes, with ``normalize``.
        """
        source, target = ends(x, edge_index.num_dst)
        gate = edge_weight if edge_attr is None else masked(self.gate(edge_attr).squeeze(-1), edge_weight)
        if self.normalize:
            if isinstance(x, tuple):
                raise ValueError("x: a pair does not hold all in-edges of the sources; use normalize=False")
            matrix = normalized(edge_index, gate, edge_mask, self_loops=self.self_loops, dtype=source.dtype)
        else:
            matrix = plain(edge_index, gate, edge_mask)
        first = project_first(edge_index, source, self.lin.out_features)
        if first:
            source = self.lin(source)
            target = source[: edge_index.num_dst]
        out = times(matrix, source, target)
        out = out if first else self.lin(out)
        return out if self.bias is None else out + self.bias
