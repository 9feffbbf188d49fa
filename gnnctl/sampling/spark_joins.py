"""Sampling on Spark where the graph fits no executor: hop by hop, by joins with tables of its edges.

A hop joins the nodes that the last one reached with their in-degrees, draws with the published pick function which of
their in-edges they take, and joins these with the edges' sources; a node that was there before is not expanded again.
In the end each record's edges come together, and replaying the expansion over them gives it. All of it is a function of
keys, so that the records are those of the native sampler, byte for byte.

The driver maps the graph. Around links it also has the views of the split, draws the negatives and finds what the tree
of a link does not see.
"""

import json
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.sampling.columns import Layout
from gnnctl.sampling.draws import draw_keys, picks, visible_picks
from gnnctl.sampling.link_sampler import TREES_OF_LINKS
from gnnctl.sampling.produce import Producer
from gnnctl.sampling.spark import SparkJob, records_ddl
from gnnctl.sampling.spark_edges import Mapped, edge_tables
from gnnctl.sampling.spark_records import assembled
from gnnctl.sampling.spark_seeds import SeedTables, views_of
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.trees import HiddenEdges

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


def check_joinable(producer: Producer) -> None:
    """Refuse what joins do not draw.

    Raises:
        UsageError: why.
    """
    fix, spec = "use --engine spark, which maps the graph", producer.spec
    if not isinstance(spec, SampleSpec):
        raise UsageError(f"--engine spark-joins does not draw '{spec.name}'", fix=fix)
    if producer.plan.unit != "seed":
        raise UsageError(
            "--engine spark-joins samples single seeds and links", fix="pass --unit seed, or --engine spark"
        )
    rules = {"--draw": spec.draw != "uniform", "--time": spec.time, "--fan-out-budget": spec.budget}
    rules["--subgraph"] = spec.subgraph != "directional"
    for flag, given in rules.items():
        if given:
            raise UsageError(f"{flag} does not go with --engine spark-joins", fix=fix)


def joined_frame(
    spark: "SparkSession", producer: Producer, job: SparkJob, first: int, last: int, partitions: int, folder: Path
) -> "DataFrame":
    """Records ``first`` to ``last - 1``, ascending through the partitions; around nodes without labels and times.

    Args:
        folder: for the tables of each hop; all executors reach it.
        producer, job: of single seeds or links, as :func:`check_joinable` allows.
    """
    spec, layout = producer.spec, producer.layout
    assert isinstance(spec, SampleSpec)
    own = SeedTables.write(spark, producer, first, last, folder)
    in_degrees, sources = edge_tables(spark, job, layout, views_of(producer, first, last))
    reached, drawn = own.nodes, []
    visited = [reached.select("sample_id", "node_type", "node")]
    for hop in range(1, layout.hops + 1):
        picked = reached.join(in_degrees, ["view", "node_type", "node"]).mapInArrow(
            _picks(spec, layout, hop),
            "sample_id bigint, view int, epoch int, own bigint, edge_type int, dst bigint, pick int, pos bigint, "
            "node_type int",
        )
        edges = _written(spark, picked.join(sources, ["view", "edge_type", "pos"]), folder / f"edges-{hop}")
        drawn.append(edges.select("sample_id", "edge_type", "dst", "pick", "pos", "src"))
        if hop == layout.hops:
            break
        found = edges.selectExpr("sample_id", "view", "epoch", "own", "node_type", "src as node").distinct()
        known = reduce(lambda a, b: a.union(b), visited)
        new = found.join(known, ["sample_id", "node_type", "node"], "left_anti")
        reached = _written(spark, new, folder / f"hop-{hop}")
        visited.append(reached.select("sample_id", "node_type", "node"))
    rows = reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), [own.seeds, *drawn])
    ordered = rows.repartitionByRange(partitions, "sample_id").sortWithinPartitions("sample_id", "edge_type", "pick")
    ddl = records_ddl(False, layout.links is not None)
    return ordered.mapInArrow(assembled(layout, producer.plan.segments()), ddl)


def _picks(spec: SampleSpec, layout: Layout, hop: int) -> Mapped:
    """Of rows (view, node_type, node, sample_id, epoch, own, edge_type, start, degree) the edges that are taken."""
    document = json.dumps(spec.to_json())
    trees = layout.node_type if layout.links is None else TREES_OF_LINKS

    def draw(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        rules = SampleSpec.from_json(json.loads(document))
        for batch in batches:
            c = {name: batch.column(name).to_numpy() for name in batch.schema.names if name != "hidden"}
            hidden = batch.column("hidden") if "hidden" in batch.schema.names else None
            for epoch in np.unique(c["epoch"]).tolist():
                for kind in np.unique(c["edge_type"]).tolist():
                    t = layout.edge_types[kind]
                    of = np.flatnonzero((c["epoch"] == epoch) & (c["edge_type"] == kind))
                    fan_out = rules.num_neighbors.get(t, (0,) * rules.hops)[hop - 1]
                    nodes, degree = c["node"][of], c["degree"][of]
                    own = (trees, c["own"][of]) if rules.disjoint else None
                    keys = draw_keys(rules.seed, epoch, str(t), nodes, own)
                    if hidden is None:
                        taken, offsets = picks(keys, degree, fan_out, rules.replace)
                    else:
                        taken, offsets = visible_picks(keys, degree, fan_out, _hidden(hidden, of, kind))
                    who = np.repeat(of, taken)
                    starts = np.cumsum(taken) - taken
                    yield pa.RecordBatch.from_pydict(
                        {
                            "sample_id": c["sample_id"][who],
                            "view": c["view"][who],
                            "epoch": np.full(len(who), epoch, np.int32),
                            "own": c["own"][who],
                            "edge_type": np.full(len(who), kind, np.int32),
                            "dst": c["node"][who],
                            "pick": (np.arange(len(who)) - np.repeat(starts, taken)).astype(np.int32),
                            "pos": c["start"][who] + offsets,
                            "node_type": np.full(len(who), layout.node_types.index(t.src), np.int32),
                        }
                    )

    return draw


def _hidden(column: "pa.ListArray", rows: np.ndarray, edge_type: int) -> HiddenEdges:
    """What some ascending rows of (edge_type, offset) lists say of one type."""
    edges = column.flatten()
    owner = np.repeat(np.arange(len(column)), column.value_lengths().to_numpy())
    there = (edges.field("edge_type").to_numpy() == edge_type) & np.isin(owner, rows)
    counts = np.bincount(owner[there], minlength=len(column))[rows]
    return HiddenEdges(np.append(0, np.cumsum(counts)), edges.field("offset").to_numpy()[there])


def _written(spark: "SparkSession", frame: "DataFrame", path: Path) -> "DataFrame":
    """The frame from disk: later hops do not compute it again."""
    frame.write.mode("overwrite").parquet(path.as_uri())
    return spark.read.parquet(path.as_uri())
