"""Sampling on Spark: every executor maps the graph, and samples the records of the seeds that are dealt to it."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.errors import ArtifactError, ResourceError, UsageError
from gnnctl.sampling.link_produce import given_negatives, link_producer
from gnnctl.sampling.methods import read_spec
from gnnctl.sampling.produce import Producer
from gnnctl.splits import LinkSplit, NodeSplit, open_split

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_NO_OPTIONS: Mapping[str, Any] = {}
_SEED = "struct<type:string,node:bigint,role:string,group:int,time:bigint>"
_LISTS = {"nodes": "bigint", "node_counts": "bigint", "node_group": "int", "edge_row": "int", "edge_col": "int"}
_LISTS |= {"edge_counts": "bigint", "edge_pos": "bigint"}


def records_ddl(weighted: bool, linked: bool = False) -> str:
    """The columns of records as Spark spells them; see schemas/README.md."""
    columns = ["sample_id bigint", "split string", "epoch int", f"seeds array<{_SEED}>", "labels array<array<double>>"]
    columns += [f"{name} array<{kind}>" for name, kind in _LISTS.items()]
    columns += ["edge_weight array<float>"] if weighted else []
    return ", ".join([*columns, *(["relation array<int>"] if linked else [])])


@dataclass(frozen=True)
class SparkJob:
    """What executors must know to make any record of a run; small, and the same for all of them.

    Attributes:
        split, graph: folders, the same path on every executor.
        fingerprint: of the split.
        spec: how to sample, as JSON.
        unit, batch_size, epochs, balanced: see :class:`RecordPlan` and :class:`Producer`.
        negatives: of a split of links, what :func:`link_producer` is given of them, as JSON; None: a split of nodes.
    """

    split: str
    graph: str
    fingerprint: str
    spec: str
    unit: Any
    batch_size: int
    epochs: int
    balanced: bool = False
    negatives: str | None = None

    @classmethod
    def of(
        cls, producer: Producer, split: NodeSplit | LinkSplit, options: Mapping[str, Any] = _NO_OPTIONS
    ) -> "SparkJob":
        """The job of a producer over artifacts on disk.

        Args:
            producer: of the split.
            split: of nodes or links.
            options: the resolved ones of the recipe, which say how negatives of links are drawn.

        Raises:
            ValueError: the split or its graph is in memory alone.
        """
        if split.artifact is None or split.graph.artifact is None:
            raise ValueError("split: executors can only map what is on disk")
        plan = producer.plan
        return cls(
            os.path.abspath(split.artifact.path),
            os.path.abspath(split.graph.artifact.path),
            split.artifact.fingerprint,
            json.dumps(producer.spec.to_json()),
            plan.unit,
            plan.batch_size,
            plan.epochs,
            producer.balanced,
            json.dumps(given_negatives(options)) if isinstance(split, LinkSplit) else None,
        )

    def producer(self) -> Producer:
        """What makes the records, in this process; opened once."""
        return _producer(self)


@lru_cache(maxsize=2)
def _producer(job: SparkJob) -> Producer:
    split = open_split(job.split, Path(job.graph))
    if split.artifact is None or split.artifact.fingerprint != job.fingerprint:
        raise ArtifactError(f"{job.split} is another split on this executor", fix="give all the same files")
    spec = read_spec(json.loads(job.spec))
    how = (job.unit, job.batch_size, job.epochs, spec.seed, job.balanced)
    if isinstance(split, LinkSplit):
        return link_producer(split, spec, *how, json.loads(job.negatives or "{}"))[0]
    return Producer.around_nodes(split, spec, *how)


def sampled_frame(spark: "SparkSession", job: SparkJob, first: int, last: int, partitions: int) -> "DataFrame":
    """Records ``first`` to ``last - 1``, a row each, ascending through the partitions.

    The numbers are dealt out in runs, one a partition; a record is a function of its number, so that nothing depends on
    partitions, executors, or tasks that were run again.
    """
    weighted = bool(read_spec(json.loads(job.spec)).own_weights)
    return spark.range(first, last, 1, partitions).mapInArrow(
        _sample(job), records_ddl(weighted, job.negatives is not None)
    )


def _sample(job: SparkJob) -> "Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]":
    def sample(numbers: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        producer = job.producer()
        for batch in numbers:
            ids = batch.column(0).to_numpy()
            ends = np.flatnonzero(np.diff(ids) != 1) + 1
            for run in np.split(ids, ends):
                if len(run):
                    for made in producer.records(int(run[0]), int(run[-1]) + 1, 0):
                        yield made.batch

    return sample


@contextmanager
def spark_session(master: str | None) -> "Iterator[SparkSession]":
    """A Spark session: the running one if there is one, else a new one, which ends with the context.

    Args:
        master: as ``local[2]`` or ``spark://host:7077``; None: what spark-submit or Spark's configuration says.

    Raises:
        UsageError: pyspark is not installed.
        ResourceError: Spark does not start.
    """
    try:
        import pandas  # noqa: F401  # mapInArrow asks for it, and says so only once Spark runs
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        fix = "install it with pip install 'gnnctl[spark]'"
        raise UsageError(f"Spark needs {error.name}, which is not installed", fix=fix) from None
    running = SparkSession.getActiveSession()
    if running is not None:
        yield running
        return
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("gnnctl sample").config("spark.ui.enabled", "false")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    if master is not None:
        builder = builder.master(master)
        if master.startswith("local"):
            builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    try:
        session = builder.getOrCreate()
    except PySparkException as error:
        text = " ".join(str(error).split())
        raise ResourceError(f"Spark does not start: {text}", fix="install Java 17 or later, or set JAVA_HOME") from None
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()
