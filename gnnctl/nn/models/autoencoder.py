"""Graph autoencoders: embeddings from which edges can be told."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

_MOST_LOG_STD = 10.0


class InnerProductDecoder(nn.Module):
    """Whether there is an edge, by the inner product of its ends: a logit."""

    def forward(self, z: Tensor, pairs: Tensor) -> Tensor:
        """(P,) logits of pairs (2, P) of the rows of z (N, F)."""
        return (z.index_select(0, pairs[0]) * z.index_select(0, pairs[1])).sum(-1)

    def forward_all(self, z: Tensor) -> Tensor:
        """(N, N) logits of all pairs."""
        return z @ z.t()


class GAE(nn.Module):
    r"""The graph autoencoder of "Variational Graph Auto-Encoders" (Kipf and Welling, 2016).

    .. math:: Z = \mathrm{encoder}(X, A), \quad \hat A = \sigma(Z Z^\top)

    Args:
        encoder: gives (N, F).
        decoder: called with z and pairs (2, P), gives (P,) logits; None: :class:`InnerProductDecoder`.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = InnerProductDecoder() if decoder is None else decoder

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """(N, F) embeddings; what is given goes to the encoder."""
        out: Tensor = self.encoder(*args, **kwargs)
        return out

    def reconstruction_loss(self, z: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Mean binary cross entropy of edges (2, P), plus that of pairs (2, M) that are none.

        :mod:`gnnctl.sampling.negatives` draws such pairs.
        """
        return -(logsigmoid(self.decoder(z, positive)).mean() + logsigmoid(-self.decoder(z, negative)).mean())


class VGAE(GAE):
    r"""The variational graph autoencoder of "Variational Graph Auto-Encoders" (Kipf and Welling, 2016).

    .. math:: z_i \sim \mathcal N(\mu_i, \sigma_i^2) \text{ in training, } z_i = \mu_i \text{ else}

    Args:
        encoder: gives the pair :math:`\mu` and :math:`\log \sigma`, (N, F) each; the latter is cut off at 10.
        decoder: as of :class:`GAE`.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """(N, F) embeddings, drawn from torch's generator in training."""
        return self.draw(*self.distribution(*args, **kwargs))

    def distribution(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """The mean and the logarithm of the deviation, (N, F) each."""
        mean, log_std = self.encoder(*args, **kwargs)
        return mean, log_std.clamp(max=_MOST_LOG_STD)

    def draw(self, mean: Tensor, log_std: Tensor) -> Tensor:
        """(N, F): drawn in training, else the mean."""
        return mean + torch.randn_like(log_std) * log_std.exp() if self.training else mean

    @staticmethod
    def divergence(mean: Tensor, log_std: Tensor) -> Tensor:
        r"""Kullback-Leibler divergence from the standard normal distribution, the mean over nodes.

        .. math:: \frac{1}{N} \sum_i \sum_f \frac{1}{2} (\mu_{if}^2 + \sigma_{if}^2 - 1) - \log \sigma_{if}

        The paper adds it to the loss times 1 / N.
        """
        return 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(1).mean()
