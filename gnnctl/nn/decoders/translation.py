"""Decoders by distance: an edge type moves the source, and the score falls with the distance to the destination."""

import math

import torch
from torch import Tensor, nn

from gnnctl.nn.decoders.base import RelationDecoder
from gnnctl.nn.decoders.bilinear import conjugate, modulus, multiply


class TransE(RelationDecoder):
    r""":math:`\gamma - \| s + r - d \|_p` (Bordes et al., 2013).

    Args:
        margin: gamma, the score at distance 0.
        p: order of the norm, 1 or 2.

    Raises:
        ValueError: ``p`` is neither 1 nor 2.
    """

    def __init__(self, channels: int, relations: int, *, margin: float = 1.0, p: int = 1) -> None:
        if p not in (1, 2):
            raise ValueError(f"p must be 1 or 2, got {p}")
        super().__init__(channels, relations, channels)
        self.margin = margin
        self.p = p

    def forward(self, src: Tensor, dst: Tensor, relation: Tensor | None = None) -> Tensor:
        """(n,)."""
        length: Tensor = torch.linalg.vector_norm(src + self.rows(relation) - dst, ord=self.p, dim=-1)
        return self.margin - length

    def against_all(
        self, ends: Tensor, candidates: Tensor, relation: Tensor | None = None, *, candidate_is_src: bool = False
    ) -> Tensor:
        """(n, m)."""
        rows = self.rows(relation)
        return self.margin - distances(ends - rows if candidate_is_src else ends + rows, candidates, self.p)


class RotatE(RelationDecoder):
    r""":math:`\gamma - \| s \circ e^{i \theta_r} - d \|_2` over complex numbers (Sun et al., 2019).

    Embeddings are laid out as in :class:`~gnnctl.nn.decoders.bilinear.ComplEx`; ``relation.weight`` holds the angles
    (relations, channels / 2) in radians. The norm is the Euclidean one over all coordinates.

    Raises:
        ValueError: ``channels`` is odd.
    """

    def __init__(self, channels: int, relations: int, *, margin: float = 1.0) -> None:
        if channels % 2:
            raise ValueError(f"channels must be even (real and imaginary parts), got {channels}")
        super().__init__(channels, relations, channels // 2)
        self.margin = margin

    def reset_parameters(self) -> None:
        """Angles uniform over the circle."""
        nn.init.uniform_(self.relation.weight, 0, 2 * math.pi)

    def rotation(self, relation: Tensor | None) -> Tensor:
        """(n, channels): the unit complex numbers of the edge types."""
        angle = self.rows(relation)
        return torch.cat([angle.cos(), angle.sin()], -1)

    def forward(self, src: Tensor, dst: Tensor, relation: Tensor | None = None) -> Tensor:
        """(n,)."""
        length: Tensor = torch.linalg.vector_norm(multiply(src, self.rotation(relation)) - dst, dim=-1)
        return self.margin - length

    def against_all(
        self, ends: Tensor, candidates: Tensor, relation: Tensor | None = None, *, candidate_is_src: bool = False
    ) -> Tensor:
        """(n, m)."""
        turn = self.rotation(relation)
        # A rotation keeps distances, so the destination turned back is as far from the source.
        return self.margin - distances(multiply(ends, conjugate(turn) if candidate_is_src else turn), candidates, 2)

    def moduli(self, ends: Tensor) -> Tensor:
        """(n, channels / 2)."""
        return modulus(ends)

    def relation_moduli(self, relation: Tensor) -> Tensor | None:
        """None: all are 1."""
        return None

    def reset_ends(self, weight: Tensor) -> None:
        """Uniform; two random ends are about ``margin`` apart, so that scores begin near 0."""
        bound = self.margin * (1.5 / self.channels) ** 0.5
        nn.init.uniform_(weight, -bound, bound)


def distances(a: Tensor, b: Tensor, p: int) -> Tensor:
    """(n, m) p-distances; taken coordinate by coordinate, so that they depend on no other row."""
    return torch.cdist(a, b, p=float(p), compute_mode="donot_use_mm_for_euclid_dist")
