"""Attention among the rows of dense batches: the blocks of the Set Transformer."""

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head scaled dot-product attention; initialised as ``torch.nn.MultiheadAttention``.

    Args:
        channels: width of queries, keys and results; a multiple of ``heads``.
        heads: how many.
        dropout: of the attention weights, in training.

    Raises:
        ValueError: ``heads`` does not divide ``channels``.
    """

    def __init__(self, channels: int, heads: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ValueError(f"channels must be a multiple of heads, got {channels} and {heads}")
        self.heads, self.width, self.dropout = heads, channels // heads, dropout
        self.in_proj = nn.Linear(channels, 3 * channels)
        self.out_proj = nn.Linear(channels, channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew; biases start at zero."""
        nn.init.xavier_uniform_(self.in_proj.weight)
        self.out_proj.reset_parameters()
        nn.init.zeros_(self.in_proj.bias)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor, y: Tensor, y_there: Tensor | None = None) -> Tensor:
        """(B, L, C): of (B, L, C) queries, what they see in (B, M, C) rows.

        Args:
            y_there: (B, M) bool, which rows there are; where a batch has none, all are seen.
        """
        weights, biases = self.in_proj.weight.chunk(3), self.in_proj.bias.chunk(3)
        query, key, value = (
            nn.functional.linear(rows, weight, bias)
            .view(rows.shape[0], rows.shape[1], self.heads, self.width)
            .transpose(1, 2)
            for rows, weight, bias in zip((x, y, y), weights, biases, strict=True)
        )
        seen = None
        if y_there is not None:
            seen = (y_there | ~y_there.any(1, keepdim=True))[:, None, None, :]
        dropout = self.dropout if self.training else 0.0
        found = nn.functional.scaled_dot_product_attention(query, key, value, seen, dropout)
        out: Tensor = self.out_proj(found.transpose(1, 2).flatten(2))
        return out


class AttentionBlock(nn.Module):
    r"""The multihead attention block of "Set Transformer" (Lee et al., 2019).

    .. math:: h = \mathrm{Norm}(x + \mathrm{Attention}(x, y)), \quad \mathrm{Norm}(h + \mathrm{ReLU}(W h))

    Args:
        channels: width of x and y.
        heads: of the attention.
        layer_norm: whether Norm is a layer norm, or nothing.
        dropout: of the attention weights, in training.
    """

    def __init__(self, channels: int, heads: int = 1, layer_norm: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = Attention(channels, heads, dropout)
        self.lin = nn.Linear(channels, channels)
        self.norm1 = nn.LayerNorm(channels) if layer_norm else nn.Identity()
        self.norm2 = nn.LayerNorm(channels) if layer_norm else nn.Identity()

    def forward(self, x: Tensor, y: Tensor, y_there: Tensor | None = None) -> Tensor:
        """(B, L, C) of (B, L, C) and (B, M, C), of which ``y_there`` (B, M) says which are there."""
        hidden = self.norm1(x + self.attention(x, y, y_there))
        out: Tensor = self.norm2(hidden + self.lin(hidden).relu())
        return out

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.attention.reset_parameters()
        for module in (self.lin, self.norm1, self.norm2):
            if isinstance(module, nn.Linear | nn.LayerNorm):
                module.reset_parameters()


class SeedPooling(nn.Module):
    r"""Pooling by multihead attention of "Set Transformer": learned seeds look at the rows.

    .. math:: \mathrm{Block}(S, \mathrm{ReLU}(W x))

    Args:
        channels: width of the rows.
        seeds: how many rows there are in the result.
        heads, layer_norm, dropout: of the block.
    """

    def __init__(
        self, channels: int, seeds: int, heads: int = 1, layer_norm: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.lin = nn.Linear(channels, channels)
        self.seed = nn.Parameter(torch.empty(seeds, channels))
        self.block = AttentionBlock(channels, heads, layer_norm, dropout)
        nn.init.xavier_uniform_(self.seed)

    def forward(self, x: Tensor, there: Tensor | None = None) -> Tensor:
        """(B, seeds, C) of (B, L, C) rows, of which ``there`` (B, L) says which are there."""
        out: Tensor = self.block(self.seed.expand(x.shape[0], -1, -1), self.lin(x).relu(), there)
        return out

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.lin.reset_parameters()
        nn.init.xavier_uniform_(self.seed)
        self.block.reset_parameters()
