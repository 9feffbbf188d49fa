"""The subgraphs artifact: records in Parquet or Arrow files, written in order, read back lazily."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gnnctl.artifacts import Artifact, ArtifactWriter
from gnnctl.errors import ArtifactError
from gnnctl.sampling.description import Description
from gnnctl.sampling.produce import Produced
from gnnctl.sampling.records import Block, from_arrow
from gnnctl.splits import LinkSplit, NodeSplit, open_split

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["parquet", "arrow"]
_FOLDER, _PROGRESS = "records", "progress.json"
_FILE_BYTES = 64 << 20
_COUNTS = ("records", "seeds", "nodes", "edges")


class RecordsWriter:
    """Writes records into an artifact, file after file; an interrupted run goes on after its last whole file.

    Args:
        writer: of the artifact, with ``resume``.
        description: of all records of the run, whichever of them are written here.
        form: of the files.
    """

    def __init__(self, writer: ArtifactWriter, description: Description, form: Format) -> None:
        self._writer = writer
        self._form = form
        self._progress = writer.path / _PROGRESS
        self._shards: list[dict[str, Any]] = []
        self._open: _OpenFile | None = None
        writer.json("subgraphs", description.to_json())
        if self._progress.is_file():
            self._shards = json.loads(self._progress.read_text())
        known = {shard["path"] for shard in self._shards}
        for file in (writer.path / _FOLDER).glob("*"):
            if file.with_suffix(f".{form}").relative_to(writer.path).as_posix() not in known:
                file.unlink()
        for shard in self._shards:
            self._claim(shard["path"])

    @property
    def done(self) -> int:
        """Records that an interrupted run left."""
        return sum(shard["records"] for shard in self._shards)

    def append(self, produced: Produced) -> None:
        """Write the next records."""
        file = self._open
        if file is not None and (file.bytes >= _FILE_BYTES or not file.takes(produced)):
            self._finish()
            file = None
        if file is None:
            path = self._claim(f"{_FOLDER}/{len(self._shards):05d}.{self._form}")
            file = self._open = _OpenFile(path, self._form, produced)
        file.append(produced)

    def adopt(self, source: Path, shard: dict[str, Any]) -> None:
        """Take over a whole file of another artifact, and its digests."""
        name = f"{_FOLDER}/{len(self._shards):05d}.{self._form}"
        path = self._claim(name)
        for suffix in (path.suffix, ".digests"):
            _link_or_copy((source / shard["path"]).with_suffix(suffix), path.with_suffix(suffix))
        self._shards.append({**shard, "path": name})

    def close(self) -> None:
        """Finish the last file; state counts, files, and the content hash."""
        self._finish()
        content = hashlib.sha256()
        for shard in self._shards:
            content.update((self._writer.path / shard["path"]).with_suffix(".digests").read_bytes())
        self._writer.content("records", content.hexdigest())
        self._progress.unlink(missing_ok=True)
        totals = {name: sum(shard[name] for shard in self._shards) for name in _COUNTS}
        self._writer.summary.update(totals, shards=self._shards)

    def abort(self) -> None:
        """Let go of the file that is being written."""
        if self._open is not None:
            self._open.abandon()
            self._open = None

    def _claim(self, name: str) -> Path:
        # The records' own hash is the content: how they are cut into files, and in which format, is not.
        self._writer.file(str(Path(name).with_suffix(".digests")), content=False)
        return self._writer.file(name, content=False)

    def _finish(self) -> None:
        if self._open is None:
            return
        self._shards.append({"path": f"{_FOLDER}/{self._open.path.name}", **self._open.close()})
        self._open = None
        beside = self._progress.with_suffix(".tmp")
        beside.write_text(json.dumps(self._shards))
        beside.rename(self._progress)


class _OpenFile:
    """One file of records of one part and epoch."""

    def __init__(self, path: Path, form: Format, produced: Produced) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = path
        self.bytes = 0
        self._kind = (produced.part, produced.epoch)
        self._first = produced.batch.column("sample_id")[0].as_py()
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._digests: list[bytes] = []
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = (
            pq.ParquetWriter(self._sink, produced.batch.schema, compression="zstd", compression_level=1)
            if form == "parquet"
            else pa.ipc.new_file(self._sink, produced.batch.schema)
        )

    def takes(self, produced: Produced) -> bool:
        return self._kind == (produced.part, produced.epoch)

    def append(self, produced: Produced) -> None:
        self._writer.write_batch(produced.batch)
        self._digests.append(produced.digests)
        self.bytes += produced.batch.nbytes
        added = (produced.batch.num_rows, produced.seeds, produced.nodes, produced.edges)
        for name, count in zip(_COUNTS, added, strict=True):
            self._counts[name] += count

    def close(self) -> dict[str, Any]:
        self._writer.close()
        self._sink.close()
        self.path.with_suffix(".digests").write_bytes(b"".join(self._digests))
        return {"split": self._kind[0], "epoch": self._kind[1], "first": self._first, **self._counts}

    def abandon(self) -> None:
        self._writer.close()
        self._sink.close()
        self.path.unlink(missing_ok=True)


class SubgraphRecords:
    """A subgraphs artifact, open for reading.

    Args:
        artifact: of kind subgraphs.
        split: that it was sampled from.
    """

    def __init__(self, artifact: Artifact, split: NodeSplit | LinkSplit) -> None:
        self.artifact = artifact
        self.split = split
        self.description = Description.from_json(artifact.json("subgraphs"))
        self.shards: list[dict[str, Any]] = artifact.manifest.summary["shards"]

    @classmethod
    def open(
        cls, source: Path | str | Artifact, *, split: Path | None = None, graph: Path | None = None
    ) -> "SubgraphRecords":
        """Open the artifact, its split and its graph, where they were or as named.

        Raises:
            ArtifactError: missing, damaged, of another kind, one shard of several, or made from something else.
        """
        artifact = source if isinstance(source, Artifact) else Artifact.open(source, "subgraphs")
        if artifact.kind != "subgraphs":
            raise ArtifactError(f"{artifact.path} is a {artifact.kind}, not subgraphs", fix="name a subgraphs artifact")
        if shard := artifact.manifest.options.get("shard"):
            raise ArtifactError(
                f"{artifact.path} is shard {shard['index']} of {shard['count']}",
                fix="make all of them one with gnnctl sample --join",
            )
        return cls(artifact, open_split(artifact.parent("split", split), graph))

    def blocks(self, part: str, epoch: int) -> Iterator[Block]:
        """The records of a part and epoch, some at a time, in order; read as they are asked for.

        Raises:
            ArtifactError: there are none, or they are damaged.
        """
        expected = self.description.segment(part, epoch, str(self.artifact.path))
        found, view = 0, self.split.view(part)
        for shard in self.shards:
            if (shard["split"], shard["epoch"]) != (part, epoch):
                continue
            path = self.artifact.path / shard["path"]
            for batch in _batches(path):
                block = from_arrow(batch, self.description.layout, self.description.labels, view, str(path))
                if (block.part, block.epoch, block.first) != (part, epoch, expected.first + found):
                    raise ArtifactError(f"{path}: records are missing or out of order", fix="make the artifact again")
                found += len(block)
                yield block
        if found != expected.records:
            raise ArtifactError(
                f"{self.artifact.path}: {part} epoch {epoch} has {found} of {expected.records} records",
                fix="make the artifact again",
            )


def _batches(path: Path) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".arrow":
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
            for i in range(reader.num_record_batches):
                yield reader.get_batch(i)
        else:
            with pq.ParquetFile(path) as file:
                for i in range(file.num_row_groups):
                    yield from file.iter_batches(batch_size=1 << 20, row_groups=[i])
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError(
            f"{path} cannot be read: {' '.join(str(error).split())}", fix="make the artifact again"
        ) from None


def _link_or_copy(source: Path, target: Path) -> None:
    import shutil

    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
