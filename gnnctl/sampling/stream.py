"""Records through a pipe: an Arrow IPC stream whose head says what they are and from what they were sampled."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gnnctl.artifacts import FORMATS, Artifact, Recipe
from gnnctl.errors import ArtifactError
from gnnctl.graph.graph import Graph
from gnnctl.sampling.description import Description
from gnnctl.sampling.produce import Produced
from gnnctl.sampling.records import Block, from_arrow, record_schema
from gnnctl.splits import PARTS, open_split

if TYPE_CHECKING:
    pass

_HEAD = b"gnnctl"


def write_stream(file: IO[bytes], recipe: Recipe, description: Description, records: Iterable[Produced]) -> bool:
    """Send records until all are sent (True) or the reader has gone (False).

    Args:
        file: an unbuffered binary file or pipe.
        recipe: of the artifact that holds the same records; its parent is the split.
        description: of the records.
        records: in order.
    """
    import pyarrow as pa

    head = {
        "kind": "subgraphs",
        "format": FORMATS["subgraphs"],
        "fingerprint": recipe.fingerprint,
        "options": recipe.options,
        "parents": [
            {"role": p.role, "path": os.path.abspath(p.artifact.path), "fingerprint": p.artifact.fingerprint}
            for p in recipe.parents
        ],
        "subgraphs": description.to_json(),
    }
    schema = record_schema(description.layout.weighted, description.layout.links is not None).with_metadata(
        {_HEAD: json.dumps(head)}
    )
    try:
        with pa.ipc.new_stream(pa.PythonFile(file, "w"), schema) as writer:
            for produced in records:
                writer.write_batch(produced.batch)
    except BrokenPipeError:
        return False
    return True


class StreamRecords:
    """Records that arrive through a pipe; each can be read once, in order.

    Args:
        file: binary, for example ``sys.stdin.buffer``.
        split: where the split lies, if not where the sender says.
        graph: likewise the graph.

    Raises:
        ArtifactError: no such stream, or its split or graph is not found.
    """

    def __init__(self, file: IO[bytes], *, split: Path | None = None, graph: Graph | Path | None = None) -> None:
        import pyarrow as pa

        try:
            self._reader = pa.ipc.open_stream(file)
            head: dict[str, Any] = json.loads(self._reader.schema.metadata[_HEAD])
            if head["format"] > FORMATS["subgraphs"]:
                raise ArtifactError(f"the stream has format {head['format']}", fix="upgrade gnnctl")
            parent = next(p for p in head["parents"] if p["role"] == "split")
        except (OSError, pa.ArrowInvalid, ValueError, KeyError, TypeError, StopIteration):
            raise ArtifactError(
                "what arrives is no stream of subgraphs", fix="pipe gnnctl sample SPLIT -o - into it"
            ) from None
        self.head = head
        self.fingerprint: str = head["fingerprint"]
        self.description = Description.from_json(head["subgraphs"])
        path = split or Path(parent["path"])
        if not path.exists():
            raise ArtifactError(
                f"the stream was sampled from the split {path}, which is not here", fix="name it with --split"
            )
        artifact = Artifact.open(path, "split")
        if artifact.fingerprint != parent["fingerprint"]:
            raise ArtifactError(f"the stream was sampled from another split than {path}", fix="name it with --split")
        self.split = open_split(artifact, graph)
        self._batches = self._read()
        self._next: Block | None = None

    def blocks(self, part: str, epoch: int) -> Iterator[Block]:
        """The records of a part and epoch as they arrive; records that come before them are passed over.

        Raises:
            ArtifactError: they are not in the stream, have gone by, or the sender failed.
        """
        segment = self.description.segment(part, epoch, "the stream")
        wanted = segment.first
        while wanted < segment.first + segment.records:
            block = self._next or next(self._batches, None)
            self._next = None
            if block is None:
                raise ArtifactError("the stream of subgraphs ended early", fix="see what its sender says")
            if block.first < segment.first:
                continue
            if block.first != wanted:
                self._next = block
                raise ArtifactError(f"the records of {part} for epoch {epoch} have gone by", fix="read epochs in order")
            wanted += len(block)
            yield block

    def _read(self) -> Iterator[Block]:
        import pyarrow as pa

        d = self.description
        while True:
            try:
                batch: pa.RecordBatch = self._reader.read_next_batch()
            except StopIteration:
                return
            except (OSError, pa.ArrowInvalid) as error:
                text = " ".join(str(error).split())
                raise ArtifactError(
                    f"the stream of subgraphs broke off: {text}", fix="see what its sender says"
                ) from None
            part = batch.column("split")[0].as_py() if batch.num_rows else None
            if part not in PARTS:
                raise ArtifactError("the stream has records of no part", fix="see what its sender says")
            yield from_arrow(batch, d.layout, d.labels, self.split.view(part), "the stream")
