"""Relational graph convolution."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.initial import glorot_
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, masked
from gnnctl.nn.ops import Reduce, spmm
from gnnctl.nn.relational import by_pairs, relation_pairs, stacked_edges

Form = Literal["auto", "loop", "stacked", "grouped"]

# Rows that the stacked form may multiply for each row that has edges; beyond, the grouped one is faster.
_STACKED_WASTE = 1.05
# Elements that the grouped form may hold at a time; with more, relations are taken one after the other.
_LIMIT = 1 << 29


class RGCNConv(MessagePassing):
    r"""The layer of "Modeling Relational Data with Graph Convolutional Networks" (Schlichtkrull et al., 2018).

    .. math:: h_i = \sum_r W_r \, \mathrm{aggr}_{j \in N_r(i)} \, w_{ji} x_j + W_0 \, x_i + b

    with :math:`W_r` free, or :math:`\sum_b a_{rb} V_b` (``num_bases``), or block-diagonal (``num_blocks``).

    One layer in three forms with the same numbers. *Grouped* aggregates into the pairs of a relation and a destination
    that has it, multiplies all of them in one product with a matrix for each relation, and adds up each destination's;
    it costs what the edges cost, whatever the number of relations. *Stacked* aggregates into one row of R parts for
    each destination, for one plain product: as fast where all destinations have all relations, in one pass less.
    *Loop* takes the relations one by one, for when the pairs fit into no memory (it is stacked in a compiled graph).

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_type (E,) integers; edge_weight (E,); result (D, out).

    Args:
        in_channels: width of the sources, or (of sources, of destinations).
        out_channels: width of the result.
        num_relations: R.
        num_bases: of the basis decomposition; None for none.
        num_blocks: of the block-diagonal decomposition; None for none.
        aggr: reduction within a relation; relations are summed.
        root: whether the destination's own features take part.
        bias: whether there is a bias.
        form: auto, loop, stacked or grouped.

    Raises:
        ValueError: both decompositions, widths that blocks do not divide, or an unknown form.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        num_relations: int,
        *,
        num_bases: int | None = None,
        num_blocks: int | None = None,
        aggr: Reduce = "mean",
        root: bool = True,
        bias: bool = True,
        form: Form = "auto",
    ) -> None:
        super().__init__(aggr)
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        if num_bases is not None and num_blocks is not None:
            raise ValueError("num_bases and num_blocks: choose one of the two decompositions")
        if num_blocks is not None and (source % num_blocks or out_channels % num_blocks):
            raise ValueError(f"num_blocks {num_blocks} divides not both in_channels {source} and {out_channels}")
        if form not in get_args(Form):
            raise ValueError(f"form must be one of {', '.join(get_args(Form))}, got {form!r}")
        self.in_channels, self.out_channels, self.num_relations = source, out_channels, num_relations
        self.num_blocks, self.reduce, self.form = num_blocks, aggr, form
        shape: tuple[int, ...] = (num_bases or num_relations, source, out_channels)
        if num_blocks is not None:
            shape = (num_relations, num_blocks, source // num_blocks, out_channels // num_blocks)
        self.weight = nn.Parameter(torch.empty(shape))
        self.comp = None if num_bases is None else nn.Parameter(torch.empty(num_relations, num_bases))
        self.root = nn.Linear(target, out_channels, bias=False) if root else None
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot, over the last two axes)."""
        for weight in (self.weight, self.comp, None if self.root is None else self.root.weight):
            if weight is not None:
                glorot_(weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_type: Tensor,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
    ) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        form = self._chosen(edge_index, edge_type) if self.form == "auto" else self.form
        weight = masked(edge_weight, edge_mask)
        if form == "grouped":
            out = self._grouped(source, edge_index, edge_type, weight)
        elif form == "stacked" or torch.compiler.is_compiling():  # how many edges a relation has must not decide
            out = self._stacked(source, edge_index, edge_type, weight)
        else:
            out = self._loop(source, edge_index, edge_type, weight)
        out = out if self.root is None else out + self.root(target)
        return out if self.bias is None else out + self.bias

    def _chosen(self, edge_index: EdgeIndex, edge_type: Tensor) -> Form:
        if torch.compiler.is_compiling():  # sizes must not decide: every change of mind would compile anew
            return "stacked" if self.num_relations == 1 else "grouped"
        full = relation_pairs(edge_index, edge_type, self.num_relations).into.num_dst
        if full * (self.in_channels + self.out_channels) > _LIMIT:
            return "loop"
        return "stacked" if edge_index.num_dst * self.num_relations <= _STACKED_WASTE * full else "grouped"

    def _matrices(self) -> Tensor:
        """(R, in, out), or (R, blocks, in / blocks, out / blocks)."""
        return self.weight if self.comp is None else torch.einsum("rb,bio->rio", self.comp, self.weight)

    def _grouped(self, x: Tensor, edge_index: EdgeIndex, edge_type: Tensor, weight: Tensor | None) -> Tensor:
        pairs = relation_pairs(edge_index, edge_type, self.num_relations)
        return by_pairs(pairs, x, self._matrices(), weight, self.reduce)

    def _stacked(self, x: Tensor, edge_index: EdgeIndex, edge_type: Tensor, weight: Tensor | None) -> Tensor:
        apart, order = stacked_edges(edge_index, edge_type, self.num_relations)
        h = spmm(apart, x, None if weight is None else weight[order], self.reduce)
        num_dst, matrices = edge_index.num_dst, self._matrices().to(h.dtype)
        if self.num_blocks is None:
            return h.view(num_dst, self.num_relations * self.in_channels) @ matrices.flatten(0, 1)
        parts = h.view(num_dst, self.num_relations, self.num_blocks, matrices.shape[2])
        return torch.einsum("drbi,rbio->dbo", parts, matrices).flatten(1)

    def _loop(self, x: Tensor, edge_index: EdgeIndex, edge_type: Tensor, weight: Tensor | None) -> Tensor:
        out = x.new_zeros(edge_index.num_dst, self.out_channels)
        matrices = self._matrices()
        for r in range(self.num_relations):
            chosen = (edge_type == r).nonzero().squeeze(1)
            if not chosen.shape[0]:
                continue
            before = torch.searchsorted(chosen, edge_index.colptr)
            edges = EdgeIndex(before, edge_index.row[chosen], edge_index.num_src, edge_index.num_dst, validate=False)
            h = spmm(edges, x, None if weight is None else weight[chosen], self.reduce)
            matrix = matrices[r].to(h.dtype)
            if self.num_blocks is None:
                out = torch.addmm(out, h, matrix)
            else:
                parts = h.view(edge_index.num_dst, self.num_blocks, matrix.shape[1])
                out = out + torch.einsum("dbi,bio->dbo", parts, matrix).flatten(1)
        return out
