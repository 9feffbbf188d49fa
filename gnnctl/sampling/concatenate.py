"""Records of seeds that share no nodes, put side by side: what a batch of trees or ego graphs is."""

import numpy as np

from gnnctl.native import colptr_of
from gnnctl.sampling.columns import RecordColumns, ranges
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges


def concatenate(columns: RecordColumns) -> Subgraph:
    """All records of a block as one subgraph: nodes by hop, then record, each record's in their own order.

    That is the batch's own record where a method orders nodes so, as :class:`gnnctl.sampling.shadow.Shadow` does; for
    records of neighbour sampling see :func:`gnnctl.sampling.merge.merge_columns`.

    Raises:
        ValueError: the records are not disjoint.
    """
    layout = columns.layout
    if columns.node_group is None:
        raise ValueError("columns: the records have no node_group, what they share would be there twice")
    first_seed = np.cumsum(columns.seed_counts) - columns.seed_counts
    nodes, groups, node_counts, local = {}, {}, {}, {}
    for i, t in enumerate(layout.node_types):
        counts = columns.node_counts[:, i]  # (R, H + 1)
        order = _by_hop(columns.node_start(t), counts)
        record = np.repeat(np.tile(np.arange(len(columns)), layout.hops + 1), counts.T.ravel())
        nodes[t] = columns.nodes[order]
        groups[t] = (columns.node_group[order] + first_seed[record]).astype(np.int32)
        node_counts[t] = counts.sum(axis=0).tolist()
        local[t] = _Local(order, counts.sum(axis=1), columns.node_start(t))
    edges, edge_counts = {}, {}
    for i, e in enumerate(layout.edge_types):
        counts = columns.edge_counts[:, i]  # (R, H)
        order = _by_hop(columns.edge_start(e), counts)
        record = np.repeat(np.tile(np.arange(len(columns)), layout.hops), counts.T.ravel())
        col = local[e.dst].of(record, columns.edge_col[order])
        edges[e] = SubgraphEdges(
            colptr_of(col, len(nodes[e.dst])),
            local[e.src].of(record, columns.edge_row[order]).astype(np.int32),
            columns.edge_pos[order],
            None if columns.edge_weight is None else columns.edge_weight[order],
        )
        edge_counts[e] = counts.sum(axis=0).tolist()
    seeds = columns.seeds.copy()
    return Subgraph(nodes, node_counts, edges, edge_counts, seeds, layout.node_type, groups, columns.seen())


class _Local:
    """From local numbers in a record to those in the whole."""

    def __init__(self, order: np.ndarray, sizes: np.ndarray, starts: np.ndarray) -> None:
        entries = ranges(starts, sizes)  # record by record
        self._start = np.cumsum(sizes) - sizes
        number = np.zeros(int(entries.max()) + 1 if len(entries) else 0, np.int64)
        number[order] = np.arange(len(order))
        self._number = number[entries]

    def of(self, record: np.ndarray, local: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._number[self._start[record] + local]
        return found


def _by_hop(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Entries in order of hop, then record, from where each record's begin and how many (R, hops) each hop has."""
    before = np.cumsum(counts, axis=1) - counts
    return ranges((starts[:, None] + before).T.ravel(), counts.T.ravel())
