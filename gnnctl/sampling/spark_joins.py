"""Sampling on Spark where the graph fits no executor: hop by hop, by joins with tables of its edges.

A hop joins the nodes that the last one reached with their in-degrees, draws with the published pick function which of
their in-edges they take, and joins these with the edges' sources; a node that was there before is not expanded again.
In the end each seed's edges come together, and replaying the expansion over them gives its record. All of it is a
function of keys, so that the records are those of the native sampler, byte for byte.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.artifacts import Artifact
from gnnctl.errors import UsageError
from gnnctl.graph.types import EdgeType
from gnnctl.native import colptr_of
from gnnctl.sampling.columns import Layout, RecordColumns
from gnnctl.sampling.draws import draw_keys, picks
from gnnctl.sampling.link_produce import LinkProducer
from gnnctl.sampling.produce import Producer
from gnnctl.sampling.records import Block, to_arrow
from gnnctl.sampling.spark import SparkJob, records_ddl
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_ROWS = 1 << 16  # of the graph's arrays that a task reads
_RECORDS = 1024  # of a block
_SEED = -1  # the edge type of a seed's own row

Mapped = Callable[["Iterator[pa.RecordBatch]"], "Iterator[pa.RecordBatch]"]


def check_joinable(producer: Producer) -> None:
    """Refuse what joins do not draw.

    Raises:
        UsageError: why.
    """
    fix, spec = "use --engine spark, which maps the graph", producer.spec
    if isinstance(producer, LinkProducer):
        raise UsageError("--engine spark-joins samples around nodes, and these are links", fix=fix)
    if not isinstance(spec, SampleSpec):
        raise UsageError(f"--engine spark-joins does not draw '{spec.name}'", fix=fix)
    if producer.plan.unit != "seed":
        raise UsageError("--engine spark-joins samples single seeds", fix="pass --unit seed, or --engine spark")
    rules = {"--draw": spec.draw != "uniform", "--time": spec.time, "--fan-out-budget": spec.budget}
    rules["--subgraph"] = spec.subgraph != "directional"
    for flag, given in rules.items():
        if given:
            raise UsageError(f"{flag} does not go with --engine spark-joins", fix=fix)


def joined_frame(
    spark: "SparkSession", producer: Producer, job: SparkJob, first: int, last: int, partitions: int, folder: Path
) -> "DataFrame":
    """Records ``first`` to ``last - 1``, without labels and times, ascending through the partitions.

    Args:
        folder: for the tables of each hop; all executors reach it.
        producer, job: of single seeds, as :func:`check_joinable` allows.
    """
    spec, layout = producer.spec, producer.layout
    assert isinstance(spec, SampleSpec)
    reached = _written(spark, _seeds(spark, producer, first, last, folder), folder / "hop-0")
    in_degrees, sources = edge_tables(spark, job.graph, layout)
    visited, drawn = [reached.select("sample_id", "node_type", "node")], []
    for hop in range(1, layout.hops + 1):
        expanded = reached.join(in_degrees, ["node_type", "node"])
        picked = expanded.mapInArrow(
            _picks(spec, layout, hop),
            "sample_id bigint, epoch int, seed bigint, edge_type int, dst bigint, pick int, pos bigint, node_type int",
        )
        edges = _written(spark, picked.join(sources, ["edge_type", "pos"]), folder / f"edges-{hop}")
        drawn.append(edges)
        if hop == layout.hops:
            break
        found = edges.selectExpr("sample_id", "epoch", "seed", "node_type", "src as node").distinct()
        known = reduce(lambda a, b: a.union(b), visited)
        new = found.join(known, ["sample_id", "node_type", "node"], "left_anti")
        reached = _written(spark, new, folder / f"hop-{hop}")
        visited.append(reached.select("sample_id", "node_type", "node"))
    seeds = spark.read.parquet((folder / "hop-0").as_uri()).selectExpr(
        "sample_id", "epoch", f"{_SEED} as edge_type", "node as dst", "0 as pick", "-1l as pos", "-1l as src"
    )
    columns = ["sample_id", "epoch", "edge_type", "dst", "pick", "pos", "src"]
    rows = reduce(lambda a, b: a.unionByName(b), [seeds, *(edges.select(columns) for edges in drawn)])
    ordered = rows.repartitionByRange(partitions, "sample_id").sortWithinPartitions(
        "sample_id", "edge_type", "dst", "pick"
    )
    return ordered.mapInArrow(_assemble(layout, _parts(producer)), records_ddl(False))


def edge_tables(spark: "SparkSession", graph: str, layout: Layout) -> "tuple[DataFrame, DataFrame]":
    """The graph's edges as tables; a task reads a slice of one array.

    Returns:
        (node_type, node, edge_type, start, degree) of every node with in-edges of a type: where they begin, and how
        many they are; and (edge_type, pos, src) of every edge. Node and edge types are numbers, in the graph's order.
    """
    artifact = Artifact.open(graph, "graph")
    tables = []
    for name, schema in (
        ("colptr", "node_type int, node bigint, edge_type int, start bigint, degree bigint"),
        ("row", "edge_type int, pos bigint, src bigint"),
    ):
        slices = []
        for i, t in enumerate(layout.edge_types):
            count = len(artifact.array(f"edges/{t.key}/{name}")) - (name == "colptr")
            slices += [(i, start, min(start + _ROWS, count)) for start in range(0, count, _ROWS)]
        frame = spark.createDataFrame(slices, "edge_type int, first bigint, last bigint")
        frame = frame.repartition(max(1, min(len(slices), 4 * spark.sparkContext.defaultParallelism)))
        tables.append(frame.mapInArrow(_slices(graph, layout, name), schema))
    return tables[0], tables[1]


def _slices(graph: str, layout: Layout, name: str) -> Mapped:
    def read(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        artifact = Artifact.open(graph, "graph")
        for batch in batches:
            for piece in batch.to_pylist():
                kind, first, last = piece["edge_type"], piece["first"], piece["last"]
                t = layout.edge_types[kind]
                array = artifact.array(f"edges/{t.key}/{name}")
                if name == "row":
                    columns: dict[str, np.ndarray] = {
                        "edge_type": np.full(last - first, kind, np.int32),
                        "pos": np.arange(first, last),
                        "src": np.asarray(array[first:last], np.int64),
                    }
                else:
                    ends = np.asarray(array[first : last + 1], np.int64)
                    some = np.flatnonzero(np.diff(ends))
                    columns = {
                        "node_type": np.full(len(some), layout.node_types.index(t.dst), np.int32),
                        "node": first + some,
                        "edge_type": np.full(len(some), kind, np.int32),
                        "start": ends[some],
                        "degree": np.diff(ends)[some],
                    }
                yield pa.RecordBatch.from_pydict(columns)

    return read


def _picks(spec: SampleSpec, layout: Layout, hop: int) -> Mapped:
    """Of rows (node_type, node, sample_id, epoch, seed, edge_type, start, degree) the edges that are taken."""
    document = json.dumps(spec.to_json())

    def draw(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        rules = SampleSpec.from_json(json.loads(document))
        for batch in batches:
            c = {name: batch.column(name).to_numpy() for name in batch.schema.names}
            for epoch in np.unique(c["epoch"]).tolist():
                for kind in np.unique(c["edge_type"]).tolist():
                    t = layout.edge_types[kind]
                    of = np.flatnonzero((c["epoch"] == epoch) & (c["edge_type"] == kind))
                    fan_out = rules.num_neighbors.get(t, (0,) * rules.hops)[hop - 1]
                    nodes = c["node"][of]
                    own = (layout.node_type, c["seed"][of]) if rules.disjoint else None
                    keys = draw_keys(rules.seed, epoch, str(t), nodes, own)
                    taken, offsets = picks(keys, c["degree"][of], fan_out, rules.replace)
                    who = np.repeat(of, taken)
                    starts = np.cumsum(taken) - taken
                    yield pa.RecordBatch.from_pydict(
                        {
                            "sample_id": c["sample_id"][who],
                            "epoch": np.full(len(who), epoch, np.int32),
                            "seed": c["seed"][who],
                            "edge_type": np.full(len(who), kind, np.int32),
                            "dst": c["node"][who],
                            "pick": (np.arange(len(who)) - np.repeat(starts, taken)).astype(np.int32),
                            "pos": c["start"][who] + offsets,
                            "node_type": np.full(len(who), layout.node_types.index(t.src), np.int32),
                        }
                    )

    return draw


def _assemble(layout: Layout, parts: Sequence[tuple[int, int, str]]) -> Mapped:
    """Records of rows that ascend by sample_id: a seed's own row, then its edges by type, destination and pick."""

    def assemble(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            if batch.num_rows == 0:
                continue
            ids = batch.column("sample_id").to_numpy()
            cut = int(np.searchsorted(ids, ids[-1]))  # rows of the last record may follow
            if cut:
                yield from _records(pa.Table.from_batches([*waiting, batch.slice(0, cut)]), layout, parts)
                waiting = []
            waiting.append(batch.slice(cut))
        if waiting:
            yield from _records(pa.Table.from_batches(waiting), layout, parts)

    return assemble


def _records(table: "pa.Table", layout: Layout, parts: Sequence[tuple[int, int, str]]) -> "Iterator[pa.RecordBatch]":
    c = {name: table[name].to_numpy() for name in table.column_names}
    starts = np.flatnonzero(np.diff(c["sample_id"], prepend=-1))
    ends = np.append(starts[1:], len(c["sample_id"]))
    block: list[Subgraph] = []
    first, kind = 0, ("", 0)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        number = int(c["sample_id"][start])
        part = next(name for low, high, name in parts if low <= number < high)
        this = (part, int(c["epoch"][start]))
        if block and (this != kind or len(block) == _RECORDS or number != first + len(block)):
            yield _block(block, layout, first, kind)
            block = []
        if not block:
            first, kind = number, this
        block.append(_expanded({name: values[start:end] for name, values in c.items()}, layout))
    if block:
        yield _block(block, layout, first, kind)


def _block(subgraphs: list[Subgraph], layout: Layout, first: int, kind: tuple[str, int]) -> "pa.RecordBatch":
    return to_arrow(Block(RecordColumns.of(subgraphs, layout), first, *kind, None))


def _expanded(c: dict[str, np.ndarray], layout: Layout) -> Subgraph:
    """Replay the expansion of one seed over the edges that were drawn for it; see schemas/picks.md."""
    seed = int(c["dst"][c["edge_type"] == _SEED][0])
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for kind, dst, pos, src in zip(*(c[n].tolist() for n in ("edge_type", "dst", "pos", "src")), strict=True):
        if kind != _SEED:
            edges.setdefault((kind, dst), []).append((pos, src))  # in the order of the picks
    local: dict[str, dict[int, int]] = {t: {} for t in layout.node_types}
    local[layout.node_type][seed] = 0
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
    groups = {t: np.zeros(len(rows), np.int32) for t, rows in nodes.items()} if layout.disjoint else None
    return Subgraph(nodes, node_counts, made, edge_counts, np.array([seed], np.int64), layout.node_type, groups)


def _seeds(spark: "SparkSession", producer: Producer, first: int, last: int, folder: Path) -> "DataFrame":
    """(sample_id, epoch, seed, node_type, node) of every record, in the plan's order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "seeds.parquet"
    kind = producer.layout.node_types.index(producer.node_type)
    writer: Any = None
    for task in producer.tasks(first, last):
        seeds = np.concatenate(task.seeds)
        columns: dict[str, np.ndarray] = {
            "sample_id": task.first + np.arange(len(seeds)),
            "epoch": np.full(len(seeds), task.epoch, np.int32),
            "seed": seeds,
            "node_type": np.full(len(seeds), kind, np.int32),
            "node": seeds,
        }
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()
    return spark.read.parquet(path.as_uri())


def _parts(producer: Producer) -> list[tuple[int, int, str]]:
    return [(s.first, s.first + s.records, s.part) for s in producer.plan.segments()]


def _written(spark: "SparkSession", frame: "DataFrame", path: Path) -> "DataFrame":
    """The frame from disk: later hops do not compute it again."""
    frame.write.mode("overwrite").parquet(path.as_uri())
    return spark.read.parquet(path.as_uri())
