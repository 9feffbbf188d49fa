"""Records of the rows that joins on Spark end with: the expansion replayed over the edges that were drawn."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gnnctl.graph.types import EdgeType
from gnnctl.native import colptr_of
from gnnctl.sampling.columns import Layout, RecordColumns
from gnnctl.sampling.link_batch import LinkBatch
from gnnctl.sampling.link_columns import LinkLayout
from gnnctl.sampling.plan import Segment
from gnnctl.sampling.records import Block, to_arrow
from gnnctl.sampling.spark_edges import Mapped
from gnnctl.sampling.spark_seeds import SEED
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges

if TYPE_CHECKING:
    import pyarrow as pa

_RECORDS = 1024  # of a block
_NUMBERS = ("sample_id", "edge_type", "dst", "pos", "src")


def assembled(layout: Layout, segments: Sequence[Segment]) -> Mapped:
    """Records of rows that ascend by sample_id, edge_type and pick: first a record's seeds, then its edges.

    Args:
        layout: of the records.
        segments: of the whole run, which say of which part and epoch a record is.
    """

    def assemble(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            if batch.num_rows == 0:
                continue
            ids = batch.column("sample_id").to_numpy()
            cut = int(np.searchsorted(ids, ids[-1]))  # rows of the last record may follow
            if cut:
                yield from _records(pa.Table.from_batches([*waiting, batch.slice(0, cut)]), layout, segments)
                waiting = []
            waiting.append(batch.slice(cut))
        if waiting:
            yield from _records(pa.Table.from_batches(waiting), layout, segments)

    return assemble


def _records(table: "pa.Table", layout: Layout, segments: Sequence[Segment]) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    c = {name: table[name].to_numpy() for name in _NUMBERS}
    starts = np.flatnonzero(np.diff(c["sample_id"], prepend=-1)).tolist()
    bounds = list(pairwise([*starts, table.num_rows]))
    seeds = table.filter(pa.array(c["edge_type"] == SEED))
    links = [None] * len(bounds) if layout.links is None else _links(seeds, layout.links)
    labels = None if layout.links is None else table["labels"].take(pa.array(starts))
    numbers = c["sample_id"][starts]
    for segment in segments:
        low, high = np.searchsorted(numbers, [segment.first, segment.first + segment.records]).tolist()
        for first in range(low, high, _RECORDS):
            of = range(first, min(first + _RECORDS, high))
            subgraphs = [
                _expanded({name: values[slice(*bounds[i])] for name, values in c.items()}, links[i], layout) for i in of
            ]
            columns = RecordColumns.of(subgraphs, layout)
            known = None if labels is None else labels.slice(first, len(of))
            values = None if known is None or known.null_count else np.array(known.to_pylist())
            yield to_arrow(Block(columns, int(numbers[first]), segment.part, segment.epoch, values))


def _links(seeds: "pa.Table", layout: LinkLayout) -> list[LinkBatch | None]:
    """The link of each record, with its negatives."""
    ids, src, dst, relation = (seeds[name].to_numpy() for name in ("sample_id", "src", "dst", "relation"))
    timed, time = seeds["time"].is_valid().to_numpy(), seeds["time"].fill_null(0).to_numpy()
    starts = np.flatnonzero(np.diff(ids, prepend=-1)).tolist()
    return [
        LinkBatch(
            layout.edge_types,
            src[low:high],
            dst[low:high],
            np.zeros(high - low, np.int32),
            relation[low : low + 1],
            time[low : low + 1] if timed[low] else None,
            layout.disjoint,
        )
        for low, high in pairwise([*starts, len(ids)])
    ]


def _expanded(c: Mapping[str, np.ndarray], links: LinkBatch | None, layout: Layout) -> Subgraph:
    """Replay the expansion of one record over the edges that were drawn for it; see schemas/picks.md."""
    seeds = c["dst"][c["edge_type"] == SEED]
    rows = {layout.node_type: seeds} if links is None else links.ends().rows
    local: dict[str, dict[int, int]] = {t: {} for t in layout.node_types}
    for name, found in rows.items():
        local[name] = {row: i for i, row in enumerate(found.tolist())}
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for kind, dst, pos, src in zip(*(c[n].tolist() for n in ("edge_type", "dst", "pos", "src")), strict=True):
        if kind != SEED:
            edges.setdefault((kind, dst), []).append((pos, src))  # in the order of the picks
    node_counts = {t: [len(local[t])] for t in layout.node_types}
    edge_counts: dict[EdgeType, list[int]] = {t: [] for t in layout.edge_types}
    drawn: dict[EdgeType, list[tuple[int, int, int]]] = {t: [] for t in layout.edge_types}
    frontier = {t: list(local[t]) for t in layout.node_types}
    for _ in range(layout.hops):
        before = {t: len(local[t]) for t in layout.node_types}
        for kind, t in enumerate(layout.edge_types):
            count = len(drawn[t])
            sources, targets = local[t.src], local[t.dst]
            for dst in frontier[t.dst]:
                for pos, src in edges.get((kind, dst), ()):
                    drawn[t].append((sources.setdefault(src, len(sources)), targets[dst], pos))
            edge_counts[t].append(len(drawn[t]) - count)
        for name in layout.node_types:
            frontier[name] = list(local[name])[before[name] :]
            node_counts[name].append(len(frontier[name]))
    nodes = {t: np.array(list(local[t]), np.int64) for t in layout.node_types}
    made = {}
    for t in layout.edge_types:
        row, col, pos = np.ascontiguousarray(np.array(drawn[t], np.int64).reshape(-1, 3).T)
        made[t] = SubgraphEdges(colptr_of(col, len(nodes[t.dst])), row.astype(np.int32), pos.copy())
    groups = {t: np.zeros(len(found), np.int32) for t, found in nodes.items()} if layout.disjoint else None
    if links is None:
        return Subgraph(nodes, node_counts, made, edge_counts, seeds, layout.node_type, groups)
    return Subgraph(nodes, node_counts, made, edge_counts, links.rows, layout.node_type, groups, links=links)
