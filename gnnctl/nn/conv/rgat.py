"""Relational graph attention."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.initial import glorot_
from gnnctl.nn.dropout import dropout
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import edge_softmax, segment_matmul, spmm
from gnnctl.nn.relational import relation_pairs, relation_rows

Mechanism = Literal["across-relation", "within-relation"]
Mode = Literal["additive-self-attention", "multiplicative-self-attention"]
Modifier = Literal["none", "additive", "scaled", "f-additive", "f-scaled"]


class RGATConv(MessagePassing):
    r"""The layer of "Relational Graph Attention Networks" (Busbridge et al., 2019).

    .. math::
        h_i = \sum_r \sum_{j \in N_r(i)} \alpha^{(r)}_{ji} W_r x_j + b, \quad
        \alpha^{(r)}_{ji} = \mathrm{softmax} \left( \mathrm{LeakyReLU}(Q W_r x_i + K W_r x_j + E e_{ji}) \right)

    The softmax is over all edges of a destination (``across-relation``) or over those of one relation
    (``within-relation``); in the multiplicative mode the parts are multiplied, without a LeakyReLU. A row is multiplied
    by a relation's matrix once, however many of its edges need it.

    ``modifier`` keeps the number of neighbours in the sum ("Improving Attention Mechanism in Graph Neural Networks via
    Cardinality Preservation", Zhang and Xie, 2020): ``additive`` adds :math:`w \odot W_r x_j` to each message,
    ``scaled`` multiplies the sum by a network of the degree, ``f-additive`` adds one to each coefficient, ``f-scaled``
    multiplies it by the degree.

    Shapes: x (S, in) or ((S, in), (D, in)); edge_type (E,) integers; edge_attr (E, edge_channels); result
    (D, heads * dim * out), or (D, dim * out) where heads are averaged.

    Args:
        in_channels: width of x.
        out_channels: width of each head.
        num_relations: R.
        num_bases: of the basis decomposition of W; None for none.
        num_blocks: of its block-diagonal decomposition; None for none.
        mechanism: over which edges the softmax is.
        mode: how scores are made.
        modifier: what keeps the number of neighbours.
        heads: of the attention.
        dim: coefficients of each head, in the multiplicative mode.
        concat: heads side by side, or their average.
        negative_slope: of the leaky ReLU.
        dropout: of the coefficients, in training.
        edge_channels: width of edge features that take part; 0 for none.
        bias: whether there is a bias.

    Raises:
        ValueError: options that do not fit each other.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_relations: int,
        *,
        num_bases: int | None = None,
        num_blocks: int | None = None,
        mechanism: Mechanism = "across-relation",
        mode: Mode = "additive-self-attention",
        modifier: Modifier = "none",
        heads: int = 1,
        dim: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        edge_channels: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__("sum")
        for name, value, kind in (
            ("mechanism", mechanism, Mechanism),
            ("mode", mode, Mode),
            ("modifier", modifier, Modifier),
        ):
            if value not in get_args(kind):
                raise ValueError(f"{name} must be one of {', '.join(get_args(kind))}, got {value!r}")
        width = heads * out_channels
        if num_bases is not None and num_blocks is not None:
            raise ValueError("num_bases and num_blocks: choose one of the two decompositions")
        if num_blocks is not None and (in_channels % num_blocks or width % num_blocks):
            raise ValueError(f"num_blocks {num_blocks} divides not both in_channels {in_channels} and {width}")
        if dim > 1 and mode == "additive-self-attention":
            raise ValueError(f"dim {dim} needs the multiplicative mode")
        if dropout and modifier != "none":
            raise ValueError(f"dropout {dropout} and modifier {modifier!r} exclude each other")
        self.num_relations, self.num_blocks = num_relations, num_blocks
        self.heads, self.dim, self.out_channels, self.concat = heads, dim, out_channels, concat
        self.within, self.additive = mechanism == "within-relation", mode == "additive-self-attention"
        self.modifier, self.negative_slope, self.dropout = modifier, negative_slope, dropout
        shape: tuple[int, ...] = (num_bases or num_relations, in_channels, width)
        if num_blocks is not None:
            shape = (num_relations, num_blocks, in_channels // num_blocks, width // num_blocks)
        self.weight = nn.Parameter(torch.empty(shape))
        self.comp = None if num_bases is None else nn.Parameter(torch.empty(num_relations, num_bases))
        self.q = nn.Parameter(torch.empty(width, heads * dim))
        self.k = nn.Parameter(torch.empty(width, heads * dim))
        self.edge_lin = nn.Linear(edge_channels, width, bias=False) if edge_channels else None
        self.e = nn.Parameter(torch.empty(width, heads * dim)) if edge_channels else None
        self.w = nn.Parameter(torch.empty(out_channels)) if modifier == "additive" else None
        self.degree_in = nn.Linear(1, out_channels) if modifier == "scaled" else None
        self.degree_out = nn.Linear(out_channels, out_channels) if modifier == "scaled" else None
        parts = dim * heads if concat else dim
        self.bias = nn.Parameter(torch.empty(parts * out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot); the network of the degree starts as an average."""
        linear = None if self.edge_lin is None else self.edge_lin.weight
        for weight in (self.weight, self.comp, self.q, self.k, self.e, linear):
            if weight is not None:
                glorot_(weight)
        if self.w is not None:
            nn.init.ones_(self.w)
        if self.degree_in is not None and self.degree_out is not None:
            nn.init.ones_(self.degree_in.weight)
            nn.init.constant_(self.degree_out.weight, 1 / self.out_channels)
            nn.init.zeros_(self.degree_in.bias)
            nn.init.zeros_(self.degree_out.bias)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_type: Tensor,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """(D, heads * dim * out_channels), or (D, dim * out_channels). Edge weights scale the messages."""
        source, target = ends(x, edge_index.num_dst)
        matrices = self._matrices()
        of_src = relation_rows(edge_index.row, edge_type, self.num_relations, edge_index.num_src)
        of_dst = relation_rows(edge_index.col(), edge_type, self.num_relations, edge_index.num_dst)
        hidden = segment_matmul(source[of_src.rows], of_src.ptr, matrices)
        score_src = (hidden @ self.k)[of_src.place]
        score_dst = segment_matmul(target[of_dst.rows], of_dst.ptr, matrices @ self.q)[of_dst.place]
        scores = score_dst + score_src if self.additive else score_dst * score_src
        if edge_attr is not None and self.edge_lin is not None and self.e is not None:
            of_edge = self.edge_lin(edge_attr) @ self.e
            scores = scores + of_edge if self.additive else scores * of_edge
        if self.additive:
            scores = nn.functional.leaky_relu(scores, self.negative_slope)
        alpha = self._softmax(edge_index, edge_type, scores)
        degree = edge_index.in_degree().to(alpha.dtype)
        if self.modifier == "f-additive":
            alpha = torch.where(alpha > 0, alpha + 1, alpha)
        elif self.modifier == "f-scaled":
            alpha = alpha * degree[edge_index.col()][:, None]
        alpha = dropout(alpha, self.dropout, self.training)
        edges = EdgeIndex(edge_index.colptr, of_src.place, hidden.shape[0], edge_index.num_dst, validate=False)
        rows = hidden.view(-1, self.heads, 1, self.out_channels).expand(-1, -1, self.dim, -1).flatten(1, 2)
        out = self._sum(edges, rows, alpha, edge_weight, edge_mask)
        if self.w is not None:
            out = out + self.w * self._sum(edges, rows, torch.ones_like(alpha), edge_weight, edge_mask)
        if self.degree_in is not None and self.degree_out is not None:
            factor = self.degree_out(torch.relu(self.degree_in(degree[:, None])))
            out = out * factor[:, None]
        out = (
            out.flatten(1)
            if self.concat
            else out.view(out.shape[0], self.heads, self.dim, self.out_channels).mean(1).flatten(1)
        )
        return out if self.bias is None else out + self.bias

    def _matrices(self) -> Tensor:
        """(R, in, heads * out)."""
        if self.comp is not None:
            return torch.einsum("rb,bio->rio", self.comp, self.weight)
        if self.num_blocks is None:
            return self.weight
        blocks, (rows, columns) = self.num_blocks, self.weight.shape[2:]
        return torch.einsum("rbic,bd->rbidc", self.weight, torch.eye(blocks).to(self.weight)).reshape(
            self.num_relations, blocks * rows, blocks * columns
        )

    def _softmax(self, edge_index: EdgeIndex, edge_type: Tensor, scores: Tensor) -> Tensor:
        if not self.within:
            return edge_softmax(edge_index, scores)
        pairs = relation_pairs(edge_index, edge_type, self.num_relations)
        assert pairs.order is not None
        alpha = edge_softmax(pairs.into, scores[pairs.order])
        return torch.empty_like(alpha).index_copy(0, pairs.order, alpha)

    def _sum(
        self, edges: EdgeIndex, rows: Tensor, alpha: Tensor, edge_weight: Tensor | None, edge_mask: Tensor | None
    ) -> Tensor:
        for factor in (edge_weight, edge_mask):
            alpha = alpha if factor is None else alpha * factor[:, None]
        return spmm(edges, rows, alpha.to(rows.dtype))
