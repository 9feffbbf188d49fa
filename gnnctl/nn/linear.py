"""Dense layers on whichever kernels are faster: gnnctl's own or torch's."""

import torch
from torch import Tensor, nn

from gnnctl.nn import ops

# Multiply-adds from which the own kernels win in spite of what calling them costs (about 30 us forward, 130 us with the
# backward pass); and the least width of either side.
_LEAST_WORK, _LEAST_WIDTH = 1 << 22, 4
# Inside a compiled graph the number of rows must not decide, or every change of mind would compile anew.
_LEAST_WEIGHTS = 1 << 11


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """:func:`torch.nn.functional.linear`, on the kernels of :func:`gnnctl.nn.ops.linear` where those are faster.

    They are, up to twice and more, for float32 on the CPU unless there is little to do; results differ by rounding.

    Args:
        x: (..., K).
        weight: (M, K).
        bias: (M,), or None.

    Returns:
        (..., M).
    """
    if _own(x, weight):
        return ops.linear(x, weight, bias)
    return nn.functional.linear(x, weight, bias)


def per_head(x: Tensor, weight: Tensor) -> Tensor:
    """(N, H, M): each head of x (N, H, K) times its own matrix, of weight (H, K, M)."""
    if torch.compiler.is_exporting():  # what einsum transposes would bind a package to another number of rows than one
        return torch.stack([x[:, head] @ matrix for head, matrix in enumerate(weight)], 1)
    return torch.einsum("nhk,hkm->nhm", x, weight)


class Linear(nn.Linear):
    """:class:`torch.nn.Linear` by :func:`linear`: the same parameters, names and initial values."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., out_features)."""
        return linear(input, self.weight, self.bias)


def _own(x: Tensor, weight: Tensor) -> bool:
    if x.dtype != torch.float32 or weight.dtype != torch.float32 or x.device.type != "cpu" or x.dim() == 0:
        return False
    if torch.is_autocast_enabled("cpu") or min(weight.shape) < _LEAST_WIDTH:
        return False
    if torch.compiler.is_exporting():  # a package runs without gnnctl
        return False
    if torch.compiler.is_compiling():
        return weight.numel() >= _LEAST_WEIGHTS
    return x.shape[:-1].numel() * weight.numel() >= _LEAST_WORK
