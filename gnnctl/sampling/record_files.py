"""One file of records, written record after record, and read a few at a time."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gnnctl.errors import ArtifactError
from gnnctl.sampling.packed import PackWriter
from gnnctl.sampling.produce import Produced

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["parquet", "arrow"]
GROUP_BYTES = 8 << 20  # of records in memory that make a group of rows: the more, the less a group costs to open
COUNTS = ("records", "seeds", "nodes", "edges")
# Numbers within a record are near to each other: differences take a third of the bytes that their dictionaries would,
# and every reader of Parquet knows this encoding.
_DELTA = (
    "sample_id",
    "epoch",
    *(f"{name}.list.element" for name in ("nodes", "node_counts", "node_group")),
    *(f"{name}.list.element" for name in ("edge_row", "edge_col", "edge_counts", "edge_pos")),
    *(f"seeds.list.element.{name}" for name in ("node", "group", "time")),
)
_DICTIONARY = ["split", "seeds.list.element.type", "seeds.list.element.role", "labels.list.element.list.element"]


class RecordFile:
    """Records of one part and epoch on their way to disk.

    Args:
        path: where to.
        form: Parquet or Arrow IPC.
        produced: the first records.
        pack: gathers their features, if these are to lie beside them.
    """

    def __init__(self, path: Path, form: Format, produced: Produced, pack: PackWriter | None = None) -> None:
        import pyarrow as pa

        self.path = path
        self.pack = pack
        self._kind = (produced.part, produced.epoch)
        self._first = produced.batch.column("sample_id")[0].as_py()
        self._counts = dict.fromkeys(COUNTS, 0)
        self._digests: list[bytes] = []
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = records_writer(self._sink, produced.batch.schema, form)

    def takes(self, produced: Produced, most: int) -> bool:
        """Whether the next records belong into this file, which is to have ``most`` bytes or a little more."""
        if self._kind != (produced.part, produced.epoch):
            return False
        if self._bytes() >= most:
            self._write()
            if self.pack is not None:
                self.pack.merge()
        return self._bytes() < most

    def append(self, produced: Produced) -> None:
        """Write the next records."""
        self._waiting.append(produced.batch)
        self._waiting_bytes += produced.batch.nbytes
        if self._waiting_bytes >= GROUP_BYTES:
            self._write()
        self._digests.append(produced.digests)
        if self.pack is not None:
            self.pack.add(produced.batch)
        added = (produced.batch.num_rows, produced.seeds, produced.nodes, produced.edges)
        for name, count in zip(COUNTS, added, strict=True):
            self._counts[name] += count

    def close(self) -> dict[str, Any]:
        """Finish the file; what the summary says of it."""
        self._write()
        self._writer.close()
        self._sink.close()
        self.path.with_suffix(".digests").write_bytes(b"".join(self._digests))
        return {"split": self._kind[0], "epoch": self._kind[1], "first": self._first, **self._counts}

    def abandon(self) -> None:
        """Remove what there is of it."""
        self._writer.close()
        self._sink.close()
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        """What waits, as one group of rows."""
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting).combine_chunks())
        self._waiting, self._waiting_bytes = [], 0

    def _bytes(self) -> int:
        """At most what the file would have, if it ended here, and what lies beside it."""
        found: int = self._sink.tell() + self._waiting_bytes + (0 if self.pack is None else self.pack.bytes)
        return found


def records_writer(sink: Any, schema: "pa.Schema", form: Format) -> Any:
    """A writer of record batches, Parquet or Arrow IPC."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if form == "arrow":
        return pa.ipc.new_file(sink, schema)
    return pq.ParquetWriter(
        sink,
        schema,
        compression="lz4",  # differences hardly shrink further; zstd would take a third of a reader's time
        use_dictionary=_DICTIONARY,
        column_encoding=dict.fromkeys(_DELTA, "DELTA_BINARY_PACKED"),
    )


class RecordReader:
    """Reads a file of records by its groups of rows, in any order.

    Args:
        path: ``.arrow`` is Arrow IPC, mapped; else Parquet.

    Raises:
        ArtifactError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = path
        try:
            self._ipc = pa.ipc.open_file(pa.memory_map(str(path))) if path.suffix == ".arrow" else None
            self._parquet = None if self._ipc is not None else pq.ParquetFile(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise self._unreadable(error) from None

    @property
    def groups(self) -> int:
        """How many groups of rows there are."""
        count: int
        if self._ipc is not None:
            count = self._ipc.num_record_batches
        else:
            assert self._parquet is not None
            count = self._parquet.num_row_groups
        return count

    def group_rows(self) -> list[int]:
        """How many records each group has."""
        if self._ipc is not None:
            return [self._ipc.get_batch(i).num_rows for i in range(self.groups)]
        assert self._parquet is not None
        return [self._parquet.metadata.row_group(i).num_rows for i in range(self.groups)]

    @property
    def schema(self) -> "pa.Schema":
        """Arrow schema of the file."""
        return self._ipc.schema if self._ipc is not None else self._parquet.schema_arrow  # type: ignore[union-attr]

    @cached_property
    def structure(self) -> list[str]:
        """The columns but for positions of edges."""
        return [name for name in self.schema.names if name != "edge_pos"]

    def read(self, group: int, columns: list[str] | None = None, rows: int = 1 << 20) -> "Iterator[pa.RecordBatch]":
        """The records of a group, of Parquet so many rows at a time, which is usually one batch.

        Raises:
            ArtifactError: it is damaged.
        """
        import pyarrow as pa

        try:
            if self._ipc is not None:
                batch = self._ipc.get_batch(group)
                yield batch if columns is None else batch.select(columns)
            else:
                assert self._parquet is not None
                yield from self._parquet.iter_batches(
                    batch_size=rows, row_groups=[group], columns=columns, use_threads=False
                )
        except (OSError, pa.ArrowInvalid) as error:
            raise self._unreadable(error) from None

    def close(self) -> None:
        """Let go of the file."""
        if self._parquet is not None:
            self._parquet.close()

    def _unreadable(self, error: Exception) -> ArtifactError:
        text = " ".join(str(error).split())
        return ArtifactError(f"{self.path} cannot be read: {text}", fix="make the artifact again")
