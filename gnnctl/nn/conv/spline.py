"""Continuous kernels of B-splines."""

import itertools

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.initial import glorot_
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import segment_reduce


class SplineConv(MessagePassing):
    r"""The layer of "SplineCNN: Fast Geometric Deep Learning with Continuous B-Spline Kernels" (Fey et al., 2018).

    .. math::
        h_i = \mathrm{mean}_{j \to i} \sum_p W_p^\top x_j \prod_d N^m_{p_d}(u^d_{ji}) + W_r x_i + b

    p runs over a grid of control points, and :math:`N^m` are B-splines of degree m. Each edge meets :math:`(m + 1)^d`
    control points; nodes are multiplied by all matrices once, and edges pick the products that they meet.

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_attr (E, dimensions) within [0, 1]; result (D, out).

    Args:
        in_channels: width of x, or (of sources, of destinations).
        out_channels: width of the result.
        dimensions: d, of the pseudo-coordinates.
        kernel_size: control points in each dimension, more than ``degree`` of them where splines are open.
        degree: m: 1, 2 or 3.
        closed: whether coordinates 0 and 1 are the same place, as of angles.
        root: whether the destination's own features take part.
        bias: whether there is a bias.

    Raises:
        ValueError: another degree, or too few control points.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        dimensions: int,
        kernel_size: int,
        degree: int = 1,
        closed: bool = False,
        root: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__("mean")
        if degree not in (1, 2, 3):
            raise ValueError(f"degree must be 1, 2 or 3, got {degree}")
        if kernel_size < (1 if closed else degree + 1):
            raise ValueError(f"kernel_size must be more than the degree {degree}, got {kernel_size}")
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.dimensions, self.kernel_size, self.degree, self.closed = dimensions, kernel_size, degree, closed
        self.out_channels = out_channels
        self.weight = nn.Parameter(torch.empty(kernel_size**dimensions, source, out_channels))
        self.root = Linear(target, out_channels, bias=False) if root else None
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        glorot_(self.weight)
        if self.root is not None:
            self.root.reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Pair, edge_index: EdgeIndex, edge_attr: Tensor, edge_mask: Tensor | None = None) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        points = self.weight.shape[0]
        products = torch.einsum("si,pio->spo", source, self.weight).reshape(-1, self.out_channels)
        basis, met = self._basis(edge_attr)
        if edge_mask is not None:
            basis = basis * edge_mask[:, None]
        rows = edge_index.row.long()[:, None] * points + met
        picked = products.index_select(0, rows.flatten()).view(*rows.shape, self.out_channels)
        out = segment_reduce(edge_index.colptr, (picked * basis[:, :, None]).sum(1), "mean")
        out = out if self.root is None else out + self.root(target)
        return out if self.bias is None else out + self.bias

    def _basis(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """(E, P) values of the splines that each edge meets, and (E, P) int64 their control points."""
        place = u * (self.kernel_size if self.closed else self.kernel_size - self.degree)
        # An open spline's last piece holds its end, 1, too.
        last = self.kernel_size - 1 if self.closed else self.kernel_size - self.degree - 1
        first = place.detach().floor().clamp(0, last)
        pieces = _PIECES[self.degree](place - first)
        index = first.long()
        values, points = [], []
        for offsets in itertools.product(range(self.degree + 1), repeat=self.dimensions):
            values.append(torch.stack([pieces[o][:, d] for d, o in enumerate(offsets)]).prod(0))
            at = [(index[:, d] + o) % self.kernel_size * self.kernel_size**d for d, o in enumerate(offsets)]
            points.append(torch.stack(at).sum(0))
        return torch.stack(values, 1), torch.stack(points, 1)


def _linear(f: Tensor) -> list[Tensor]:
    return [1 - f, f]


def _quadratic(f: Tensor) -> list[Tensor]:
    return [0.5 * (1 - f) ** 2, 0.5 + f * (1 - f), 0.5 * f**2]


def _cubic(f: Tensor) -> list[Tensor]:
    return [(1 - f) ** 3 / 6, (3 * f**3 - 6 * f**2 + 4) / 6, (-3 * f**3 + 3 * f**2 + 3 * f + 1) / 6, f**3 / 6]


# The pieces of uniform B-splines on one interval, of how far into it a place lies.
_PIECES = {1: _linear, 2: _quadratic, 3: _cubic}
