"""Files of records that anyone wrote: their columns, their order, and reading them in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gnnctl.errors import DataError
from gnnctl.sampling.broken import Broken
from gnnctl.sampling.plan import EVALUATION, TRAIN, Segment
from gnnctl.sampling.record_files import RecordReader
from gnnctl.sampling.records import record_schema

if TYPE_CHECKING:
    import pyarrow as pa

_KEYS = ["sample_id", "split", "epoch"]
_MAY_LACK = ("labels", "node_group", "edge_weight")


class Run(NamedTuple):
    """Consecutive records of one part and epoch in a group of rows of a file: ``rows`` from ``start``."""

    file: int
    group: int
    start: int
    rows: int
    first: int
    part: str
    epoch: int


@dataclass(frozen=True)
class ForeignRecords:
    """Files of records, with what was found in them.

    Attributes:
        paths: Parquet or Arrow IPC.
        runs: all records, in order of sample_id.
        segments: by part and epoch.
        weighted: whether they have edge weights of their own.
        grouped: whether they have node groups.
        linked: whether they are around links.
    """

    paths: list[Path]
    runs: list[Run]
    segments: tuple[Segment, ...]
    weighted: bool
    grouped: bool
    linked: bool = False

    @classmethod
    def open(
        cls, paths: Sequence[Path], broken: Broken, *, first: int = 0, whole: bool = True, linked: bool = False
    ) -> "ForeignRecords | None":
        """Look through the files; None where what they break leaves no order to read them in.

        Memory: a few words for each group of rows, and the numbers of the records of one file.

        Args:
            first: number of the first record.
            whole: they are all of a run, of every part and epoch.
            linked: they must be around links.

        Raises:
            ArtifactError: a file cannot be read.
        """
        if not paths:
            raise DataError("no files of records are named", fix="name Parquet or Arrow files")
        found: list[Run] = []
        for number, path in enumerate(paths):
            reader = RecordReader(path)
            if _columns_fit(reader.schema, path, broken, linked):
                found += _runs(reader, number, broken)
            reader.close()
        if len(broken):
            return None
        found.sort(key=lambda run: run.first)
        segments = _segments(found, paths, broken, first, whole)
        if len(broken):
            return None
        schema = RecordReader(paths[0]).schema
        grouped = any(_some(RecordReader(path), "node_group") for path in paths[:1])
        return cls(list(paths), found, segments, "edge_weight" in schema.names, grouped, linked)

    @property
    def records(self) -> int:
        """How many there are."""
        return sum(segment.records for segment in self.segments)

    def read(self, rows: int, skip: int = 0) -> "Iterator[tuple[Run, pa.RecordBatch]]":
        """All records but the first ``skip``, in order, each batch of one part and epoch and with the right columns.

        Args:
            rows: of a batch, at most.

        Raises:
            ArtifactError: a file is damaged.
            DataError: a value that its column's type cannot hold.
        """
        schema = record_schema(self.weighted, self.linked)
        for (file, group), found in groupby(self.runs, key=lambda run: (run.file, run.group)):
            runs = [run for run in found if run.first + run.rows > skip]
            if not runs:
                continue
            reader = RecordReader(self.paths[file])
            start = 0
            for batch in reader.read(group, rows=rows):
                for run in runs:
                    low = max(run.start + max(0, skip - run.first), start)
                    high = min(run.start + run.rows, start + batch.num_rows)
                    for at in range(low, high, rows):
                        piece = batch.slice(at - start, min(rows, high - at))
                        part = run._replace(first=run.first + at - run.start, start=at, rows=piece.num_rows)
                        yield part, conformed(piece, schema, self.paths[file])
                start += batch.num_rows
            reader.close()


def conformed(batch: "pa.RecordBatch", schema: "pa.Schema", path: Path) -> "pa.RecordBatch":
    """The batch with exactly these columns, cast where no value changes; columns that may be missing are null.

    Raises:
        DataError: a value that changes.
    """
    import pyarrow as pa

    columns = []
    for field in schema:
        if field.name not in batch.schema.names:
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        try:
            columns.append(_cast(batch.column(field.name), field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            what = " ".join(str(error).split())
            raise DataError(f"{path}: column {field.name}: {what}", fix="write it as schemas/README.md says") from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(array: "pa.Array", wanted: "pa.DataType") -> "pa.Array":
    import pyarrow as pa

    if array.type == wanted:
        return array
    if pa.types.is_struct(wanted):
        parts = [_cast(array.field(f.name), f.type) for f in wanted]
        return pa.StructArray.from_arrays(parts, fields=list(wanted))
    if pa.types.is_list(wanted) and pa.types.is_list(array.type):
        # Casting to a list of structs goes by the order of their fields, this by their names.
        mask = array.is_null() if array.null_count else None
        lengths = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), _cast(array.flatten(), wanted.value_type), mask=mask)
    return array.cast(wanted)


def _columns_fit(schema: "pa.Schema", path: Path, broken: Broken, linked: bool) -> bool:
    wanted = record_schema("edge_weight" in schema.names, linked)
    before = len(broken)
    for field in wanted:
        if field.name not in schema.names:
            if field.name not in _MAY_LACK:
                broken.add(f"no {field.name}", f"{path}: there is no column {field.name}, {_type_text(field.type)}")
        elif not _alike(found := schema.field(field.name).type, field.type):
            what = f"column {field.name} is {_type_text(found)}, not {_type_text(field.type)}"
            broken.add(f"type of {field.name}", f"{path}: {what}")
    for name in schema.names:
        if name not in wanted.names:
            broken.add(f"column {name}", f"{path}: there is a column {name}, which records do not have")
    return len(broken) == before


def _alike(found: "pa.DataType", wanted: "pa.DataType") -> bool:
    """Whether values of one type can be exactly those of the other."""
    import pyarrow as pa

    t = pa.types
    if t.is_null(found):
        return True
    if t.is_list(wanted):
        lists = t.is_list(found) or t.is_large_list(found)
        return lists and _alike(found.value_type, wanted.value_type)
    if t.is_struct(wanted):
        if not t.is_struct(found) or {f.name for f in found} != {f.name for f in wanted}:
            return False
        return all(_alike(found.field(f.name).type, f.type) for f in wanted)
    if t.is_string(wanted):
        plain = found.value_type if t.is_dictionary(found) else found
        return bool(t.is_string(plain) or t.is_large_string(plain))
    if t.is_integer(wanted):
        return bool(t.is_integer(found))
    return bool(t.is_floating(found) or t.is_integer(found))


def _type_text(found: "pa.DataType") -> str:
    import pyarrow as pa

    if pa.types.is_list(found) or pa.types.is_large_list(found):
        return f"list of {_type_text(found.value_type)}"
    return "struct" if pa.types.is_struct(found) else str(found)


def _runs(reader: RecordReader, number: int, broken: Broken) -> Iterator[Run]:
    """Runs of consecutive numbers of one part and epoch, group by group."""
    import pyarrow as pa

    last = -1
    for group in range(reader.groups):
        keys = pa.Table.from_batches(list(reader.read(group, _KEYS)))
        if nulls := [name for name in _KEYS if keys[name].null_count]:
            broken.add(f"null {nulls[0]}", f"{reader.path}: {nulls[0]} is null in {keys[nulls[0]].null_count} records")
            return
        if keys.num_rows == 0:
            continue
        ids = keys["sample_id"].to_numpy().astype(np.int64)
        epochs = keys["epoch"].to_numpy()
        parts = keys["split"].combine_chunks().dictionary_encode()
        codes, names = parts.indices.to_numpy(), parts.dictionary.to_pylist()
        steps = np.diff(ids, prepend=last)
        if np.any(steps <= 0):
            at = int(np.flatnonzero(steps <= 0)[0])
            before = last if at == 0 else int(ids[at - 1])
            line = f"{reader.path}: sample_id {ids[at]} comes after {before}; records must ascend within a file"
            broken.add("order", line)
            return
        last = int(ids[-1])
        same = (np.diff(ids) == 1) & (np.diff(epochs) == 0) & (np.diff(codes) == 0)
        starts = np.concatenate([[0], np.flatnonzero(~same) + 1])
        for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            part, epoch = names[codes[start]], int(epochs[start])
            yield Run(number, group, int(start), int(end - start), int(ids[start]), part, epoch)


def _segments(runs: list[Run], paths: Sequence[Path], broken: Broken, wanted: int, whole: bool) -> tuple[Segment, ...]:
    """The parts and epochs in order, which must be train 1, 2, ..., val 0, test 0, numbered without gaps."""
    segments: list[Segment] = []
    for run in runs:
        if run.first != wanted:
            what = "is there twice" if run.first < wanted else f"is missing: {run.first} follows {wanted - 1}"
            number = run.first if run.first < wanted else wanted
            broken.add("numbers", f"{paths[run.file]}: sample_id {number} {what}; they count from 0 without gaps")
            return ()
        wanted += run.rows
        last = segments[-1] if segments else None
        if last is not None and (last.part, last.epoch) == (run.part, run.epoch):
            segments[-1] = Segment(last.part, last.epoch, last.first, last.records + run.rows)
        else:
            segments.append(Segment(run.part, run.epoch, run.first, run.rows))
    kinds = [(s.part, s.epoch) for s in segments]
    epochs = sum(part == TRAIN for part, _ in kinds)
    order = [(TRAIN, e) for e in range(1, epochs + 1)] + [(p, 0) for p in EVALUATION if (p, 0) in kinds]
    if whole and (not epochs or kinds != order):
        found = ", ".join(f"{part} {epoch}" for part, epoch in kinds) or "nothing"
        broken.add("parts", f"{paths[0]}: records are of {found}; they must be of train 1, 2, ..., then val 0, test 0")
    return tuple(segments)


def _some(reader: RecordReader, column: str) -> bool:
    """Whether a column has a value in the first group of rows."""
    if column not in reader.schema.names or reader.groups == 0:
        return False
    return any(batch.column(column).null_count < batch.num_rows for batch in reader.read(0, [column]))
