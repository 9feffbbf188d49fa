"""The edges of a graph on disk as tables of Spark: what joins sample from."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gnnctl.artifacts import Artifact
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.columns import Layout
from gnnctl.sampling.spark import SparkJob

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_ROWS = 1 << 16  # of one of the graph's arrays that are read at once

Mapped = Callable[["Iterator[pa.RecordBatch]"], "Iterator[pa.RecordBatch]"]


def edge_tables(
    spark: "SparkSession", job: SparkJob, layout: Layout, views: Sequence[int]
) -> "tuple[DataFrame, DataFrame]":
    """The edges that views of a split show, as tables; arrays are read slice by slice, and no view is made.

    Args:
        job: names the split and its graph.
        layout: of the records.
        views: numbers of the parts whose views are wanted; a split of nodes has one, 0, which shows all edges.

    Returns:
        (view, edge_type, node_type, node, start, degree) of every node with in-edges of a type: where they begin in
        that view, and how many they are; and (view, edge_type, pos, src) of every edge. Node and edge types are
        numbers, in the graph's order.
    """
    graph, split = Artifact.open(job.graph, "graph"), Artifact.open(job.split, "split")
    tables = []
    for name, schema in (
        ("colptr", "view int, edge_type int, node_type int, node bigint, start bigint, degree bigint"),
        ("row", "view int, edge_type int, pos bigint, src bigint"),
    ):
        slices = []
        for i, t in enumerate(layout.edge_types):
            array, codes = graph.array(f"edges/{t.key}/{name}"), _codes(split, t)
            count = len(array) - (name == "colptr")
            firsts = np.arange(0, count, _ROWS)
            cuts = np.asarray(array[firsts], np.int64) if name == "colptr" else firsts
            for view in views:
                before = _shown_before(codes, view, cuts)
                slices += [
                    (view, i, first, min(first + _ROWS, count), seen)
                    for first, seen in zip(firsts.tolist(), before.tolist(), strict=True)
                ]
        frame = spark.createDataFrame(slices, "view int, edge_type int, first bigint, last bigint, before bigint")
        wanted = -(-sum(last - first for _, _, first, last, _ in slices) // _ROWS)
        frame = frame.repartition(max(1, min(wanted, 4 * spark.sparkContext.defaultParallelism)))
        tables.append(frame.mapInArrow(_slices(job, layout, name), schema))
    return tables[0], tables[1]


def _codes(split: Artifact, t: EdgeType) -> np.ndarray | None:
    """(E,) int8, the first view that shows each edge of a type; None: all show all of them."""
    return split.array(f"codes/{t.key}") if split.has(f"codes/{t.key}") else None


def _shown_before(codes: np.ndarray | None, view: int, cuts: np.ndarray) -> np.ndarray:
    """How many edges a view shows before each of some ascending positions."""
    if codes is None:
        return cuts
    counts = [np.count_nonzero(codes[low:high] <= view) for low, high in pairwise([0, *cuts.tolist()])]
    return np.cumsum(counts, dtype=np.int64)


def _slices(job: SparkJob, layout: Layout, name: str) -> Mapped:
    def read(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        graph, split = Artifact.open(job.graph, "graph"), Artifact.open(job.split, "split")
        for batch in batches:
            for piece in batch.to_pylist():
                kind, view, first, last = (piece[name] for name in ("edge_type", "view", "first", "last"))
                t = layout.edge_types[kind]
                array, codes = graph.array(f"edges/{t.key}/{name}"), _codes(split, t)
                if name == "row":
                    sources = np.asarray(array[first:last], np.int64)
                    if codes is not None:
                        sources = sources[codes[first:last] <= view]
                    columns = {"pos": piece["before"] + np.arange(len(sources)), "src": sources}
                else:
                    ends = np.asarray(array[first : last + 1], np.int64)
                    if codes is not None:
                        shown = np.cumsum(codes[ends[0] : ends[-1]] <= view, dtype=np.int64)
                        ends = piece["before"] + np.append(0, shown)[ends - ends[0]]
                    some = np.flatnonzero(np.diff(ends))
                    columns = {
                        "node_type": np.full(len(some), layout.node_types.index(t.dst), np.int32),
                        "node": first + some,
                        "start": ends[some],
                        "degree": np.diff(ends)[some],
                    }
                rows = len(next(iter(columns.values())))
                of = {"view": np.full(rows, view, np.int32), "edge_type": np.full(rows, kind, np.int32)}
                yield pa.RecordBatch.from_pydict(of | columns)

    return read
