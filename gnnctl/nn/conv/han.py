"""Heterogeneous graph attention network."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType
from gnnctl.nn.conv.initial import glorot_
from gnnctl.nn.dropout import dropout
from gnnctl.nn.lazy import linear
from gnnctl.nn.message_passing import Pair
from gnnctl.nn.ops import attention, spmm
from gnnctl.nn.typed import EdgeTypeLike, MetadataLike, metadata_of, module_name, typed_edges


class HANConv(nn.Module):
    r"""The layer of "Heterogeneous Graph Attention Network" (Wang et al., 2019).

    Attention over the neighbours of each edge type (there: metapath), with H heads on parts of the width,

    .. math::
        z^{(r)}_i = \mathrm{ReLU} \Bigl( \sum_{j \in N_r(i)} \mathrm{softmax}_{j \to i} \, \mathrm{LeakyReLU}
            (a_r^\top h_j + b_r^\top h_i) \, h_j \Bigr), \quad h_i = W_{\tau(i)} x_i + c_{\tau(i)},

    then over the edge types, with one weight for all nodes of a type:

    .. math::
        h'_i = \sum_r \beta_r z^{(r)}_i, \quad
        \beta_r = \mathrm{softmax}_r \, q^\top \, \mathrm{mean}_i \tanh (M z^{(r)}_i + m)

    The mean is over the destinations that are given: of a sampled batch, those of the batch.

    Shapes: x by node type (n, in) or ((S, in), (D, in)); result by node type (D, out), of those that edges lead to.

    Args:
        in_channels: width of x, or by node type; -1 is taken from the first call.
        out_channels: width of the result.
        metadata: node types and edge types, or a :class:`~gnnctl.graph.types.GraphSchema`.
        heads: H, a divisor of out_channels.
        negative_slope: of the leaky ReLU.
        dropout: of the coefficients over neighbours, in training.
        momentum: of a running average of the edge types' scores, which is used when not in training; None: scores are
            always those of the destinations that are given.

    Raises:
        ValueError: heads do not divide the width, or metadata is wrong.
    """

    def __init__(
        self,
        in_channels: int | Mapping[str, int],
        out_channels: int,
        metadata: MetadataLike,
        *,
        heads: int = 1,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        momentum: float | None = None,
    ) -> None:
        super().__init__()
        node_types, self.edge_types = metadata_of(metadata)
        if out_channels % heads:
            raise ValueError(f"heads {heads} does not divide out_channels {out_channels}")
        widths = dict.fromkeys(node_types, in_channels) if isinstance(in_channels, int) else in_channels
        self.heads, self.negative_slope, self.dropout = heads, negative_slope, dropout
        self.lins = nn.ModuleDict({module_name(t): linear(widths[t], out_channels) for t in node_types})
        self.momentum = momentum
        self.average: Tensor | None
        self.register_buffer("average", None if momentum is None else torch.zeros(len(self.edge_types)))
        shape = (len(self.edge_types), heads, out_channels // heads)
        self.att_src = nn.Parameter(torch.empty(shape))
        self.att_dst = nn.Parameter(torch.empty(shape))
        self.semantic = nn.Linear(out_channels, out_channels)
        self.query = nn.Parameter(torch.empty(1, out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot for the attention)."""
        for part in (*self.lins.values(), self.semantic):
            assert isinstance(part, nn.Linear)
            part.reset_parameters()
        for weight in (self.att_src, self.att_dst, self.query):
            glorot_(weight)

    def forward(
        self,
        x: Mapping[str, Pair],
        edge_index: Mapping[EdgeType, EdgeIndex] | Mapping[EdgeTypeLike, EdgeIndex | Tensor],
        edge_mask: Mapping[EdgeType, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """By node type (D, out_channels)."""
        hidden = {name: self._projected(name, rows) for name, rows in x.items() if module_name(name) in self.lins}
        edges = typed_edges(x, edge_index)
        found: dict[str, list[Tensor]] = {}
        numbers: dict[str, list[int]] = {}
        for number, t in enumerate(self.edge_types):
            if t not in edges:
                continue
            source, target = hidden[t.src][0], hidden[t.dst][1]
            score_src = (source * self.att_src[number]).sum(-1)
            score_dst = (target * self.att_dst[number]).sum(-1)
            alpha = attention(edges[t], score_src, score_dst, None, self.negative_slope)
            alpha = dropout(alpha, self.dropout, self.training)
            if edge_mask is not None and t in edge_mask:
                alpha = alpha * edge_mask[t][:, None]
            out = spmm(edges[t], source, alpha.to(source.dtype))
            found.setdefault(t.dst, []).append(out.flatten(1).relu())
            numbers.setdefault(t.dst, []).append(number)
        return {name: self._grouped(outs, numbers[name]) for name, outs in found.items()}

    def _projected(self, name: str, rows: Pair) -> tuple[Tensor, Tensor]:
        """(n, heads, width) of sources and of destinations, computed once where they are the same."""
        project = self.lins[module_name(name)]
        if isinstance(rows, tuple):
            source, target = (project(part).unflatten(1, (self.heads, self.att_src.shape[2])) for part in rows)
            return source, target
        hidden = project(rows).unflatten(1, (self.heads, self.att_src.shape[2]))
        return hidden, hidden

    def _grouped(self, outs: list[Tensor], numbers: list[int]) -> Tensor:
        """(D, out): the edge types' results, weighted by how much they say on average."""
        if len(outs) == 1:
            return outs[0]
        stacked = torch.stack(outs)
        # Without destinations the mean of nothing would be no number.
        mean = torch.tanh(self.semantic(stacked)).sum(1) / max(stacked.shape[1], 1)
        scores = (self.query * mean).sum(-1)
        if self.average is not None and self.momentum is not None:
            if self.training:
                moved = torch.lerp(self.average[numbers], scores.detach().to(self.average.dtype), self.momentum)
                self.average[numbers] = moved
            else:
                scores = self.average[numbers]
        beta = scores.softmax(0)
        return torch.einsum("r,rnf->nf", beta.to(stacked.dtype), stacked)
