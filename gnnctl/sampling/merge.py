"""Merging the records of single seeds into the record of any batch of them."""

from collections.abc import Sequence

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.native import SampledEdgeType, colptr_of, number_nodes
from gnnctl.native import Sampler as NativeSampler
from gnnctl.sampling.columns import Layout, RecordColumns, ranges
from gnnctl.sampling.link_columns import LinkLayout
from gnnctl.sampling.methods import Spec
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges


def merge(records: Sequence[Subgraph], graph: Graph, spec: Spec) -> Subgraph:
    """The subgraph of the batch whose seeds are those of the records, in their order.

    Raises:
        UsageError: the spec's fan-outs do not allow it.
    """
    check_mergeable(spec)
    weighted = any(e.weight is not None for e in records[0].edges.values())
    links = records[0].links
    layout = Layout.of(
        graph,
        spec.hops,
        records[0].node_type,
        spec.disjoint,
        weighted=weighted,
        time=spec.time,
        links=None if links is None else LinkLayout(links.edge_types, links.disjoint),
    )
    return merge_columns(RecordColumns.of(records, layout))


def check_mergeable(spec: Spec) -> None:
    """Refuse a spec whose records of single seeds do not merge.

    Raises:
        UsageError: why, and what to do.
    """
    if refusal := spec.merge_law_refusal():
        raise UsageError(f"records of single seeds would not merge: {refusal}", fix="use --unit batch")


def merge_columns(columns: RecordColumns) -> Subgraph:
    """Merge all records of a block; see schemas/picks.md.

    Each distinct node's in-edges are taken from a record where its hop is least. That makes a small graph in which the
    sampler, told to take everything, replays the batch's expansion.
    """
    layout = columns.layout
    merged = {t: _MergedNodes(columns, t) for t in layout.node_types}
    graph = [_merged_edges(columns, e, merged[e.src], merged[e.dst]) for e in layout.edge_types]
    indices = {t: i for i, t in enumerate(layout.node_types)}
    sampler = NativeSampler(
        [len(merged[t].rows) for t in layout.node_types],
        [0] * len(indices),
        [
            SampledEdgeType(indices[e.src], indices[e.dst], colptr, row, 0, [-1] * layout.hops)
            for e, (colptr, row, _, _) in zip(layout.edge_types, graph, strict=True)
        ],
        layout.hops,
        0,
    )
    first = [_first_seeds(columns, merged[t], i) for t, i in indices.items()]
    nodes, edges = sampler.sample_many(first, 0)
    rows, groups = {}, {}
    for t, (local, _, _) in zip(layout.node_types, nodes, strict=True):
        rows[t] = merged[t].rows[local]
        if layout.disjoint:
            groups[t] = merged[t].group[local]
    return Subgraph(
        nodes=rows,
        node_counts={t: counts for t, (_, _, counts) in zip(layout.node_types, nodes, strict=True)},
        edges={
            e: SubgraphEdges(colptr, row, pos[at], None if weight is None else weight[at])
            for e, (_, _, pos, weight), (colptr, row, at, _) in zip(layout.edge_types, graph, edges, strict=True)
        },
        edge_counts={e: counts for e, (_, _, _, counts) in zip(layout.edge_types, edges, strict=True)},
        seeds=columns.seeds.copy(),
        node_type=layout.node_type,
        node_group=groups if layout.disjoint else None,
        seed_times=columns.seen(),
        links=columns.link_batch(),
    )


def _first_seeds(columns: RecordColumns, nodes: "_MergedNodes", number: int) -> np.ndarray:
    """The distinct nodes of hop 0 of all records, in their order: two links may end at the same node."""
    found = nodes.number[ranges(nodes.starts, columns.node_counts[:, number, 0])]
    _, first = np.unique(found, return_index=True)
    seeds: np.ndarray = found[np.sort(first)].astype(np.int64)
    return seeds


class _MergedNodes:
    """The nodes of one type over all records: n entries, of which u are distinct.

    Attributes:
        rows: (u,) int64 global rows.
        number: (n,) which distinct node an entry is.
        best: (u,) int64 the entry whose in-edges count.
        starts: (R,) int64 where each record's entries begin.
        group: (u,) int32 record of each node, disjoint only.
    """

    def __init__(self, columns: RecordColumns, node_type: str) -> None:
        layout = columns.layout
        counts = columns.node_counts[:, layout.node_types.index(node_type)]  # (R, H + 1)
        sizes = counts.sum(axis=1)
        self.starts = np.cumsum(sizes) - sizes
        rows = columns.nodes[ranges(columns.node_start(node_type), sizes)]
        if layout.disjoint:
            self.rows, self.number = rows, np.arange(len(rows), dtype=np.int32)
            self.best = np.arange(len(rows), dtype=np.int64)
            self.group = np.repeat(np.arange(len(columns), dtype=np.int32), sizes)
        else:
            hop = np.repeat(np.tile(np.arange(layout.hops + 1), len(columns)), counts.ravel())
            self.rows, self.number, self.best = number_nodes(rows, hop)


def _merged_edges(
    columns: RecordColumns, edge_type: EdgeType, src: _MergedNodes, dst: _MergedNodes
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """(colptr, row, pos, weight or None): the in-edges of the distinct destinations, in pick order."""
    index = columns.layout.edge_types.index(edge_type)
    sizes = columns.edge_counts[:, index].sum(axis=1)
    taken = ranges(columns.edge_start(edge_type), sizes)
    row = columns.edge_row[taken] + np.repeat(src.starts, sizes)
    col = columns.edge_col[taken] + np.repeat(dst.starts, sizes)
    all_colptr = colptr_of(col, len(dst.number))
    degree = np.diff(all_colptr)[dst.best]
    colptr = np.zeros(len(dst.rows) + 1, np.int64)
    np.cumsum(degree, out=colptr[1:])
    kept = ranges(all_colptr[dst.best], degree)
    weight = None if columns.edge_weight is None else columns.edge_weight[taken[kept]]
    return colptr, src.number[row[kept]], columns.edge_pos[taken[kept]], weight
