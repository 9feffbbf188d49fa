"""A run of sampling on Spark, from the driver: the records as a frame, as Parquet, as an artifact."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gnnctl.artifacts import ArtifactWriter, Recipe
from gnnctl.console import Progress, no_progress
from gnnctl.sampling.adopt import block_of, refusal
from gnnctl.sampling.broken import Broken
from gnnctl.sampling.description import Description
from gnnctl.sampling.foreign import ForeignRecords
from gnnctl.sampling.ordered import ordered_map
from gnnctl.sampling.plan import records_at_once
from gnnctl.sampling.produce import Produced, Producer, produced
from gnnctl.sampling.records import from_arrow
from gnnctl.sampling.spark import SparkJob, sampled_frame, spark_session
from gnnctl.sampling.spark_joins import check_joinable, joined_frame
from gnnctl.sampling.store import FILE_BYTES, RecordsWriter
from gnnctl.splits import LinkSplit, NodeSplit

if TYPE_CHECKING:
    import pyarrow as pa

    from gnnctl.sampling.foreign import Run

Engine = Literal["spark", "spark-joins"]
_FOLDER = "spark"


def write_with_spark(
    output: Path,
    recipe: Recipe,
    description: Description,
    producer: Producer,
    split: NodeSplit | LinkSplit,
    bounds: tuple[int, int],
    *,
    engine: Engine = "spark",
    master: str | None = None,
    partitions: int | None = None,
    threads: int = 1,
    force: bool = False,
    file_bytes: int = FILE_BYTES,
    progress: Progress = no_progress,
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """The artifact that :func:`gnnctl.sampling.write.write_records` writes, made by Spark.

    Spark writes Parquet below ``OUTPUT.partial``, which all executors must reach, as they must the split and the graph;
    the driver takes that in. A run that was broken off after Spark was done goes on there.

    Args:
        engine: ``spark`` maps the graph on every executor; ``spark-joins`` joins tables of its edges.
        master: see :func:`spark_session`.
        partitions: of the records; None: four for each core that Spark has.
        threads: of the driver, that check and hash.
        output, recipe, description, producer, bounds, force, file_bytes: see ``write_records``.
        split: of the producer.

    Returns:
        The summary of the artifact.

    Raises:
        UsageError: Spark is not installed, or a way of sampling that joins do not draw.
    """
    if engine == "spark-joins":
        check_joinable(producer)
    first, last = bounds
    with ArtifactWriter(output, recipe, force=force, resume=True) as writer:
        folder = writer.path / _FOLDER
        tables = folder / "records"
        if last > first and not (tables / "_SUCCESS").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            with spark_session(master) as spark:
                parts = partitions or 4 * spark.sparkContext.defaultParallelism
                job = SparkJob.of(producer, split, recipe.options)
                log(f"{engine}: {last - first:,} records in {parts} partitions")
                if engine == "spark":
                    frame = sampled_frame(spark, job, first, last, parts)
                else:
                    frame = joined_frame(spark, producer, job, first, last, parts, folder)
                frame.write.mode("overwrite").parquet(tables.as_uri())
        records = RecordsWriter(
            writer, description, recipe.options["format"], view=producer.view, file_bytes=file_bytes
        )
        try:
            with progress(total=last - first, desc="taking in", unit="record") as bar:
                bar.update(records.done)
                for made in _taken_in(tables, description, split, first, records.done, threads):
                    records.append(made)
                    bar.update(made.batch.num_rows)
        except BaseException:
            records.abort()
            raise
        records.close()
        shutil.rmtree(folder, ignore_errors=True)
        return writer.summary


def _taken_in(
    folder: Path, description: Description, split: NodeSplit | LinkSplit, first: int, skip: int, threads: int
) -> "Any":
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        return iter(())
    broken, linked = Broken(), isinstance(split, LinkSplit)
    found = ForeignRecords.open(paths, broken, first=first, whole=False, linked=linked)
    if found is None:
        raise refusal(broken)

    def made(piece: "tuple[Run, pa.RecordBatch]") -> Produced:
        (run, batch), d = piece, description
        where = str(found.paths[run.file])
        if isinstance(split, NodeSplit):
            return produced(block_of(batch, d, split, where))
        return produced(from_arrow(batch, d.layout, d.labels, split.view(run.part), where))

    rows = records_at_once(description.batch_size)
    return ordered_map(made, _regrouped(found.read(rows, first + skip), rows), threads)


def _regrouped(pieces: "Iterable[tuple[Run, pa.RecordBatch]]", rows: int) -> "Iterator[tuple[Run, pa.RecordBatch]]":
    """The records in the groups of ``rows`` that the local engine makes, wherever Spark cut them: equal files."""
    import pyarrow as pa

    def joined(held: "list[pa.RecordBatch]") -> "pa.RecordBatch":
        return held[0] if len(held) == 1 else pa.Table.from_batches(held).combine_chunks().to_batches()[0]

    for _, found in groupby(pieces, key=lambda piece: (piece[0].part, piece[0].epoch)):
        held: list[pa.RecordBatch] = []
        count = 0
        for run, batch in found:
            rest = batch
            while rest.num_rows:
                taken = rest.slice(0, rows - count)
                rest = rest.slice(taken.num_rows)
                held.append(taken)
                count += taken.num_rows
                if count == rows:
                    yield run, joined(held)
                    held, count = [], 0
        if held:
            yield run, joined(held)
