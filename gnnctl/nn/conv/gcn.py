"""Graph convolutional network."""

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import adjacency, times
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, project_first


class GCNConv(MessagePassing):
    r"""The layer of "Semi-Supervised Classification with Graph Convolutional Networks" (Kipf and Welling, 2017).

    .. math:: h_i = W \left( \sum_{j \to i} \frac{w_{ji}}{\sqrt{d_j d_i}} x_j + \frac{1}{d_i} x_i \right) + b

    With self loops (one type of nodes) d is the in-degree plus one. Without (edges between two types) d_j is the
    source's out-degree, d_i the destination's in-degree, and the term of x_i is left out. A node that the graph gives
    a loop keeps that one: none is added. Degrees are those of the whole graph; a destination whose in-edges were
    sampled has its sum scaled up by how many were left out, so that its expectation is the exact one.

    Shapes: x (S, in) or ((S, in), (D, in)); edge_weight (E,); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        self_loops: whether a node takes part in its own sum.
        loop_weight: of the loops that are added, in the sum and in d; 2 is the "improved" GCN.
        normalize: whether the edges are normalised by degree, and loops added; else the sum is of :math:`w_{ji} x_j`.
        bias: whether there is a bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        self_loops: bool = True,
        loop_weight: float = 1.0,
        normalize: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__("sum")
        self.self_loops, self.loop_weight, self.normalize = self_loops, loop_weight, normalize
        self.lin = Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.xavier_uniform_(self.lin.weight)

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
        matrix = adjacency(
            x,
            edge_index,
            edge_weight,
            edge_mask,
            degree,
            self_loops=self.self_loops,
            normalize=self.normalize,
            loop_weight=self.loop_weight,
        )
        first = project_first(edge_index, source, self.lin.out_features)
        if first:
            same = target is source or not isinstance(x, tuple)
            source = self.lin(source)
            target = source[: edge_index.num_dst] if same else (self.lin(target) if self.self_loops else target)
        out = times(matrix, source, target)
        out = out if first else self.lin(out)
        return out if self.bias is None else out + self.bias
