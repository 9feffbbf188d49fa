"""Arrow tables on disk (IPC files, memory-mapped) and their content hash."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gnnctl.artifacts.checksum import canonical_json
from gnnctl.errors import ArtifactError

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1 << 16


def write_table(path: Path, table: "pa.Table") -> None:
    """Write an uncompressed Arrow IPC file, one record batch wherever 2^31 bytes allow."""
    import pyarrow as pa

    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def open_table(path: Path) -> "pa.Table":
    """Map an Arrow IPC file, read-only.

    Raises:
        ArtifactError: missing or damaged.
    """
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError(
            f"{path} is no readable Arrow file: {' '.join(str(error).split())}", fix="make the artifact again"
        ) from None


def table_checksum(table: "pa.Table") -> str:
    """Hash of a table's column names, types and values; not of its chunks, dictionaries or what lies under nulls."""
    digest = hashlib.sha256()
    for name in table.schema.names:
        column = _plain(table[name])
        digest.update(canonical_json([name, str(column.type), len(column)]))
        for buffer in _buffers(column):
            digest.update(buffer)
    return digest.hexdigest()


def _plain(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa

    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _buffers(column: "pa.ChunkedArray") -> Iterator[bytes]:
    """Each run of rows as IPC bytes without a schema: Arrow drops offsets, padding and empty null maps there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for start in range(0, len(column), _ROWS):
        # concat_arrays copies, so that what a slice shared with its neighbours is gone
        run = column.slice(start, _ROWS)
        array = pa.concat_arrays([chunk for chunk in run.chunks if len(chunk)])
        if array.null_count:
            yield pc.is_valid(array).cast(pa.uint8()).to_numpy(zero_copy_only=False).tobytes()
            array = array.drop_null()
        batch = pa.record_batch([array], names=["v"])
        yield batch.serialize().to_pybytes()
