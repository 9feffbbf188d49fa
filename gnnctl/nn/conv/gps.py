"""Message passing beside attention over whole graphs."""

from typing import Any

from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.dense import from_dense_batch, to_dense_batch
from gnnctl.nn.dropout import Dropout
from gnnctl.nn.linear import Linear, linear
from gnnctl.nn.message_passing import MessagePassing


class GPSConv(MessagePassing):
    r"""The layer of "Recipe for a General, Powerful, Scalable Graph Transformer" (Rampasek et al., 2022).

    .. math::
        a = \mathrm{BN}(x + \mathrm{conv}(x)), \quad b = \mathrm{BN}(x + \mathrm{attention}(x)), \quad
        h = \mathrm{BN}(a + b + \mathrm{MLP}(a + b))

    Each node attends to all nodes of its graph, so that a sampled part of a graph does not do.

    Shapes: x (N, channels); ptr (B + 1,) int64, contiguous graphs, or None for one; result (N, channels).

    Args:
        channels: width of x and of the result.
        conv: the local layer, from channels to channels; None for attention alone.
        heads: of the attention.
        dropout: of the local layer's, the attention's and the MLP's results, in training.
        attention_dropout: of the attention coefficients, in training.
        activation: within the MLP; None: ReLU.
        norm: whether batch normalisation follows each part.

    Raises:
        ValueError: destinations are other nodes than sources.
    """

    def __init__(
        self,
        channels: int,
        conv: MessagePassing | None,
        *,
        heads: int = 1,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        activation: nn.Module | None = None,
        norm: bool = True,
    ) -> None:
        super().__init__("sum")
        self.conv = conv
        self.inputs = frozenset({"ptr", "max_nodes"}) | (frozenset() if conv is None else conv.inputs)
        self.attn = nn.MultiheadAttention(channels, heads, dropout=attention_dropout, batch_first=True)
        self.dropout = Dropout(dropout)
        self.mlp = nn.Sequential(
            Linear(channels, 2 * channels),
            nn.ReLU() if activation is None else activation,
            Dropout(dropout),
            Linear(2 * channels, channels),
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) if norm else nn.Identity() for _ in range(3))

    def forward(
        self,
        x: Tensor,
        edge_index: EdgeIndex,
        ptr: Tensor | None = None,
        max_nodes: int | None = None,
        **values: Any,
    ) -> Tensor:
        """(N, channels).

        Args:
            x: (N, channels).
            edge_index: E edges between N nodes.
            ptr: (B + 1,) int64; None: all nodes are one graph's.
            max_nodes: of the largest graph; needed in a compiled graph where there is ``ptr``.
            values: of edges, by the names that the local layer takes.
        """
        if edge_index.num_src != edge_index.num_dst:
            raise ValueError(
                "edge_index: attention over whole graphs needs sources and destinations to be the same nodes"
            )
        local = 0
        if self.conv is not None:
            local = self.norms[0](self.dropout(self.conv(x, edge_index, **values)) + x)
        rows = x if x.shape[0] == 0 else self._attend(x, ptr, max_nodes)
        out = local + self.norms[1](self.dropout(rows) + x)
        result: Tensor = self.norms[2](out + self.dropout(self.mlp(out)))
        return result

    def _attend(self, x: Tensor, ptr: Tensor | None, max_nodes: int | None) -> Tensor:
        dense, mask = to_dense_batch(x, ptr, max_nodes)
        attn = self.attn
        joint = linear(dense, attn.in_proj_weight, attn.in_proj_bias)
        joint = joint.view(*dense.shape[:2], 3, attn.num_heads, attn.head_dim)
        query, key, value = joint.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, n, width)
        attended = nn.functional.scaled_dot_product_attention(
            query,
            key,
            value,
            None if ptr is None else mask[:, None, None],
            dropout_p=attn.dropout if self.training else 0.0,
        )
        rows = from_dense_batch(attended.transpose(1, 2).flatten(2), ptr, x.shape[0])
        return linear(rows, attn.out_proj.weight, attn.out_proj.bias)
