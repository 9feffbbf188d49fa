"""A layer's view of a batch in which every relation is there, if without edges."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType


def types_of(edge_types: Sequence[EdgeType]) -> list[str]:
    """Node types at either end, each once."""
    return list(dict.fromkeys(name for t in edge_types for name in (t.src, t.dst)))


def with_all_relations(
    sources: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    edge_index: Mapping[EdgeType, EdgeIndex],
    edge_types: Sequence[EdgeType],
) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[EdgeType, EdgeIndex]]:
    """Rows of both ends by node type, and the edges of every relation into a type that has destinations.

    A relation that a batch lacks, or whose sources it lacks, is one without edges: otherwise what a layer gives would
    depend on what else is in the batch.
    """
    x: dict[str, tuple[Tensor, Tensor]] = {}
    for name in types_of(edge_types):
        source, target = sources.get(name), targets.get(name)
        if source is None and target is None:
            like = next(iter(targets.values()))
            source = target = like[:0]
        elif source is None and target is not None:
            source = target[:0]
        elif source is not None and target is None:
            target = source[:0]
        assert source is not None
        assert target is not None
        x[name] = source, target
    edges = {}
    for t in edge_types:
        if t.dst not in targets:
            continue
        if t in edge_index and t.src in sources:
            edges[t] = edge_index[t]
            continue
        target = targets[t.dst]
        colptr = torch.zeros(target.shape[0] + 1, dtype=torch.int64, device=target.device)
        row = torch.empty(0, dtype=torch.int32, device=target.device)
        edges[t] = EdgeIndex(colptr, row, x[t.src][0].shape[0], target.shape[0], validate=False)
    return x, edges
