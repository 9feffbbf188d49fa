"""Edges of several relations, arranged to be aggregated in one pass and multiplied in one product."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType


class RelationPairs(NamedTuple):
    """Edges of R relations, brought together for each of P pairs of a relation and a destination that has it.

    Pairs are sorted by relation, so that one grouped product multiplies each by its relation's matrix.

    Attributes:
        into: E edges from sources to pairs.
        ptr: (R + 1,) int64; relation r has the pairs ``ptr[r]:ptr[r + 1]``.
        out: P edges from pairs to destinations.
        order: (E,) int64; edge e of ``into`` is edge ``order[e]`` of those that were given; None: in that order.
    """

    into: EdgeIndex
    ptr: Tensor
    out: EdgeIndex
    order: Tensor | None = None

    def mapped(self, change: Callable[[Tensor], Tensor], edges: Callable[[EdgeIndex], EdgeIndex]) -> "RelationPairs":
        """With every tensor changed."""
        order = None if self.order is None else change(self.order)
        return RelationPairs(edges(self.into), change(self.ptr), edges(self.out), order)

    def transposed(self) -> "RelationPairs":
        """Compute ahead the views that gradients need; returns these pairs."""
        self.into.transposed()
        self.out.transposed()
        return self


def ends_of(edge_types: Sequence[EdgeType]) -> tuple[list[str], list[str]]:
    """Source types and destination types, each once."""
    return list(dict.fromkeys(t.src for t in edge_types)), list(dict.fromkeys(t.dst for t in edge_types))


def join_relations(edges: Mapping[EdgeType, EdgeIndex], relations: Sequence[EdgeType]) -> RelationPairs:
    """Arrange edges of several types over all their sources, one type after the other as in :func:`ends_of`.

    No feature is copied for a relation: sources of a type stand once, and relations address them from where the type
    begins. Inside a compiled graph, where nothing may depend on contents, a relation's destinations without edges are
    pairs too.

    Args:
        edges: by type; types of ``relations`` that are missing have no pairs.
        relations: R types, in the order of their matrices.
    """
    present = [t for t in relations if t in edges]
    sources, targets = ends_of(present)
    src = _starts([next(edges[t].num_src for t in present if t.src == name) for name in sources], sources)
    dst = _starts([next(edges[t].num_dst for t in present if t.dst == name) for name in targets], targets)
    num_src, num_dst = src.pop(""), dst.pop("")
    rows = [edges[t].row + src[t.src] if src[t.src] else edges[t].row for t in present]
    device = edges[present[0]].device
    starts, owners, count, limits, found = [], [], 0, [0], 0
    for t in relations:
        if t in edges:
            index = edges[t]
            starts.append(index.colptr[1:] + count)
            owners.append(torch.arange(index.num_dst, device=device) + dst[t.dst])
            count = count + index.num_edges
            found = found + index.num_dst
        limits.append(found)
    ends, owner, ptr = torch.cat(starts), torch.cat(owners), torch.tensor(limits, device=device)
    if not torch.compiler.is_compiling():
        before = torch.cat([ends.new_zeros(1), ends[:-1]])
        full = (ends > before).nonzero().squeeze(1)
        ends, owner, ptr = ends[full], owner[full], torch.searchsorted(full, ptr)
    into = EdgeIndex(torch.cat([ends.new_zeros(1), ends]), torch.cat(rows), num_src, ends.shape[0], validate=False)
    lined = torch.stack([torch.arange(owner.shape[0], device=device), owner])
    out, _ = EdgeIndex.from_coo(lined, owner.shape[0], num_dst)
    return RelationPairs(into, ptr, out)


def _starts(counts: list[int], names: list[str]) -> dict[str, int]:
    """Where each name's rows begin; under the empty name, how many there are."""
    found, total = {}, 0
    for name, count in zip(names, counts, strict=True):
        found[name], total = total, total + count
    found[""] = total
    return found
