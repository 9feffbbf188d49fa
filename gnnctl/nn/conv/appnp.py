"""Personalised propagation, a round at a time and all at once."""

import torch
from torch import Tensor

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.multi_hop import MultiHop, State
from gnnctl.nn.conv.normalization import Adjacency, adjacency, times
from gnnctl.nn.dropout import dropout
from gnnctl.nn.message_passing import MessagePassing, Pair, ends


def teleported(matrix: Adjacency, source: Tensor, target: Tensor, x_0: Tensor, alpha: float) -> Tensor:
    """(D, F): ``(1 - alpha) * matrix @ source + alpha * x_0``, ``target`` being the destinations' rows."""
    out = times(matrix, source, target)
    return out if alpha == 0 else torch.lerp(out, x_0.to(out.dtype), alpha)


class PropagateConv(MessagePassing):
    r"""One round of :class:`APPNP`, without weights; with alpha 0 one of SGC.

    .. math:: h_i = (1 - \alpha) \sum_{j \to i} \hat a_{ij} x_j + \alpha x^0_i, \quad
        \hat a = \hat D^{-1/2} (A + I) \hat D^{-1/2}

    Shapes: x (S, F) or ((S, F), (D, F)); x_0 (D, F); edge_weight (E,); result (D, F).

    Args:
        alpha: how much of x_0 is kept.
        self_loops: whether a node takes part in its own sum.
        normalize: whether the edges are normalised by degree.
    """

    def __init__(self, *, alpha: float = 0.0, self_loops: bool = True, normalize: bool = True) -> None:
        super().__init__("sum")
        self.alpha, self.self_loops, self.normalize = alpha, self_loops, normalize

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
        x_0: Tensor | None = None,
    ) -> Tensor:
        """(D, F); ``x_0`` None is the destinations' x; ``degree`` None takes the edges for the whole graph."""
        source, target = ends(x, edge_index.num_dst)
        matrix = adjacency(
            x, edge_index, edge_weight, edge_mask, degree, self_loops=self.self_loops, normalize=self.normalize
        )
        return teleported(matrix, source, target, target if x_0 is None else x_0[: edge_index.num_dst], self.alpha)


class APPNP(MultiHop):
    r"""The propagation of "Predict then Propagate: Graph Neural Networks meet Personalized PageRank"
    (Gasteiger et al., 2019); it has no weights.

    .. math::
        H^{(0)} = X, \quad H^{(k)} = (1 - \alpha) \hat D^{-1/2} \hat A \hat D^{-1/2} H^{(k-1)} + \alpha X, \quad
        \hat A = A + I

    Shapes: x (N, F); with one round ((S, F), (D, F)) too; edge_weight (E,); result (D, F).

    Args:
        hops: K.
        alpha: how much of x is kept in each round.
        dropout: of the edges, the loops among them, drawn anew in each round of training.
        self_loops: whether a node takes part in its own sum.
        normalize: whether the edges are normalised by degree, and loops added.
    """

    def __init__(
        self, *, hops: int, alpha: float, dropout: float = 0.0, self_loops: bool = True, normalize: bool = True
    ) -> None:
        super().__init__(hops, self_loops=self_loops, normalize=normalize)
        self.alpha, self.dropout = alpha, dropout

    def start(self, x: Tensor) -> State:
        """(H, X)."""
        return x, x

    def step(self, turn: int, source: State, target: State, matrix: Adjacency) -> State:
        """One round."""
        if self.training and self.dropout > 0:
            matrix = _thinned(matrix, self.dropout)
        return teleported(matrix, source[0], target[0], target[1], self.alpha), target[1]

    def finish(self, state: State) -> Tensor:
        """H."""
        return state[0]


def _thinned(matrix: Adjacency, share: float) -> Adjacency:
    row, own = matrix.edge_index.row, matrix.own
    weight = torch.ones(row.shape[0], device=row.device) if matrix.weight is None else matrix.weight
    return matrix._replace(weight=dropout(weight, share), own=None if own is None else dropout(own, share))
