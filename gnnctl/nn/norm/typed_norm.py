"""Normalisation of nodes of many types, each with statistics and weights of its own."""

from typing import Literal

import torch
from torch import Tensor, nn

from gnnctl.nn.norm.graphs import scaled, to_nodes
from gnnctl.nn.ops import segment_multi_reduce


class TypedNorm(nn.Module):
    r"""Batch or layer norm of each type by itself, all types in one call.

    Of each type the result is that of a :class:`~gnnctl.nn.norm.BatchNorm`, or of a
    :class:`~gnnctl.nn.norm.LayerNorm` in node mode, for its nodes alone.

    Shapes: x (N, in_channels); node_type (N,) int64, or ptr (T + 1,); result (N, in_channels).

    Args:
        kind: ``batch`` or ``layer``.
        in_channels: width of x.
        num_types: T.
        eps: added to the variance.
        momentum: of the running statistics of batch norms, share of a batch; a type without two nodes keeps its own.
        affine: whether there are scales and shifts, (T, in_channels).
        track_running_stats: of batch norms, whether running statistics are kept, and used in evaluation.

    Raises:
        ValueError: an unknown kind; at call, neither types nor bounds, or both.
    """

    running_mean: Tensor | None
    running_var: Tensor | None

    def __init__(
        self,
        kind: Literal["batch", "layer"],
        in_channels: int,
        num_types: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        if kind not in ("batch", "layer"):
            raise ValueError(f"kind must be batch or layer, got {kind!r}")
        self.kind, self.in_channels, self.num_types = kind, in_channels, num_types
        self.eps, self.momentum = eps, momentum
        shape = (num_types, in_channels)
        self.weight = nn.Parameter(torch.ones(shape)) if affine else None
        self.bias = nn.Parameter(torch.zeros(shape)) if affine else None
        tracked = kind == "batch" and track_running_stats
        self.register_buffer("running_mean", torch.zeros(shape) if tracked else None)
        self.register_buffer("running_var", torch.ones(shape) if tracked else None)

    def forward(self, x: Tensor, node_type: Tensor | None = None, ptr: Tensor | None = None) -> Tensor:
        """(N, in_channels).

        Args:
            x: (N, in_channels).
            node_type: (N,) int64 types in any order; or
            ptr: (T + 1,) int64, where nodes are sorted by type.
        """
        if (node_type is None) == (ptr is None):
            raise ValueError("give either node_type or ptr")
        if node_type is None:
            assert ptr is not None
            return self._sorted(x, ptr)
        sorted_type, order = node_type.sort(stable=True)
        bounds = torch.searchsorted(sorted_type, torch.arange(self.num_types + 1, device=x.device))
        return self._sorted(x.index_select(0, order), bounds).index_select(0, torch.argsort(order))

    def _sorted(self, x: Tensor, ptr: Tensor) -> Tensor:
        if self.kind == "layer":
            out = nn.functional.layer_norm(x, (self.in_channels,), eps=self.eps)
        else:
            mean, var = self._statistics(x, ptr)
            factor = (var + self.eps).rsqrt()
            out = (x - to_nodes(mean, ptr, x.shape[0])) * to_nodes(factor, ptr, x.shape[0])
        weight, bias = (None if p is None else to_nodes(p, ptr, x.shape[0]) for p in (self.weight, self.bias))
        return scaled(out, weight, bias)

    def _statistics(self, x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
        if self.running_mean is None or self.running_var is None:
            mean, var = segment_multi_reduce(ptr, x, ("mean", "var")).unbind(1)
            return mean, var
        if not self.training:
            return self.running_mean, self.running_var
        mean, var = segment_multi_reduce(ptr, x, ("mean", "var")).unbind(1)
        count = torch.diff(ptr)[:, None]
        several = count > 1  # else there is no variance
        mean, var = torch.where(several, mean, self.running_mean), torch.where(several, var, self.running_var)
        with torch.no_grad():
            unbiased = torch.where(several, var * (count / (count - 1).clamp(min=1)), var)
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        return mean, var

    def reset_parameters(self) -> None:
        """Back to ones and zeros, the running statistics too."""
        for ones in (self.weight, self.running_var):
            if ones is not None:
                nn.init.ones_(ones)
        for zeros in (self.bias, self.running_mean):
            if zeros is not None:
                nn.init.zeros_(zeros)
