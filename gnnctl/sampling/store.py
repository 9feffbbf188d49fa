"""The subgraphs artifact: records in Parquet or Arrow files, written in order, read back lazily."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.artifacts import Artifact, ArtifactWriter
from gnnctl.errors import ArtifactError
from gnnctl.graph.graph import Graph
from gnnctl.graph.layout import is_feature
from gnnctl.sampling.description import Description
from gnnctl.sampling.ordered import ordered_map
from gnnctl.sampling.packed import FOLDER as PACKED
from gnnctl.sampling.packed import Packing, PackWriter
from gnnctl.sampling.packs import Pack
from gnnctl.sampling.produce import Produced
from gnnctl.sampling.record_files import COUNTS, Format, RecordFile, RecordReader
from gnnctl.sampling.records import Block, from_arrow
from gnnctl.sampling.reorder import WINDOW, mixed, shuffled
from gnnctl.splits import LinkSplit, NodeSplit, open_split

if TYPE_CHECKING:
    import pyarrow as pa

_FOLDER, _PROGRESS = "records", "progress.json"
FILE_BYTES = 128 << 20
_MOST_OPEN = 64  # files of records at a time


class RecordsWriter:
    """Writes records into an artifact, file after file; an interrupted run goes on after its last whole file.

    Args:
        writer: of the artifact, with ``resume``.
        description: of all records of the run, whichever of them are written here.
        form: of the files.
        view: by part the graph whose features the description wants packed; None where whole files are adopted.
        file_bytes: least size of a file, but for the last one of a part and epoch.
    """

    def __init__(
        self,
        writer: ArtifactWriter,
        description: Description,
        form: Format,
        *,
        view: Callable[[str], Graph] | None = None,
        file_bytes: int = FILE_BYTES,
    ) -> None:
        self._writer = writer
        self._form = form
        self._description, self._view, self._file_bytes = description, view, file_bytes
        self._progress = writer.path / _PROGRESS
        self._shards: list[dict[str, Any]] = []
        self._open: RecordFile | None = None
        writer.json("subgraphs", description.to_json())
        if self._progress.is_file():
            self._shards = json.loads(self._progress.read_text())
        known = {Path(shard["path"]).stem for shard in self._shards}
        for folder in (_FOLDER, PACKED):
            for file in (writer.path / folder).glob("*"):
                if file.name.partition(".")[0] not in known:
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
        if file is not None and not file.takes(produced, self._file_bytes):
            self._finish()
            file = None
        if file is None:
            path = self._claim(f"{_FOLDER}/{len(self._shards):05d}.{self._form}")
            features, pack = self._description.features, None
            if features is not None and self._view is not None:
                pack = PackWriter(self._view(produced.part), features, self._description.layout)
            file = self._open = RecordFile(path, self._form, produced, pack)
        file.append(produced)

    def adopt(self, source: Path, shard: dict[str, Any]) -> None:
        """Take over a whole file of another artifact, and its digests."""
        name = f"{_FOLDER}/{len(self._shards):05d}.{self._form}"
        path = self._claim(name)
        for suffix in (path.suffix, ".digests"):
            _link_or_copy((source / shard["path"]).with_suffix(suffix), path.with_suffix(suffix))
        for t, file in pack_paths(source, shard["path"], self._description.features).items():
            _link_or_copy(file, self._packed(name)[t])
        self._shards.append({**shard, "path": name})

    def close(self) -> None:
        """Finish the last file; state counts, files, and the content hash."""
        self._finish()
        content = hashlib.sha256()
        for shard in self._shards:
            content.update((self._writer.path / shard["path"]).with_suffix(".digests").read_bytes())
        self._writer.content("records", content.hexdigest())
        self._progress.unlink(missing_ok=True)
        totals = {name: sum(shard[name] for shard in self._shards) for name in COUNTS}
        self._writer.summary.update(totals, shards=self._shards)

    def abort(self) -> None:
        """Let go of the file that is being written."""
        if self._open is not None:
            self._open.abandon()
            self._open = None

    def _claim(self, name: str) -> Path:
        # The records' own hash is the content: how they are cut into files, and in which format, is not.
        self._writer.file(str(Path(name).with_suffix(".digests")), content=False)
        self._packed(name)
        return self._writer.file(name, content=False)

    def _packed(self, name: str) -> "dict[Any, Path]":
        # Features follow from the split's graph and the description.
        paths = pack_paths(self._writer.path, name, self._description.features)
        for path in paths.values():
            self._writer.file(path.relative_to(self._writer.path).as_posix(), content=False)
        return paths

    def _finish(self) -> None:
        if self._open is None:
            return
        if self._open.pack is not None:
            self._open.pack.write(self._packed(f"{_FOLDER}/{self._open.path.name}"))
        self._shards.append({"path": f"{_FOLDER}/{self._open.path.name}", **self._open.close()})
        self._open = None
        beside = self._progress.with_suffix(".tmp")
        beside.write_text(json.dumps(self._shards))
        beside.rename(self._progress)


class SubgraphRecords:
    """A subgraphs artifact, open for reading.

    Args:
        artifact: of kind subgraphs.
        split: that it was sampled from; its graph needs no features where these are packed.
    """

    def __init__(self, artifact: Artifact, split: NodeSplit | LinkSplit) -> None:
        self.artifact = artifact
        self.split = split
        self.description = Description.from_json(artifact.json("subgraphs"))
        self.shards: list[dict[str, Any]] = artifact.manifest.summary["shards"]
        self._packs: dict[str, tuple[Pack, ...]] = {}

    @classmethod
    def open(
        cls, source: Path | str | Artifact, *, split: Path | None = None, graph: Graph | Path | None = None
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
        found = artifact.parent("split", split)
        if Description.from_json(artifact.json("subgraphs")).features is None:
            return cls(artifact, open_split(found, graph))
        if isinstance(graph, Graph):
            return cls(artifact, open_split(found, graph))
        structure = Graph.open(found.parent("graph", graph, optional=is_feature), features=False)
        return cls(artifact, open_split(found, structure))

    @classmethod
    def whole(cls, artifact: Artifact) -> "SubgraphRecords":
        """The artifact, or one shard of several, with all features of the graph; see :meth:`open`."""
        return cls(artifact, open_split(artifact.parent("split")))

    @property
    def packed(self) -> bool:
        """Whether features lie beside the records."""
        return self.description.features is not None

    @property
    def keyed(self) -> bool:
        """Whether training seeds are known to come in the keyed order of their epoch; adopted ones may not."""
        return self.artifact.manifest.stage == "sample"

    def blocks(
        self, part: str, epoch: int, *, ahead: int = 0, order: int | None = None, positions: bool = True
    ) -> Iterator[Block]:
        """The records of a part and epoch, some at a time; read as they are asked for, in memory that does not grow.

        Args:
            ahead: how many of these blocks a thread of its own reads before they are asked for.
            order: None is that of the run. A number shuffles by it: groups of rows across all files, records of
                batches within their group, those of single seeds within eight groups.
            positions: False leaves edge_pos, half of a file, where it lies.

        Raises:
            ArtifactError: there are none, or they are damaged.
        """
        segment = self.description.segment(part, epoch, str(self.artifact.path))
        readers = _Readers(self.artifact.path)
        shards = [s for s in self.shards if (s["split"], s["epoch"]) == (part, epoch)]
        groups = [(shard["path"], group) for shard in shards for group in range(readers.of(shard["path"]).groups)]
        if order is not None:
            groups = shuffled(groups, order)

        def read(place: tuple[str, int]) -> list[Block]:
            reader = readers.of(place[0])
            batches = reader.read(place[1], None if positions else reader.structure)
            return [self._block(batch, place[0], part, epoch, positions=positions) for batch in batches]

        found = 0
        for blocks in self._read(ordered_map(read, groups, min(ahead, 1), ahead), order):
            for block in blocks:
                expected = segment.first + found
                if order is None and block.first != expected:
                    where = self.artifact.path / shards[0]["path"]
                    raise ArtifactError(f"{where}: records are missing or out of order", fix="make the artifact again")
                found += len(block)
                yield block
        if found != segment.records:
            raise ArtifactError(
                f"{self.artifact.path}: {part} epoch {epoch} has {found} of {segment.records} records",
                fix="make the artifact again",
            )

    def _read(self, blocks: Iterator[list[Block]], order: int | None) -> Iterator[list[Block]]:
        if order is None:
            return blocks
        return mixed(blocks, order, 1 if self.description.unit == "batch" else WINDOW)

    def _block(self, batch: "pa.RecordBatch", name: str, part: str, epoch: int, *, positions: bool = True) -> Block:
        path, d = self.artifact.path / name, self.description
        block = from_arrow(batch, d.layout, d.labels, self.split.view(part), str(path), positions=positions)
        if (block.part, block.epoch) != (part, epoch):
            raise ArtifactError(f"{path}: records of another part or epoch", fix="make the artifact again")
        block.packs = self.packs(name)
        return block

    def groups_with(self, shard: dict[str, Any], numbers: np.ndarray) -> Iterator[Block]:
        """The groups of rows of a file that hold records with these numbers, ascending; others are not read."""
        reader = RecordReader(self.artifact.path / shard["path"])
        ends = shard["first"] + np.cumsum(reader.group_rows())
        for group in np.unique(np.searchsorted(ends, numbers, side="right")).tolist():
            for batch in reader.read(group):
                yield self._block(batch, shard["path"], shard["split"], shard["epoch"])
        reader.close()

    def packs(self, name: str) -> tuple[Pack, ...]:
        """What lies beside a file of records; nothing where features are not packed."""
        features = self.description.features
        if features is None:
            return ()
        if name not in self._packs:
            self._packs[name] = (Pack(pack_paths(self.artifact.path, name, features), features),)
        return self._packs[name]


class _Readers:
    """Open files of records, so many at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, RecordReader] = {}

    def of(self, name: str) -> RecordReader:
        reader = self._open.pop(name, None) or RecordReader(self._folder / name)
        self._open[name] = reader
        if len(self._open) > _MOST_OPEN:
            self._open.pop(next(iter(self._open))).close()
        return reader


def pack_paths(folder: Path, name: str, packing: Packing | None) -> "dict[Any, Path]":
    """By type, where the features of a file of records lie."""
    if packing is None:
        return {}
    return {t: folder / PACKED / f"{Path(name).stem}.{end}.arrow" for t, end in packing.files().items()}


def _link_or_copy(source: Path, target: Path) -> None:
    import shutil

    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
