"""Light graph convolution."""

from torch import Tensor

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.appnp import PropagateConv
from gnnctl.nn.message_passing import Pair


class LGConv(PropagateConv):
    r"""The layer of "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation"
    (He et al., 2020); it has no weights.

    .. math:: h_i = \sum_{j \to i} \frac{w_{ji}}{\sqrt{d_j d_i}} x_j

    Shapes: x (S, F) or ((S, F), (D, F)); edge_weight (E,); result (D, F).

    Args:
        normalize: whether the edges are normalised by degree.
    """

    def __init__(self, *, normalize: bool = True) -> None:
        super().__init__(self_loops=False, normalize=normalize)

    # The names of the base class, without what this layer has no use for.
    def forward(  # type: ignore[override]
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
    ) -> Tensor:
        """(D, F); ``degree`` None takes the edges for the whole graph."""
        return super().forward(x, edge_index, edge_weight, edge_mask, degree)
