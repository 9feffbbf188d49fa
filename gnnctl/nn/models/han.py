"""A round of the heterogeneous graph attention network."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType
from gnnctl.nn.conv.han import HANConv
from gnnctl.nn.models.whole import types_of, with_all_relations

_MOMENTUM = 0.1


class HANRound(nn.Module):
    """:class:`~gnnctl.nn.conv.HANConv` in a model, with edge types for metapaths.

    The weights of edge types come from the batch's average in training and from the running one otherwise, so that a
    prediction does not depend on the other nodes of its batch.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        edge_types: Sequence[EdgeType],
        *,
        heads: int = 8,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.edge_types = list(edge_types)
        self.conv = HANConv(
            in_channels,
            out_channels,
            (types_of(edge_types), edge_types),
            heads=heads,
            negative_slope=negative_slope,
            dropout=dropout,
            momentum=_MOMENTUM,
        )

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
