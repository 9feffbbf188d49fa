"""Graph convolutional network."""

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, project_first
from gnnctl.nn.ops import segment_reduce


class GCNConv(MessagePassing):
    r"""The layer of "Semi-Supervised Classification with Graph Convolutional Networks" (Kipf and Welling, 2017).

    .. math:: h_i = W \left( \sum_{j \to i} \frac{w_{ji}}{\sqrt{d_j d_i}} x_j + \frac{1}{d_i} x_i \right) + b

    With self loops (one type of nodes) d is the in-degree plus one. Without (edges between two types) d_j is the
    source's out-degree, d_i the destination's in-degree, and the term of x_i is left out. Degrees are those of the
    whole graph; a destination whose in-edges were sampled has its sum scaled up by how many were left out, so that its
    expectation is the exact one.

    Shapes: x (S, in) or ((S, in), (D, in)); edge_weight (E,); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        self_loops: whether a node takes part in its own sum, beside any loops that the graph has.
        bias: whether there is a bias.
    """

    def __init__(self, in_channels: int, out_channels: int, *, self_loops: bool = True, bias: bool = True) -> None:
        super().__init__("sum")
        self.self_loops = self_loops
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
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
        loop = 1.0 if self.self_loops else 0.0
        if degree is None:
            degree = own_degrees(edge_index, edge_weight, homogeneous=self.self_loops)
            scale_dst = scale_own = _root(degree.dst + loop)
        else:
            scale_own = _root(degree.dst + loop)
            scale_dst = scale_own * unsampled(degree, edge_index)
        scale_src = _root(degree.src + loop)
        first = project_first(edge_index, source, self.lin.out_features)
        if first:
            same = target is source or not isinstance(x, tuple)
            source = self.lin(source)
            target = source[: edge_index.num_dst] if same else (self.lin(target) if self.self_loops else target)
        out = self.propagate(edge_index, edge_weight, edge_mask, x=source * scale_src.to(source.dtype)[:, None])
        out = out * scale_dst.to(out.dtype)[:, None]
        if self.self_loops:
            out = out + target * scale_own.square().to(out.dtype)[:, None]
        out = out if first else self.lin(out)
        return out if self.bias is None else out + self.bias


def own_degrees(edge_index: EdgeIndex, edge_weight: Tensor | None, *, homogeneous: bool) -> Degrees:
    """Degrees of the edges themselves, for a graph that is given whole."""
    in_edges = edge_index.in_degree().to(torch.float32)
    into = in_edges if edge_weight is None else segment_reduce(edge_index.colptr, edge_weight[:, None])[:, 0]
    if homogeneous:
        return Degrees(into, into, in_edges)
    ones = torch.ones(edge_index.num_edges, device=edge_index.device) if edge_weight is None else edge_weight
    out = torch.zeros(edge_index.num_src, device=edge_index.device).index_add_(0, edge_index.row, ones.float())
    return Degrees(out, into, in_edges)


def unsampled(degree: Degrees, edge_index: EdgeIndex) -> Tensor:
    """(D,) float: edges of each destination in the whole graph over those that are here; exactly 1 where all are."""
    return degree.in_edges / edge_index.in_degree().clamp(min=1).to(degree.in_edges.dtype)


def _root(degree: Tensor) -> Tensor:
    return torch.where(degree > 0, degree, torch.ones_like(degree)).rsqrt() * (degree > 0)
