"""A U-Net over graphs: down by pooling, up again by putting nodes back."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import normalized, times
from gnnctl.nn.linear import Linear
from gnnctl.nn.pool import TopKPooling, coalesce, unpool_nodes

_LOOP_WEIGHT = 2.0


class GraphUNet(nn.Module):
    r"""The model of "Graph U-Nets" (Gao and Ji, 2019).

    Each level down connects nodes two steps apart, with weights :math:`(A + I)^2` without its diagonal, and keeps the
    best nodes (:class:`~gnnctl.nn.pool.TopKPooling`); each level up puts the rows back where they were taken from,
    joins what the level had on the way down, and convolves with :math:`\hat A = A + 2I`, as the way down does:

    .. math:: h = \hat D^{-1/2} \hat A \hat D^{-1/2} X W + b

    The number of edges of a level depends on the data; see :mod:`gnnctl.nn.pool` on compiling.

    Args:
        in_channels: width of x.
        hidden_channels: width in between.
        out_channels: width of the result.
        depth: levels, at least one.
        ratio: of the nodes that are kept, one for all levels or one for each.
        join: how a level's two ways meet: their sum, or side by side.
        activation: after each convolution but the last.

    Raises:
        ValueError: no level, or another number of ratios.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        *,
        depth: int = 3,
        ratio: float | int | Sequence[float | int] = 0.5,
        join: Literal["sum", "cat"] = "sum",
        activation: Callable[[Tensor], Tensor] = torch.relu,
    ) -> None:
        super().__init__()
        ratios = [ratio] * depth if isinstance(ratio, int | float) else list(ratio)
        if depth < 1 or len(ratios) != depth:
            raise ValueError(f"depth must be at least 1 with a ratio for each, got {depth} and {len(ratios)} ratios")
        if join not in ("sum", "cat"):
            raise ValueError(f"join must be sum or cat, got {join!r}")
        self.join, self.activation = join, activation
        self.pools = nn.ModuleList(TopKPooling(hidden_channels, ratio=r) for r in ratios)
        self.down = nn.ModuleList(
            LoopedConv(hidden_channels if level else in_channels, hidden_channels) for level in range(depth + 1)
        )
        joined = hidden_channels if join == "sum" else 2 * hidden_channels
        self.up = nn.ModuleList(
            LoopedConv(joined, out_channels if level == depth - 1 else hidden_channels) for level in range(depth)
        )

    def forward(
        self, x: Tensor, edge_index: EdgeIndex, ptr: Tensor | None = None, edge_weight: Tensor | None = None
    ) -> Tensor:
        """Features of every node.

        Args:
            x: (N, in_channels).
            edge_index: edges among the N nodes.
            ptr: (B + 1,) int64 graphs; None: there is one.
            edge_weight: (E,).

        Returns:
            (N, out_channels).
        """
        weight = x.new_ones(edge_index.num_edges) if edge_weight is None else edge_weight
        x = self.activation(self.down[0](x, edge_index, weight))
        levels = []
        for pool, conv in zip(self.pools, self.down[1:], strict=True):
            wider, wider_weight = two_steps(edge_index, weight)
            kept = pool(x, wider, ptr)
            levels.append((x, edge_index, weight, kept.nodes))
            edge_index, weight, ptr = kept.edge_index, wider_weight.index_select(0, kept.edges), kept.ptr
            x = self.activation(conv(kept.x, edge_index, weight))
        for number, conv in enumerate(self.up):
            skipped, edge_index, weight, nodes = levels.pop()
            back = unpool_nodes(x, nodes, skipped.shape[0])
            joined = skipped + back if self.join == "sum" else torch.cat([skipped, back], -1)
            x = conv(joined, edge_index, weight)
            x = self.activation(x) if number < len(self.up) - 1 else x
        return x


class LoopedConv(nn.Module):
    """A graph convolution whose added loops weigh two: a node counts double for itself."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.lin = Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.xavier_uniform_(self.lin.weight)

    def forward(self, x: Tensor, edge_index: EdgeIndex, edge_weight: Tensor) -> Tensor:
        """(N, out_channels)."""
        matrix = normalized(edge_index, edge_weight, self_loops=True, loop_weight=_LOOP_WEIGHT, dtype=x.dtype)
        x = self.lin(x)
        return times(matrix, x, x) + self.bias


def two_steps(edge_index: EdgeIndex, edge_weight: Tensor) -> tuple[EdgeIndex, Tensor]:
    """The edges of :math:`(A + I)^2` without its diagonal, where A has no loops, and their weights (E',).

    Edges of equal ends count as one that weighs their sum. Time and memory grow with the number of paths of two.
    """
    size, row, col = edge_index.num_dst, edge_index.row.long(), edge_index.col().long()
    nodes, between = torch.arange(size, device=edge_index.device), row != col
    ends = torch.stack([torch.cat([row[between], nodes]), torch.cat([col[between], nodes])])
    looped, order = EdgeIndex.from_coo(ends, size)
    weight = torch.cat([edge_weight[between], edge_weight.new_ones(size)]).index_select(0, order)
    paths, first = looped.destinations(looped.row.long())  # of each edge, those into its source
    second = paths.col().long()
    ends = torch.stack([paths.row, looped.col().index_select(0, second)])
    apart = (ends[0] != ends[1]).nonzero()[:, 0]
    weight = weight.index_select(0, first[apart]) * weight.index_select(0, second[apart])
    edges, merged = coalesce(ends.index_select(1, apart), size, size, weight[:, None])
    assert merged is not None
    return edges, merged[:, 0]
