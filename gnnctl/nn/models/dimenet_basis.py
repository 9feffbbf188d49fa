"""Bessel functions and spherical harmonics: what DimeNet expands distances and angles in."""

import math

import torch
from torch import Tensor, nn

_TERMS = 18  # of the power series, enough for orders up to 12 and arguments up to order + 2


class BesselBasis(nn.Module):
    r"""Distances in sines, :math:`u(d / c) \sin(f_n d / c)`, n = 1..N, with learned frequencies that begin at
    :math:`n \pi` and the envelope u of :func:`envelope`."""

    def __init__(self, num_radial: int, cutoff: float, exponent: int) -> None:
        super().__init__()
        self.cutoff, self.exponent = cutoff, exponent
        self.frequency = nn.Parameter(torch.arange(1, num_radial + 1) * torch.pi)

    def forward(self, length: Tensor) -> Tensor:
        """(E, N) of (E,)."""
        part = length[:, None] / self.cutoff
        return envelope(part, self.exponent) * torch.sin(self.frequency * part)


class SphericalBasis(nn.Module):
    r"""Distances and angles together, :math:`u(d / c) \, \nu_{ln} \, j_l(z_{ln} d / c) \, Y_l(\theta)`, l < L and
    n = 1..N: spherical Bessel functions with their zeros z at the cutoff, normalised by :math:`\nu`."""

    zeros: Tensor
    norm: Tensor
    prefactor: Tensor

    def __init__(self, num_spherical: int, num_radial: int, cutoff: float, exponent: int) -> None:
        super().__init__()
        if not 2 <= num_spherical <= 12:
            raise ValueError(f"num_spherical must be from 2 to 12, got {num_spherical}")
        self.num_spherical, self.cutoff, self.exponent = num_spherical, cutoff, exponent
        zeros = bessel_zeros(num_spherical, num_radial)
        above = torch.stack([_upwards(z, order + 1) for order, z in enumerate(zeros)])
        order = torch.arange(num_spherical, dtype=torch.float64)
        self.register_buffer("zeros", zeros.float(), persistent=False)
        self.register_buffer("norm", (2**0.5 / above.abs()).float(), persistent=False)
        self.register_buffer("prefactor", ((2 * order + 1) / (4 * torch.pi)).sqrt().float(), persistent=False)

    def radial(self, length: Tensor) -> Tensor:
        """(E, L, N) of (E,) distances."""
        part = length[:, None, None] / self.cutoff
        return envelope(part, self.exponent) * self.norm * spherical_bessel(part * self.zeros)

    def angular(self, cosine: Tensor) -> Tensor:
        """(T, L) of the cosines (T,) of the angles."""
        return torch.stack(legendre(cosine, self.num_spherical), dim=1) * self.prefactor


def envelope(part: Tensor, exponent: int) -> Tensor:
    """A factor for distances as parts of the cutoff: 1 / part, going smoothly to zero at one.

    "Directional Message Passing for Molecular Graphs" (Gasteiger et al., 2020), equation 8, over ``part``.
    """
    p = exponent + 1
    a, b, c = -(p + 1) * (p + 2) / 2, p * (p + 2), -p * (p + 1) / 2
    smooth = 1.0 / part + part ** (p - 1) * (a + part * (b + part * c))
    return torch.where(part < 1.0, smooth, torch.zeros_like(smooth))


def spherical_bessel(x: Tensor) -> Tensor:
    """Spherical Bessel functions of the first kind: of (..., L, N) arguments >= 0, row l by that of order l.

    By the recurrence upwards where it is stable, else by the power series.
    """
    count = x.shape[-2]
    order = torch.arange(count, dtype=x.dtype, device=x.device)[:, None]
    edge = (order + 2.0).expand_as(x)
    small, large = torch.minimum(x, edge), torch.maximum(x, edge)
    series, half = torch.ones_like(x), small.square() / 2.0
    for term in range(_TERMS, 0, -1):
        series = 1.0 - half * series / (term * (2.0 * (order + term) + 1.0))
    odd = torch.tensor([math.prod(range(1, 2 * i + 2, 2)) for i in range(count)], dtype=x.dtype, device=x.device)
    series = series * small**order / odd[:, None]
    before, now, rows = torch.cos(large) / large, torch.sin(large) / large, []
    for i in range(count):
        rows.append(now[..., 0, :])
        rest = large[..., i + 1 :, :]
        before, now = now[..., 1:, :], (2 * i + 1) / rest * now[..., 1:, :] - before[..., 1:, :]
    return torch.where(x < edge, series, torch.stack(rows, dim=-2))


def _upwards(x: Tensor, order: int) -> Tensor:
    """One function, above its first zeros."""
    before, now = torch.cos(x) / x, torch.sin(x) / x
    for i in range(order):
        before, now = now, (2 * i + 1) / x * now - before
    return now


def bessel_zeros(orders: int, count: int) -> Tensor:
    """(orders, count) float64: the first positive zeros of each spherical Bessel function, by bisection.

    Those of one order lie between those of the order below.
    """
    between = torch.arange(1, orders + count, dtype=torch.float64) * torch.pi
    zeros = [between[:count]]
    for order in range(1, orders):
        low, high = between[:-1], between[1:]
        falling = _upwards(low, order) > 0
        for _ in range(60):
            middle = (low + high) / 2
            left = (_upwards(middle, order) > 0) == falling
            low, high = torch.where(left, middle, low), torch.where(left, high, middle)
        between = (low + high) / 2
        zeros.append(between[:count])
    return torch.stack(zeros)


def legendre(x: Tensor, count: int) -> list[Tensor]:
    """The Legendre polynomials of degree 0, 1, ... at x."""
    values = [torch.ones_like(x), x]
    for i in range(2, count):
        values.append(((2 * i - 1) * x * values[-1] - (i - 1) * values[-2]) / i)
    return values[:count]
