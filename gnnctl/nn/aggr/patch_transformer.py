"""Patches of rows that attend to each other."""

from collections.abc import Callable
from typing import cast, get_args

import torch
from torch import Tensor, nn

from gnnctl.nn.aggr.attention_block import AttentionBlock
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.buckets import by_buckets
from gnnctl.nn.ops import Reduce


class PatchTransformerAggregation(Aggregation):
    """Of "Simplifying Temporal Heterogeneous Network for Continuous-Time Link Prediction" (Li et al., 2023).

    Each ``patch_size`` rows in a row are projected to one, which is told its place, and those attend to each other and
    are reduced; the result depends on the order of the rows. The last patch of a group is filled up with zeros, and no
    other padding takes part. Dense, in buckets of groups of like sizes; see :mod:`gnnctl.nn.aggr.buckets` for what
    ``max_group`` does.

    Shapes: values (E, in_channels); result (D, out_channels).

    Args:
        in_channels: width of the rows.
        out_channels: width of the result.
        patch_size: rows of a patch.
        hidden: width of a patch; even.
        num_blocks: of attention.
        heads: of each attention.
        dropout: of attention weights, in training.
        reduce: how patches become one, in several ways side by side; var and std are biased.
        max_group: most rows of a group; needed to compile without a break.

    Raises:
        ValueError: an odd width, no patch, no or an unknown reduction.
    """

    frequency: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        patch_size: int,
        hidden: int,
        num_blocks: int = 1,
        heads: int = 1,
        dropout: float = 0.0,
        reduce: tuple[Reduce, ...] = ("mean",),
        max_group: int | None = None,
    ) -> None:
        super().__init__()
        if hidden % 2 or hidden < 2:
            raise ValueError(f"hidden must be even, got {hidden}")
        if patch_size < 1:
            raise ValueError(f"patch_size must be at least 1, got {patch_size}")
        if not reduce or any(name not in _OVER_PATCHES for name in reduce):
            raise ValueError(f"reduce must be among {', '.join(get_args(Reduce))}, got {reduce!r}")
        self.out_channels, self.patch_size, self.max_group = out_channels, patch_size, max_group
        self.reduces = reduce
        self.lin = nn.Linear(in_channels, hidden)
        self.patch = nn.Linear(patch_size * hidden, hidden)
        self.blocks = nn.ModuleList(AttentionBlock(hidden, heads, True, dropout) for _ in range(num_blocks))
        self.out = nn.Linear(hidden * len(reduce), out_channels)
        self.register_buffer("frequency", torch.logspace(0, 1, hidden // 2, 1e-4), persistent=False)

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, out_channels) of (E, in_channels) rows."""
        return by_buckets(self.lin(values), ptr, self._dense, self.out_channels, self.max_group)

    def _dense(self, x: Tensor, there: Tensor) -> Tensor:
        missing = -x.shape[1] % self.patch_size
        x, there = nn.functional.pad(x, (0, 0, 0, missing)), nn.functional.pad(there, (0, missing))
        patches = self.patch(x.view(x.shape[0], -1, self.patch_size * x.shape[2]))
        there = there[:, :: self.patch_size]
        angle = torch.arange(patches.shape[1], device=x.device)[:, None] * self.frequency
        patches = patches + torch.cat([angle.sin(), angle.cos()], dim=1).to(patches.dtype)
        for block in self.blocks:
            patches = block(patches, patches, there)
        out: Tensor = self.out(torch.cat([_OVER_PATCHES[r](patches, there[:, :, None]) for r in self.reduces], dim=1))
        return out

    def channels(self, in_channels: int) -> int:
        """The width of the result."""
        return self.out_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for linear in (self.lin, self.patch, self.out):
            linear.reset_parameters()
        for block in self.blocks:
            cast(AttentionBlock, block).reset_parameters()


def _mean(x: Tensor, there: Tensor) -> Tensor:
    return (x * there).sum(1) / there.sum(1).clamp(min=1)


def _var(x: Tensor, there: Tensor) -> Tensor:
    return _mean((x - _mean(x, there)[:, None]).square(), there)


def _extreme(x: Tensor, there: Tensor, sign: float) -> Tensor:
    # finite where a group has no patch at all, whose result is dropped
    return x.masked_fill(~there & there.any(1, keepdim=True), -sign * torch.inf)


# (B, P, C) patches, (B, P, 1) bool which there are -> (B, C)
_OVER_PATCHES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": lambda x, there: (x * there).sum(1),
    "mean": _mean,
    "max": lambda x, there: _extreme(x, there, 1).amax(1),
    "min": lambda x, there: _extreme(x, there, -1).amin(1),
    "var": _var,
    "std": lambda x, there: (_var(x, there) + 1e-12).sqrt(),
}
