"""Adaptive structure aware pooling."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.paths import two_step_paths
from gnnctl.nn.dropout import dropout
from gnnctl.nn.ops import attention, spmm
from gnnctl.nn.pool.clusters import coalesce
from gnnctl.nn.pool.select import Kept, one_graph, top_k


class ASAPooled(NamedTuple):
    """``x`` (M, F); ``edge_index`` among them; ``edge_weight`` (E',); ``ptr`` (B + 1,); ``nodes`` (M,) whose
    neighbourhoods were kept, rising; ``fitness`` (M,)."""

    x: Tensor
    edge_index: EdgeIndex
    edge_weight: Tensor
    ptr: Tensor
    nodes: Tensor
    fitness: Tensor


class ASAPooling(nn.Module):
    r"""The pooling of "ASAP: Adaptive Structure Aware Pooling for Learning Hierarchical Graph Representations" (Ranjan
    et al., 2020).

    Each node and its sources are a cluster, :math:`c_i = \sum_j \alpha_{ji} x_j` with attention of the maximum of the
    (convolved) members to each of them. A local extremum convolution gives fitness, by which clusters are kept and
    multiplied. Kept clusters p and q have an edge of weight :math:`\sum_{u \to v} \alpha_{up} w_{uv} \alpha_{vq}`.
    How many edges there are depends on the data; see :mod:`gnnctl.nn.pool` on compiling.

    Args:
        in_channels: width of x.
        ratio: how many of each graph; see :func:`~gnnctl.nn.pool.select.top_k`.
        conv: a convolution (x, edge_index, edge_weight) of the same width, before the attention; None: none.
        dropout: of the attention, in training.
        negative_slope: of its leaky ReLU.
        self_loops: whether the pooled graphs have the loops that come out; else they are left out.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        ratio: float | int = 0.5,
        conv: nn.Module | None = None,
        dropout: float = 0.0,
        negative_slope: float = 0.2,
        self_loops: bool = False,
    ) -> None:
        super().__init__()
        self.ratio, self.conv, self.dropout = ratio, conv, dropout
        self.negative_slope, self.self_loops = negative_slope, self_loops
        self.lin = nn.Linear(in_channels, in_channels)
        self.attention = nn.Linear(2 * in_channels, 1)
        self.fitness_src = nn.Linear(in_channels, 1)
        self.fitness_dst = nn.Linear(in_channels, 1, bias=False)
        self.fitness_own = nn.Linear(in_channels, 1)

    def forward(
        self, x: Tensor, edge_index: EdgeIndex, edge_weight: Tensor | None = None, ptr: Tensor | None = None
    ) -> ASAPooled:
        """Pool the graphs ``ptr`` (B + 1,) of x (N, F); ``edge_weight`` (E,), a node's weight to itself being one."""
        ptr = one_graph(x, ptr)
        weight = x.new_ones(edge_index.num_edges) if edge_weight is None else edge_weight
        edges, weight = _looped(edge_index, weight)
        given = x if self.conv is None else self.conv(x, edges, weight)
        of_query, of_key = self.attention.weight.chunk(2, dim=1)
        query = nn.functional.linear(self.lin(spmm(edges, given, reduce="max")), of_query, self.attention.bias)
        alpha = attention(edges, given @ of_key.T, query, None, self.negative_slope)[:, 0]
        alpha = dropout(alpha, self.dropout, self.training)
        x = spmm(edges, x, alpha)
        degree = edges.in_degree().to(x.dtype)[:, None]
        fitness = spmm(edges, self.fitness_src(x)) - degree * self.fitness_dst(x) + self.fitness_own(x)
        fitness = fitness.sigmoid()[:, 0]
        kept = top_k(fitness, ptr, self.ratio)
        chosen = fitness.index_select(0, kept.nodes)
        coarse, coarse_weight = _coarse(edges, weight, alpha, kept, self.self_loops)
        rows = x.index_select(0, kept.nodes) * chosen[:, None]
        return ASAPooled(rows, coarse, coarse_weight, kept.ptr, kept.nodes, chosen)


def _looped(edge_index: EdgeIndex, weight: Tensor) -> tuple[EdgeIndex, Tensor]:
    """With a loop at every node that has none, of weight one."""
    looped, loops, edges = edge_index.with_self_loops()
    out = weight.new_ones(looped.num_edges).index_copy(0, edges, weight)
    own = edge_index.row == edge_index.col()
    spare = torch.ones(looped.num_edges, dtype=torch.bool, device=own.device)
    spare[loops[edge_index.col()[own]]] = False
    kept, positions = looped.select(spare)
    return kept, out.index_select(0, positions)


def _coarse(edges: EdgeIndex, weight: Tensor, alpha: Tensor, kept: Kept, self_loops: bool) -> tuple[EdgeIndex, Tensor]:
    """The product S^T A S of edges u -> v with the membership S of nodes in the kept clusters."""
    into, taken = edges.destinations(kept.nodes)
    membership, count = alpha.index_select(0, taken), into.num_dst
    step = two_step_paths(edges, into)  # u -> v, and v in cluster q
    reach = weight.index_select(0, step.first) * membership.index_select(0, step.second)
    ends = torch.stack([into.col()[step.second], edges.row[step.first]])
    reached, reach = _values(coalesce(ends, count, edges.num_src, reach))
    step = two_step_paths(reached, into)  # q reached from u, and u in cluster p
    value = reach.index_select(0, step.first) * membership.index_select(0, step.second)
    src, dst = into.col()[step.second], reached.row[step.first]
    if not self_loops:
        between = (src != dst).nonzero()[:, 0]
        src, dst, value = src[between], dst[between], value[between]
    return _values(coalesce(torch.stack([src, dst]), count, count, value))


def _values(found: tuple[EdgeIndex, Tensor | None]) -> tuple[EdgeIndex, Tensor]:
    edges, values = found
    assert values is not None
    return edges, values
