"""The convolution of PointCNN."""

import torch
from torch import Tensor, nn

from gnnctl.nn.neighbors import nearest_k


class XConv(nn.Module):
    r"""The layer of "PointCNN: Convolution On X-Transformed Points" (Li et al., 2018).

    .. math:: h_i = \mathrm{Conv} \left( \mathcal{X}_i \times [\mathrm{MLP}(P_i), X_i] \right), \quad
        \mathcal{X}_i = \mathrm{MLP}'(P_i)

    P_i are the positions of the K points nearest to i, itself first, relative to it, and X_i their features. With a
    dilation d they are every d-th of the K * d nearest. Where a graph has fewer points, the point itself stands for
    those that are missing.

    Shapes: x (N, in) or None where in is 0; pos (N, dimensions); result (N, out).

    Args:
        in_channels: width of x; 0 for none.
        out_channels: width of the result.
        dimensions: of the space.
        kernel_size: K.
        hidden_channels: width of the first MLP, at least one; None: a quarter of ``in_channels``.
        dilation: d.
        bias: of the last linear layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        dimensions: int = 3,
        kernel_size: int,
        hidden_channels: int | None = None,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        hidden = in_channels // 4 if hidden_channels is None else hidden_channels
        if hidden < 1:
            raise ValueError(f"hidden_channels must be at least 1, got {hidden}")
        self.kernel_size, self.dilation = kernel_size, dilation
        self.lift = nn.Sequential(
            *(nn.Linear(dimensions, hidden), nn.ELU(), nn.BatchNorm1d(hidden)),
            *(nn.Linear(hidden, hidden), nn.ELU(), nn.BatchNorm1d(hidden)),
        )
        k, square = kernel_size, kernel_size * kernel_size
        self.transform = nn.Sequential(
            *(nn.Linear(dimensions * k, square), nn.ELU(), nn.BatchNorm1d(square), nn.Unflatten(1, (k, k))),
            *(_RowLinear(k, k, k), nn.ELU(), nn.BatchNorm1d(square), nn.Unflatten(1, (k, k))),
            *(_RowLinear(k, k, k), nn.BatchNorm1d(square), nn.Unflatten(1, (k, k))),
        )
        width = in_channels + hidden
        depth = -(-out_channels // width)
        self.conv = _RowLinear(width, k, depth)
        self.lin = nn.Linear(width * depth, out_channels, bias=bias)

    def forward(self, x: Tensor | None, pos: Tensor, ptr: Tensor | None = None) -> Tensor:
        """(N, out_channels); ``ptr`` (B + 1,) int64 where there are several graphs."""
        found = nearest_k(pos, pos, self.kernel_size * self.dilation, ptr, ptr)
        own = torch.arange(pos.shape[0], device=pos.device)[:, None]
        index = torch.where(found.distance.isfinite(), found.rows, own)[:, :: self.dilation]
        between = pos[index] - pos[:, None]
        rows = self.lift(between.flatten(0, 1)).view(-1, self.kernel_size, self.lift[0].out_features)
        if x is not None:
            rows = torch.cat([rows, x[index]], dim=-1)
        mixed = rows.transpose(1, 2) @ self.transform(between.flatten(1))
        out: Tensor = self.lin(self.conv(mixed))
        return out


class _RowLinear(nn.Module):
    """A linear map for each of R rows: (N, R, K) to (N, R * M). A grouped convolution of the whole width, in other
    words, whose choice of algorithm by batch size would compile anew."""

    def __init__(self, rows: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, out_channels, in_channels))
        self.bias = nn.Parameter(torch.empty(rows, out_channels))
        bound = in_channels**-0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return (torch.einsum("nrk,rmk->nrm", x, self.weight) + self.bias).flatten(1)
