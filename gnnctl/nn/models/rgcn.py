"""A round of relational graph convolution."""

from collections.abc import Sequence

from gnnctl.graph.types import EdgeType
from gnnctl.nn.hetero.grouped import GroupedRelations
from gnnctl.nn.ops import Reduce


class RGCNRound(GroupedRelations):
    r"""The neighbours' part of "Modeling Relational Data with Graph Convolutional Networks"
    (Schlichtkrull et al., 2018).

    .. math:: h_i = \sum_r W_r \, \mathrm{mean}_{j \in N_r(i)} \, w_{ji} x_j

    with free matrices, bases that relations mix (``num_bases``) or diagonal blocks (``num_blocks``); 0 is none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        edge_types: Sequence[EdgeType],
        *,
        aggr: Reduce = "mean",
        num_bases: int = 0,
        num_blocks: int = 0,
    ) -> None:
        super().__init__(
            edge_types,
            in_channels,
            out_channels,
            reduce=aggr,
            num_bases=num_bases or None,
            num_blocks=num_blocks or None,
        )
