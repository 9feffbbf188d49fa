"""Embeddings without labels: nodes that agree with a summary of their graph."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid


class Infomax(NamedTuple):
    """``real`` (N, F) embeddings, ``corrupted`` (M, F), ``summary`` (F,)."""

    real: Tensor
    corrupted: Tensor
    summary: Tensor


def shuffled(x: Tensor) -> Tensor:
    """The rows in another order, drawn from torch's generator: each node with the features of another."""
    return x.index_select(0, torch.randperm(x.shape[0], device=x.device))


def mean_summary(z: Tensor) -> Tensor:
    """(F,): the sigmoid of the mean of all rows."""
    return z.mean(0).sigmoid()


class DeepGraphInfomax(nn.Module):
    r"""The objective of "Deep Graph Infomax" (Veličković et al., 2019).

    .. math::
        D(z, s) = \sigma(z^\top W s), \quad
        L = -\overline{\log D(z_i, s)} - \overline{\log(1 - D(\tilde z_j, s))}

    with z of the graph, s its summary, and :math:`\tilde z` of the graph with corrupted features.

    Args:
        encoder: called with x and whatever else ``forward`` gets; returns (N, channels).
        channels: width of the embeddings.
        summary: of the embeddings of all nodes, (channels,).
        corruption: of x.
    """

    def __init__(
        self,
        encoder: nn.Module,
        channels: int,
        *,
        summary: Callable[[Tensor], Tensor] = mean_summary,
        corruption: Callable[[Tensor], Tensor] = shuffled,
    ) -> None:
        super().__init__()
        self.encoder, self.summary, self.corruption = encoder, summary, corruption
        self.weight = nn.Parameter(torch.empty(channels, channels))
        nn.init.uniform_(self.weight, -(channels**-0.5), channels**-0.5)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Infomax:
        """Embeddings, those of corrupted features, and the summary; args and kwargs go to the encoder."""
        real = self.encoder(x, *args, **kwargs)
        return Infomax(real, self.encoder(self.corruption(x), *args, **kwargs), self.summary(real))

    def discriminate(self, z: Tensor, summary: Tensor) -> Tensor:
        """(N,) logits: how well rows (N, channels) agree with a summary."""
        return z @ (self.weight @ summary)

    def loss(self, found: Infomax) -> Tensor:
        """L, of what ``forward`` gave."""
        real, corrupted = (self.discriminate(z, found.summary) for z in (found.real, found.corrupted))
        return -(logsigmoid(real).mean() + logsigmoid(-corrupted).mean())
