"""Labels that spread along edges, and predictions corrected and smoothed by them; nothing is learned."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import normalized, times

_MOST_SCALE = 1000.0  # beyond it an error has spread to next to nothing, and scaling it up would be noise


class LabelPropagation(nn.Module):
    r"""Label propagation, as in "Learning with Local and Global Consistency" (Zhou et al., 2004).

    .. math:: Y^{(t+1)} = \alpha D^{-1/2} A D^{-1/2} Y^{(t)} + (1 - \alpha) Y^{(0)}

    D are in-degrees, of weighted edges the sums of their weights. A node that no label reaches has a row of zeros.

    Args:
        hops: how many rounds.
        alpha: share of a round's result that comes from the neighbours, from 0 to 1.

    Raises:
        ValueError: fewer than 0 rounds, or alpha out of range.
    """

    def __init__(self, hops: int, alpha: float) -> None:
        super().__init__()
        if hops < 0 or not 0 <= alpha <= 1:
            raise ValueError(f"hops must be at least 0 and alpha from 0 to 1, got {hops} and {alpha}")
        self.hops, self.alpha = hops, alpha

    @torch.no_grad()
    def forward(
        self,
        y: Tensor,
        edge_index: EdgeIndex,
        labelled: Tensor | None = None,
        edge_weight: Tensor | None = None,
        *,
        after: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Spread labels, or any rows.

        Args:
            y: (N,) int64 classes, or (N, C) float.
            edge_index: edges among the N nodes.
            labelled: (N,) bool or (n,) int64: whose rows are known, all others start from zero; None: all.
            edge_weight: (E,) that the normalisation takes part in.
            after: applied to the result of each round; None clamps it to 0 and 1.

        Returns:
            (N, C) of y's dtype; float32 for classes, where C is the largest of the labelled classes and one.
        """
        y = rows_of(y, labelled)
        start = y
        if labelled is not None:
            start = torch.zeros_like(y)
            start[labelled] = y[labelled]
        matrix = normalized(edge_index, edge_weight, self_loops=False, dtype=y.dtype)
        out, kept = start, (1 - self.alpha) * start
        for _ in range(self.hops):
            out = self.alpha * times(matrix, out, out) + kept
            out = out.clamp(0, 1) if after is None else after(out)
        return out


class CorrectAndSmooth(nn.Module):
    r"""Post-processing of "Combining Label Propagation and Simple Models Out-performs Graph Neural Networks" (Huang et
    al., 2021).

    Errors of the training nodes, :math:`E_i = y_i - z_i`, spread to the others and are added to the predictions
    (correct); then the corrected predictions, those of training nodes replaced by their labels, spread (smooth).

    .. math::
        \hat E = \mathrm{propagate}_{\alpha_c}(E), \quad
        \hat z_i = z_i + \gamma_i \hat E_i, \quad
        \hat y = \mathrm{propagate}_{\alpha_s}(\hat z)

    Where ``scale`` is None, :math:`\gamma_i = \frac{1}{n} \sum_j \|E_j\|_1 / \|\hat E_i\|_1` over the n training nodes
    (1 where that is above 1000, or undefined) and errors stay within -1 and 1. Otherwise it is ``scale``, and the
    training nodes keep their own errors in every round.

    Args:
        correct_hops: rounds of the correction.
        correct_alpha: alpha of the correction.
        smooth_hops: rounds of the smoothing.
        smooth_alpha: alpha of the smoothing.
        scale: of the spread errors; None: each node's own.
    """

    def __init__(
        self,
        *,
        correct_hops: int = 50,
        correct_alpha: float = 0.9,
        smooth_hops: int = 50,
        smooth_alpha: float = 0.8,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.spread_errors = LabelPropagation(correct_hops, correct_alpha)
        self.spread_labels = LabelPropagation(smooth_hops, smooth_alpha)

    @torch.no_grad()
    def forward(
        self, z: Tensor, y: Tensor, labelled: Tensor, edge_index: EdgeIndex, edge_weight: Tensor | None = None
    ) -> Tensor:
        """Correct, then smooth.

        Args:
            z: (N, C) probabilities, as some model gives them.
            y: (n,) int64 classes of the labelled nodes, or (n, C) float.
            labelled: (n,) int64 nodes, or (N,) bool of which n hold.
            edge_index: edges among the N nodes.
            edge_weight: (E,).

        Returns:
            (N, C), from 0 to 1; rows need not sum to one.
        """
        corrected: Tensor = self.correct(z, y, labelled, edge_index, edge_weight)
        return self.smooth(corrected, y, labelled, edge_index, edge_weight)

    @torch.no_grad()
    def correct(
        self, z: Tensor, y: Tensor, labelled: Tensor, edge_index: EdgeIndex, edge_weight: Tensor | None = None
    ) -> Tensor:
        """The predictions with the spread errors of the labelled nodes added."""
        known = _one_hot_like(y, z)
        error = torch.zeros_like(z)
        error[labelled] = known - z[labelled]
        if self.scale is not None:

            def kept(values: Tensor) -> Tensor:
                values[labelled] = error[labelled]
                return values

            spread: Tensor = self.spread_errors(error, edge_index, None, edge_weight, after=kept)
            return z + self.scale * spread
        spread = self.spread_errors(error, edge_index, None, edge_weight, after=lambda values: values.clamp(-1, 1))
        scale: Tensor = error.abs().sum() / max(1, known.shape[0]) / spread.abs().sum(1, keepdim=True)
        return z + torch.where(scale <= _MOST_SCALE, scale, 1.0) * spread

    @torch.no_grad()
    def smooth(
        self, z: Tensor, y: Tensor, labelled: Tensor, edge_index: EdgeIndex, edge_weight: Tensor | None = None
    ) -> Tensor:
        """The predictions, those of the labelled nodes replaced by their labels, spread."""
        z = z.clone()
        z[labelled] = _one_hot_like(y, z)
        out: Tensor = self.spread_labels(z, edge_index, None, edge_weight)
        return out


def rows_of(y: Tensor, labelled: Tensor | None = None) -> Tensor:
    """(N, C) float32 with a one at each labelled node's class, of (N,) int64 classes; other values as they are."""
    if y.is_floating_point():
        return y
    known = y if labelled is None else y[labelled]
    classes = int(known.max()) + 1 if known.numel() else 0
    out = torch.zeros(y.shape[0], classes, device=y.device)
    rows = torch.arange(y.shape[0], device=y.device)
    rows = rows if labelled is None else rows[labelled]
    out[rows, known] = 1.0
    return out


def _one_hot_like(y: Tensor, z: Tensor) -> Tensor:
    return y.to(z.dtype) if y.is_floating_point() else nn.functional.one_hot(y, z.shape[1]).to(z.dtype)
