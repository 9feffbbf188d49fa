"""A round of the heterogeneous graph transformer."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType
from gnnctl.nn.conv.hgt import HGTConv
from gnnctl.nn.models.whole import types_of, with_all_relations


class HGTRound(nn.Module):
    """:class:`~gnnctl.nn.conv.HGTConv` in a model: what destinations get does not depend on the rest of a batch."""

    def __init__(self, in_channels: int, out_channels: int, edge_types: Sequence[EdgeType], *, heads: int = 8) -> None:
        super().__init__()
        self.edge_types = list(edge_types)
        self.conv = HGTConv(in_channels, out_channels, (types_of(edge_types), edge_types), heads=heads)

    def forward(
        self,
        sources: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        edge_index: Mapping[EdgeType, EdgeIndex],
        edge_mask: Mapping[EdgeType, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """By node type (D, out_channels), of those that edge types lead to."""
        x, edges = with_all_relations(sources, targets, edge_index, self.edge_types)
        found: dict[str, Tensor] = self.conv(x, edges, edge_mask)
        return found
