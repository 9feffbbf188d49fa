"""Decoders that are linear in either end: dot product, DistMult, ComplEx."""

import torch
from torch import Tensor

from gnnctl.nn.decoders.base import Decoder, RelationDecoder


class Dot(Decoder):
    r""":math:`\langle s, d \rangle`; edge types are not told apart."""

    def forward(self, src: Tensor, dst: Tensor, relation: Tensor | None = None) -> Tensor:
        """(n,)."""
        return (src * dst).sum(-1)

    def against_all(
        self, ends: Tensor, candidates: Tensor, relation: Tensor | None = None, *, candidate_is_src: bool = False
    ) -> Tensor:
        """(n, m)."""
        return ends @ candidates.T


class DistMult(RelationDecoder):
    r""":math:`\sum_i s_i r_i d_i` (Yang et al., 2015). Symmetric: a link and its reverse score alike."""

    def __init__(self, channels: int, relations: int) -> None:
        super().__init__(channels, relations, channels)

    def forward(self, src: Tensor, dst: Tensor, relation: Tensor | None = None) -> Tensor:
        """(n,)."""
        return (src * self.rows(relation) * dst).sum(-1)

    def against_all(
        self, ends: Tensor, candidates: Tensor, relation: Tensor | None = None, *, candidate_is_src: bool = False
    ) -> Tensor:
        """(n, m)."""
        return (ends * self.rows(relation)) @ candidates.T


class ComplEx(RelationDecoder):
    r""":math:`\mathrm{Re} \sum_i s_i r_i \bar{d}_i` over complex numbers (Trouillon et al., 2016).

    The first half of a row holds the real parts, the second half the imaginary ones.

    Raises:
        ValueError: ``channels`` is odd.
    """

    def __init__(self, channels: int, relations: int) -> None:
        if channels % 2:
            raise ValueError(f"channels must be even (real and imaginary parts), got {channels}")
        super().__init__(channels, relations, channels)

    def forward(self, src: Tensor, dst: Tensor, relation: Tensor | None = None) -> Tensor:
        """(n,)."""
        return (multiply(src, self.rows(relation)) * dst).sum(-1)

    def against_all(
        self, ends: Tensor, candidates: Tensor, relation: Tensor | None = None, *, candidate_is_src: bool = False
    ) -> Tensor:
        """(n, m)."""
        rows = self.rows(relation)
        return multiply(ends, conjugate(rows) if candidate_is_src else rows) @ candidates.T

    def moduli(self, ends: Tensor) -> Tensor:
        """(n, channels / 2)."""
        return modulus(ends)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Products of complex numbers, real parts before imaginary parts along the last axis."""
    (a_re, a_im), (b_re, b_im) = a.chunk(2, -1), b.chunk(2, -1)
    return torch.cat([a_re * b_re - a_im * b_im, a_re * b_im + a_im * b_re], -1)


def conjugate(a: Tensor) -> Tensor:
    """The complex conjugates of numbers laid out as in :func:`multiply`."""
    real, imaginary = a.chunk(2, -1)
    return torch.cat([real, -imaginary], -1)


def modulus(a: Tensor) -> Tensor:
    """The absolute values of numbers laid out as in :func:`multiply`; gradient 0 at 0."""
    real, imaginary = a.chunk(2, -1)
    square = real * real + imaginary * imaginary
    return torch.where(square > 0, square, 1.0).sqrt() * (square > 0)
