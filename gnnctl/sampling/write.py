"""Writing the records of a run, or the part of them that one shard has."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from gnnctl.artifacts import ArtifactWriter, Recipe
from gnnctl.console import Progress, no_progress
from gnnctl.sampling.description import Description
from gnnctl.sampling.produce import Producer
from gnnctl.sampling.store import FILE_BYTES, RecordsWriter


def write_records(
    output: Path,
    recipe: Recipe,
    description: Description,
    producer: Producer,
    bounds: tuple[int, int],
    *,
    threads: int = 1,
    force: bool = False,
    file_bytes: int = FILE_BYTES,
    progress: Progress = no_progress,
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Sample records into an artifact; a run that was broken off goes on after its last whole file.

    Args:
        output: folder of the artifact.
        recipe: of the artifact; its option ``format`` is that of the files.
        description: of all records, whichever of them are written.
        producer: makes them.
        bounds: first record, and the one after the last.
        threads: that sample.
        force: replace an artifact of another recipe.
        file_bytes: see :class:`RecordsWriter`.

    Returns:
        The summary of the artifact.
    """
    first, last = bounds
    with ArtifactWriter(output, recipe, force=force, resume=True) as writer:
        form, view = recipe.options["format"], producer.view
        records = RecordsWriter(writer, description, form, view=view, file_bytes=file_bytes)
        if records.done:
            log(f"{output}: going on after {records.done:,} records")
        try:
            with (
                closing(producer.records(first + records.done, last, threads)) as made,
                progress(total=last - first, desc="sampling", unit="record") as bar,
            ):
                bar.update(records.done)
                for produced in made:
                    records.append(produced)
                    bar.update(produced.batch.num_rows)
        except BaseException:
            records.abort()
            raise
        records.close()
        return writer.summary
