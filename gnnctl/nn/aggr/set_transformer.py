"""Set Transformer and Graph Multiset Transformer: groups that attend to themselves."""

from typing import cast

from torch import Tensor, nn

from gnnctl.nn.aggr.attention_block import AttentionBlock, SeedPooling
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.buckets import by_buckets


class SetTransformerAggregation(Aggregation):
    """The readout of "Set Transformer" (Lee et al., 2019): rows attend to each other, then seeds to the rows.

    Dense, in buckets of groups of like sizes; see :mod:`gnnctl.nn.aggr.buckets` for what ``max_group`` does.

    Shapes: values (E, channels); result (D, num_seeds * channels), or (D, channels) where seeds are averaged.

    Args:
        channels: width of the rows.
        num_seeds: learned seeds, the rows of the pooled set.
        num_encoders: blocks in which rows attend to each other.
        num_decoders: blocks in which the pooled rows do.
        heads: of each attention.
        concat: pooled rows side by side, or their average.
        layer_norm: whether blocks normalise.
        dropout: of attention weights, in training.
        max_group: most rows of a group; needed to compile without a break.
    """

    def __init__(
        self,
        channels: int,
        num_seeds: int = 1,
        num_encoders: int = 1,
        num_decoders: int = 1,
        heads: int = 1,
        concat: bool = True,
        layer_norm: bool = False,
        dropout: float = 0.0,
        max_group: int | None = None,
    ) -> None:
        super().__init__()
        options = (heads, layer_norm, dropout)
        self.out_channels = channels * num_seeds if concat else channels
        self.concat, self.max_group = concat, max_group
        self.encoders = nn.ModuleList(AttentionBlock(channels, *options) for _ in range(num_encoders))
        self.pool = SeedPooling(channels, num_seeds, *options)
        self.decoders = nn.ModuleList(AttentionBlock(channels, *options) for _ in range(num_decoders))

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, channels(F)) of (E, F) rows."""
        return by_buckets(values, ptr, self._dense, self.out_channels, self.max_group)

    def _dense(self, x: Tensor, there: Tensor) -> Tensor:
        for block in self.encoders:
            x = block(x, x, there)
        x = self.pool(x, there)
        for block in self.decoders:
            x = block(x, x)
        return x.flatten(1) if self.concat else x.mean(1)

    def channels(self, in_channels: int) -> int:
        """The width of the pooled rows."""
        return self.out_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.pool.reset_parameters()
        for block in [*self.encoders, *self.decoders]:
            cast(AttentionBlock, block).reset_parameters()


class GraphMultisetTransformer(Aggregation):
    """The readout of "Accurate Learning of Graph Representations with Graph Multiset Pooling" (Baek et al., 2021).

    Attention to k seeds, attention among those, attention to one seed. Dense, in buckets of groups of like sizes; see
    :mod:`gnnctl.nn.aggr.buckets` for what ``max_group`` does.

    Shapes: values (E, channels); result (D, channels).

    Args:
        channels: width of the rows.
        k: representative rows of each group.
        num_encoders: blocks in which those attend to each other.
        heads: of each attention.
        layer_norm: whether blocks normalise.
        dropout: of attention weights, in training.
        max_group: most rows of a group; needed to compile without a break.
    """

    def __init__(
        self,
        channels: int,
        k: int,
        num_encoders: int = 1,
        heads: int = 1,
        layer_norm: bool = False,
        dropout: float = 0.0,
        max_group: int | None = None,
    ) -> None:
        super().__init__()
        options = (heads, layer_norm, dropout)
        self.out_channels, self.max_group = channels, max_group
        self.gather = SeedPooling(channels, k, *options)
        self.encoders = nn.ModuleList(AttentionBlock(channels, *options) for _ in range(num_encoders))
        self.pool = SeedPooling(channels, 1, *options)

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, channels) of (E, channels) rows."""
        return by_buckets(values, ptr, self._dense, self.out_channels, self.max_group)

    def _dense(self, x: Tensor, there: Tensor) -> Tensor:
        x = self.gather(x, there)
        for block in self.encoders:
            x = block(x, x)
        out: Tensor = self.pool(x).squeeze(1)
        return out

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.gather.reset_parameters()
        self.pool.reset_parameters()
        for block in self.encoders:
            cast(AttentionBlock, block).reset_parameters()
