"""Heterogeneous graph transformer."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType
from gnnctl.nn.conv.initial import glorot_
from gnnctl.nn.lazy import linear
from gnnctl.nn.linear import per_head
from gnnctl.nn.message_passing import Pair
from gnnctl.nn.ops import gather_dst, sddmm, segment_logsumexp, spmm
from gnnctl.nn.typed import EdgeTypeLike, MetadataLike, metadata_of, module_name, target_of, typed_edges

_NOTHING = -1e30  # a score that leaves no trace beside any other, yet is a number


class HGTConv(nn.Module):
    r"""The layer of "Heterogeneous Graph Transformer" (Hu et al., 2020), with H heads of width d on parts of the width.

    .. math::
        \alpha_{ji} = \mathrm{softmax}_{j \to i} \, \frac{\mu_r}{\sqrt d} \, q_i^\top A_r^\top k_j, \quad
        h_i = s \, O_{\tau(i)} \, \mathrm{GELU} \Bigl( \sum_{j \to i} \alpha_{ji} M_r v_j \Bigr) + (1 - s) x_i

    with k, q, v linear in x by node type, and the softmax over the edges of all types that lead to i. The second
    addend, weighted by a learned gate of the node type, is there where the widths agree.

    The relations' matrices are applied at the destinations, before and after the neighbours: for each node type one
    product for all relations, and keys and values exist once, not once for each relation.

    Shapes: x by node type (n, in) or ((S, in), (D, in)); result by node type (D, out), of those
    that edge types lead to.

    Args:
        in_channels: width of x, or by node type; -1 is taken from the first call.
        out_channels: width of the result.
        metadata: node types and edge types, or a :class:`~gnnctl.graph.types.GraphSchema`.
        heads: H, a divisor of out_channels.

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
    ) -> None:
        super().__init__()
        self.node_types, self.edge_types = metadata_of(metadata)
        if out_channels % heads:
            raise ValueError(f"heads {heads} does not divide out_channels {out_channels}")
        widths = dict.fromkeys(self.node_types, in_channels) if isinstance(in_channels, int) else in_channels
        self.heads, self.dim = heads, out_channels // heads
        self.numbers = {t: number for number, t in enumerate(self.edge_types)}
        targets = {t.dst for t in self.edge_types}
        names = [(name, module_name(name)) for name in self.node_types]
        self.keys = nn.ModuleDict({key: linear(widths[name], 2 * out_channels) for name, key in names})
        self.queries = nn.ModuleDict(
            {key: linear(widths[name], out_channels) for name, key in names if name in targets}
        )
        self.outputs = nn.ModuleDict(
            {key: nn.Linear(out_channels, out_channels) for name, key in names if name in targets}
        )
        self.gates = nn.ParameterDict({key: nn.Parameter(torch.ones(1)) for name, key in names if name in targets})
        shape = (len(self.edge_types), heads, self.dim, self.dim)
        self.key_relation = nn.Parameter(torch.empty(shape))
        self.value_relation = nn.Parameter(torch.empty(shape))
        self.prior = nn.Parameter(torch.ones(len(self.edge_types), heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew; gates and priors start at one."""
        for part in (*self.keys.values(), *self.queries.values(), *self.outputs.values()):
            assert isinstance(part, nn.Linear)
            part.reset_parameters()
        glorot_(self.key_relation)
        glorot_(self.value_relation)
        for ones in (self.prior, *self.gates.values()):
            nn.init.ones_(ones)

    def forward(
        self,
        x: Mapping[str, Pair],
        edge_index: Mapping[EdgeType, EdgeIndex] | Mapping[EdgeTypeLike, EdgeIndex | Tensor],
        edge_mask: Mapping[EdgeType, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """By node type (D, out_channels); a mask multiplies the messages of an edge type's edges."""
        edges = typed_edges(x, edge_index)
        into: dict[str, list[EdgeType]] = {}
        for t in self.edge_types:
            if t in edges:
                into.setdefault(t.dst, []).append(t)
        sources = dict.fromkeys(t.src for types in into.values() for t in types)
        keys, values = {}, {}
        for name in sources:
            rows = x[name][0] if isinstance(x[name], tuple) else x[name]
            both = self._heads(self.keys[module_name(name)](rows), 2).unbind(1)
            # Copies either way, but asking what is contiguous already would fix a compiled graph to not one row.
            keys[name], values[name] = (part.clone(memory_format=torch.contiguous_format) for part in both)
        return {
            name: self._attended(name, target_of(x, name), {t: edges[t] for t in types}, keys, values, edge_mask or {})
            for name, types in into.items()
        }

    def _heads(self, rows: Tensor, parts: int) -> Tensor:
        return rows.view(rows.shape[0], parts, self.heads, self.dim)

    def _attended(
        self,
        name: str,
        target: Tensor,
        edges: Mapping[EdgeType, EdgeIndex],
        keys: Mapping[str, Tensor],
        values: Mapping[str, Tensor],
        edge_mask: Mapping[EdgeType, Tensor],
    ) -> Tensor:
        """(D, out) of one node type."""
        own = [self.numbers[t] for t in edges]
        query = self._heads(self.queries[module_name(name)](target), 1).squeeze(1)
        scale = self.prior[own] / self.dim**0.5
        asking = (self.key_relation[own] * scale[:, :, None, None]).permute(1, 3, 0, 2).flatten(2)  # (H, E, R * D)
        asked = per_head(query, asking).reshape(target.shape[0], self.heads, len(own), self.dim).permute(2, 0, 1, 3)
        scores, totals = [], []
        for number, (t, index) in enumerate(edges.items()):
            scores.append(sddmm(index, asked[number], keys[t.src]))
            totals.append(segment_logsumexp(index.colptr, scores[-1]).clamp(min=_NOTHING))
        # Over all edge types, without ever bringing their edges together.
        total = totals[0] if len(totals) == 1 else torch.logsumexp(torch.stack(totals), 0)
        sums = []
        for (t, index), score in zip(edges.items(), scores, strict=True):
            alpha = (score - gather_dst(index, total)).exp()
            if t in edge_mask:
                alpha = alpha * edge_mask[t][:, None]
            sums.append(spmm(index, values[t.src], alpha.to(target.dtype)))
        mixed = self.value_relation[own].transpose(0, 1).flatten(1, 2)  # (H, R * D, E)
        out = per_head(torch.cat(sums, 2), mixed).flatten(1)
        result: Tensor = self.outputs[module_name(name)](nn.functional.gelu(out))
        if result.shape[-1] != target.shape[-1]:
            return result
        gate = self.gates[module_name(name)].sigmoid()
        gated: Tensor = gate * result + (1 - gate) * target
        return gated
