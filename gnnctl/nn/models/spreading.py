"""The normalised adjacency matrix of a graph of one or many edge types, and products with it."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType
from gnnctl.nn.conv.normalization import inverse_root
from gnnctl.nn.message_passing import masked
from gnnctl.nn.ops import segment_reduce, spmm


class Spreading:
    r""":math:`D^{-1/2} A D^{-1/2}`, where A has the edges of all types together.

    D are in-degrees over all edge types, of weighted edges the sums of their weights; a node of degree 0 has a factor
    of 0. No joint matrix is made: each edge type has a product of its own.

    Args:
        edge_index: by edge type, of a whole graph.
        edge_weight: by edge type (E,); None for ones.
        edge_mask: by edge type (E,) multiplies what an edge carries, but counts in no degree.
    """

    def __init__(
        self,
        edge_index: Mapping[EdgeType, EdgeIndex],
        edge_weight: Mapping[EdgeType, Tensor | None],
        edge_mask: Mapping[EdgeType, Tensor] | None = None,
    ) -> None:
        degree: dict[str, Tensor] = {}
        for t, edges in edge_index.items():
            weight = edge_weight.get(t)
            into = edges.in_degree().to(torch.float32)
            if weight is not None:
                into = segment_reduce(edges.colptr, weight[:, None])[:, 0]
            degree[t.dst] = degree[t.dst] + into if t.dst in degree else into
        self.edge_index = edge_index
        self.weight = {t: masked(edge_weight.get(t), (edge_mask or {}).get(t)) for t in edge_index}
        self.factor = {name: inverse_root(values)[:, None] for name, values in degree.items()}

    def __call__(self, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The matrix times (N, F) rows by node type; zeros where a type has no in-edges."""
        scaled = {name: rows[name] * factor.to(rows[name].dtype) for name, factor in self.factor.items()}
        found: dict[str, Tensor] = {}
        for t, edges in self.edge_index.items():
            if t.src not in scaled:
                continue  # nothing leads to its sources: their factors are 0
            arrived = spmm(edges, scaled[t.src], self.weight[t])
            found[t.dst] = found[t.dst] + arrived if t.dst in found else arrived
        return {
            name: found[name] * self.factor[name].to(h.dtype) if name in found else torch.zeros_like(h)
            for name, h in rows.items()
        }
