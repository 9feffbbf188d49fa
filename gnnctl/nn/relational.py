"""Edges of many relations in one pass: grouped by destination and relation."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.relations import RelationPairs
from gnnctl.nn.ops import Reduce, segment_matmul, spmm


class StackedEdges(NamedTuple):
    """Edges of R relations, each destination standing R times.

    Attributes:
        edges: from S sources to D * R destinations, those of one destination side by side.
        order: (E,) int64; edge e of ``edges`` is edge ``order[e]`` of those that were given.
    """

    edges: EdgeIndex
    order: Tensor


Arranged = TypeVar("Arranged", RelationPairs, StackedEdges)

# Arrangements of edges that stay; the types are kept beside them, to see whether they are the same.
_known: "WeakKeyDictionary[EdgeIndex, dict[object, tuple[Tensor, int, Any]]]" = WeakKeyDictionary()


def relation_pairs(edge_index: EdgeIndex, edge_type: Tensor, num_relations: int) -> RelationPairs:
    """Group edges by relation and destination.

    They are remembered for as long as the edges live. Inside a compiled graph, where nothing may depend on contents,
    there are as many pairs as edges, the last of them empty.

    Args:
        edge_index: E edges.
        edge_type: (E,) integers, 0..R - 1.
        num_relations: R.

    Raises:
        ValueError: not one relation for each edge, or one out of range.
    """
    return _remembered(_pairs, edge_index, edge_type, num_relations)


def stacked_edges(edge_index: EdgeIndex, edge_type: Tensor, num_relations: int) -> StackedEdges:
    """Give every destination a place for each relation; as :func:`relation_pairs`, remembered."""
    return _remembered(_stacked, edge_index, edge_type, num_relations)


def _remembered(
    arrange: Callable[[EdgeIndex, Tensor, int], Arranged], edge_index: EdgeIndex, edge_type: Tensor, num_relations: int
) -> Arranged:
    if edge_type.shape != (edge_index.num_edges,):
        raise ValueError(
            f"edge_type {tuple(edge_type.shape)} has not one entry for each of {edge_index.num_edges} edges"
        )
    if torch.compiler.is_compiling():
        return arrange(edge_index, edge_type, num_relations)
    known = _known.setdefault(edge_index, {})
    key = arrange, num_relations
    if key not in known or known[key][0] is not edge_type or known[key][1] != edge_type._version:
        known[key] = edge_type, edge_type._version, arrange(edge_index, edge_type, num_relations)
    found: Arranged = known[key][2]
    return found


def _stacked(edge_index: EdgeIndex, edge_type: Tensor, num_relations: int) -> StackedEdges:
    place = edge_index.col().long() * num_relations + edge_type.long()
    coo = torch.stack([edge_index.row.long(), place])
    return StackedEdges(*EdgeIndex.from_coo(coo, edge_index.num_src, edge_index.num_dst * num_relations))


def _pairs(edge_index: EdgeIndex, edge_type: Tensor, num_relations: int) -> RelationPairs:
    count = edge_index.num_edges
    places = torch.arange(count, device=edge_type.device)
    by_type, order = EdgeIndex.from_coo(torch.stack([places, edge_type.long()]), count, num_relations)
    kinds, targets = edge_type[order], edge_index.col()[order].long()
    first = torch.ones_like(kinds, dtype=torch.bool)
    first[1:] = (kinds[1:] != kinds[:-1]) | (targets[1:] != targets[:-1])
    pair = first.long().cumsum(0) - 1
    if torch.compiler.is_compiling():
        colptr = torch.searchsorted(pair, torch.arange(count + 1, device=pair.device))
        num_pairs = count
        owner = torch.zeros_like(pair).index_put((pair,), targets)  # the same for all edges of a pair
        in_pairs = torch.zeros(count + 1, dtype=pair.dtype, device=pair.device)
        in_pairs[1:] = pair + 1
        ptr = in_pairs[by_type.colptr]
        ptr = torch.cat([ptr[:-1], ptr.new_full((1,), count)])
    else:
        starts = first.nonzero().squeeze(1)
        num_pairs = starts.shape[0]
        colptr = torch.cat([starts, starts.new_full((1,), count)])
        owner = targets[starts]
        ptr = torch.searchsorted(starts, by_type.colptr)
    into = EdgeIndex(colptr, edge_index.row[order], edge_index.num_src, num_pairs, validate=False)
    lined = torch.stack([torch.arange(num_pairs, device=owner.device), owner])
    out, _ = EdgeIndex.from_coo(lined, num_pairs, edge_index.num_dst)
    return RelationPairs(into, ptr, out, order)


class RelationRows(NamedTuple):
    """Rows that relations use, each once for every relation that uses it, sorted by relation.

    Attributes:
        rows: (P,) int64 of them.
        ptr: (R + 1,) int64; relation r has ``ptr[r]:ptr[r + 1]``.
        place: (E,) int64, where each edge's stands.
    """

    rows: Tensor
    ptr: Tensor
    place: Tensor


def relation_rows(index: Tensor, edge_type: Tensor, num_relations: int, num_rows: int) -> RelationRows:
    """Which rows must be multiplied by which relation's matrix.

    Inside a compiled graph there are as many rows as edges, the last of them repeated for nothing.

    Args:
        index: (E,) integers, the row that each edge uses.
        edge_type: (E,) integers, 0..R - 1.
        num_relations: R.
        num_rows: of which ``index`` speaks.
    """
    count = index.shape[0]
    keys, order = torch.sort(edge_type.long() * num_rows + index.long())
    first = torch.ones_like(keys, dtype=torch.bool)
    first[1:] = keys[1:] != keys[:-1]
    pair = first.long().cumsum(0) - 1
    place = torch.empty_like(order).index_copy(0, order, pair)
    if torch.compiler.is_compiling():
        found = torch.zeros_like(keys).index_put((pair,), keys)
        limits = torch.searchsorted(keys, torch.arange(num_relations, device=keys.device) * num_rows)
        before = torch.cat([first.new_zeros(1, dtype=torch.int64), pair + 1])
        ptr = torch.cat([before[limits], before.new_full((1,), count)])
    else:
        found = keys[first]
        ptr = torch.searchsorted(found, torch.arange(num_relations + 1, device=keys.device) * num_rows)
    return RelationRows(found % max(num_rows, 1), ptr, place)


def by_pairs(
    pairs: RelationPairs, x: Tensor, matrices: Tensor, weight: Tensor | None = None, reduce: Reduce = "sum"
) -> Tensor:
    """Aggregate within relations, multiply each result by its relation's matrix, and sum over relations.

    Args:
        pairs: of E edges of R relations.
        x: (S, K) rows of all sources.
        matrices: (R, K, M), or of B blocks (R, B, K / B, M / B).
        weight: (E,) of the edges, as they were given.
        reduce: within a relation.

    Returns:
        (D, M) over all destinations.
    """
    if weight is not None and pairs.order is not None:
        weight = weight[pairs.order]
    h = spmm(pairs.into, x, weight, reduce)
    matrices, ptr = matrices.to(h.dtype), pairs.ptr
    if matrices.dim() == 3:
        return spmm(pairs.out, segment_matmul(h, ptr, matrices))
    # Each block of each relation is a group of its own: rows by block, then by relation.
    rows, (blocks, before, after) = h.shape[0], matrices.shape[1:]
    parts = h.view(rows, blocks, before).transpose(0, 1).flatten(0, 1)
    starts = torch.arange(blocks, device=ptr.device)[:, None] * rows + ptr[:-1]
    ptr = torch.cat([starts.flatten(), starts.new_full((1,), rows * blocks)])
    parts = segment_matmul(parts, ptr, matrices.transpose(0, 1).flatten(0, 1))
    return spmm(pairs.out, parts.view(blocks, rows, after).transpose(0, 1).flatten(1))
