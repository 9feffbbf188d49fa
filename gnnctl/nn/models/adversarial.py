"""Graph autoencoders whose embeddings are held to a normal distribution by a discriminator."""

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from gnnctl.nn.models.autoencoder import GAE, VGAE


class ARGA(GAE):
    r"""The adversarially regularised autoencoder of "Adversarially Regularized Graph Autoencoder for Graph Embedding"
    (Pan et al., 2018).

    The discriminator D learns to tell embeddings from draws of a normal distribution, by
    :meth:`discriminator_loss`; the encoder learns to be taken for one, by :meth:`regularization_loss` beside the
    reconstruction. Each has an optimiser of its own.

    Args:
        encoder: gives (N, F).
        discriminator: gives logits (N, 1) of rows (N, F).
        decoder: as of :class:`~gnnctl.nn.models.autoencoder.GAE`.
    """

    def __init__(self, encoder: nn.Module, discriminator: nn.Module, decoder: nn.Module | None = None) -> None:
        super().__init__(encoder, decoder)
        self.discriminator = discriminator

    def regularization_loss(self, z: Tensor) -> Tensor:
        r""":math:`-\overline{\log \sigma(D(z_i))}`, for the encoder."""
        return -logsigmoid(self.discriminator(z)).mean()

    def discriminator_loss(self, z: Tensor) -> Tensor:
        r""":math:`-\overline{\log \sigma(D(r_i))} - \overline{\log(1 - \sigma(D(z_i)))}`, for the discriminator.

        r are as many rows from a standard normal distribution, drawn from torch's generator; no gradient reaches z.
        """
        real, fake = self.discriminator(torch.randn_like(z)), self.discriminator(z.detach())
        return -(logsigmoid(real).mean() + logsigmoid(-fake).mean())


class ARGVA(ARGA, VGAE):
    """The variational one of the same paper: :class:`ARGA` over the embeddings of a :class:`VGAE`.

    Args:
        encoder: gives the pair of mean and logarithm of the deviation, (N, F) each.
        discriminator: as of :class:`ARGA`.
        decoder: as of :class:`ARGA`.
    """
