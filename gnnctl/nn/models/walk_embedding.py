"""What embeddings learned from random walks share: windows along walks, and the loss over them."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from gnnctl.sampling.walks import DEAD_END


def windows(walks: Tensor, context: int) -> Tensor:
    """(W * (L + 2 - context), context): every run of ``context`` nodes of W walks of L steps.

    Raises:
        ValueError: a context of fewer than two nodes, or more than a walk has.
    """
    if not 2 <= context <= walks.shape[1]:
        raise ValueError(f"context must be from 2 to the {walks.shape[1]} nodes of a walk, got {context}")
    return walks.unfold(1, context, 1).transpose(0, 1).reshape(-1, context)


def skip_gram_loss(weight: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Negative sampling of "Distributed Representations of Words and Phrases" (Mikolov et al., 2013).

    .. math:: -\overline{\log \sigma(z_s \cdot z_u)} - \overline{\log \sigma(-z_s \cdot z_v)}

    over the pairs of a window's first node s and each other: u of positive windows, v of negative ones.

    Args:
        weight: (N, F) embeddings z.
        positive: (P, context) int64 rows of them; -1 stands for a walk that had ended, and its pairs are left out.
        negative: (M, context) likewise.

    Returns:
        A number; a mean over no pair is zero.
    """
    return -(_mean_log_likelihood(weight, positive, 1.0) + _mean_log_likelihood(weight, negative, -1.0))


def _mean_log_likelihood(weight: Tensor, found: Tensor, sign: float) -> Tensor:
    rows = torch.nn.functional.embedding(found.clamp(min=0), weight)
    score = (rows[:, :1] * rows[:, 1:]).sum(-1)
    there = (found[:, 1:] != DEAD_END) & (found[:, :1] != DEAD_END)
    return (logsigmoid(sign * score) * there).sum() / there.sum().clamp(min=1)
