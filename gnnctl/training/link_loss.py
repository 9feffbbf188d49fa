"""Losses of links: of scored positives with their negatives, and of the true end among candidates."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

PairLoss = Literal["bce", "margin", "softmax"]


def pair_loss(
    kind: PairLoss,
    positive: Tensor,
    negative: Tensor,
    negative_of: Tensor,
    *,
    margin: float = 1.0,
    adversarial: float = 0.0,
) -> Tensor:
    r"""Mean over the positives, a scalar.

    With s the score of a positive, t its negatives' and w their weights, which sum to 1:
    bce :math:`(-\log \sigma(s) - \sum w \log \sigma(-t)) / 2`, margin :math:`\sum w \max(0, m - s + t)`,
    softmax :math:`-\log (e^s / (e^s + \sum e^t))`. Weights are all the same, or in proportion to
    :math:`e^{\alpha t}` and taken as constants ("RotatE", Sun et al., 2019). A positive without negatives has none of
    their part.

    Args:
        positive: (n,) scores.
        negative: (m,) scores.
        negative_of: (m,) int64, the positive that each belongs to.
        margin: m, of ``margin``.
        adversarial: alpha; 0 weighs alike. Not for ``softmax``.
    """
    positive, negative, n = positive.float(), negative.float(), len(positive)
    if kind == "softmax":
        top = torch.maximum(positive, _most(negative, negative_of, n)).detach()
        others = _sum((negative - top[negative_of]).exp(), negative_of, n)
        return (torch.log((positive - top).exp() + others) + top - positive).mean()
    weight = _weights(negative.detach(), negative_of, n, adversarial)
    if kind == "margin":
        return _sum(weight * (margin - positive[negative_of] + negative).relu(), negative_of, n).mean()
    against = _sum(weight * functional.softplus(negative), negative_of, n)
    return (functional.softplus(-positive) + against).mean() / 2


def hardest(negative: Tensor, negative_of: Tensor, positives: int, share: float) -> Tensor:
    """(m,) bool: of each positive's negatives the share that scores highest, at least one."""
    order = torch.argsort(negative, descending=True, stable=True)
    order = order[torch.argsort(negative_of[order], stable=True)]
    count = torch.bincount(negative_of, minlength=positives)
    first = count.cumsum(0) - count
    owner = negative_of[order]
    place = torch.arange(len(order), device=order.device) - first[owner]
    kept = torch.zeros_like(negative, dtype=torch.bool)
    kept[order] = place < (count[owner] * share).ceil()
    return kept


def _weights(negative: Tensor, of: Tensor, n: int, adversarial: float) -> Tensor:
    if not adversarial:
        return 1 / torch.bincount(of, minlength=n).to(negative.dtype)[of]
    scaled = negative * adversarial
    raised = (scaled - _most(scaled, of, n)[of]).exp()
    return raised / _sum(raised, of, n)[of]


def _sum(values: Tensor, of: Tensor, n: int) -> Tensor:
    return values.new_zeros(n).index_add(0, of, values)


def _most(values: Tensor, of: Tensor, n: int) -> Tensor:
    lowest = torch.finfo(values.dtype).min
    return torch.full((n,), lowest, dtype=values.dtype, device=values.device).scatter_reduce(0, of, values, "amax")
