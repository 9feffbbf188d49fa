"""Tables of a large graph with something to learn in it: papers that cite papers, most of them of their own field.

    python tables.py NODES EDGES FOLDER

Writes FOLDER/papers.parquet (id; x, 64 numbers; field, null but for 1 %) and FOLDER/cites.parquet (source, target). A
paper's field shows in its features through much noise, and in the fields of what it cites; how often one is cited has
a heavy tail. Made chunk by chunk: memory does not grow with the graph.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES, FIELDS = 64, 16
CHUNK, GROUP = 1 << 20, 1 << 16  # rows made at a time, and of a row group: a reader holds one of each thread
LABELLED, LOYAL = 0.01, 0.7  # shares of labelled papers, and of citations within a field
NOISE = 6.0


def papers(nodes: int, path: Path) -> None:
    """The table of nodes; a paper's field is its id modulo FIELDS."""
    centre = np.random.default_rng(0).standard_normal((FIELDS, FEATURES), dtype=np.float32)
    schema = pa.schema([("id", pa.int64()), ("x", pa.list_(pa.float32())), ("field", pa.int8())])
    with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False) as writer:
        for start in range(0, nodes, CHUNK):
            rng = np.random.default_rng([1, start])
            ids = np.arange(start, min(start + CHUNK, nodes), dtype=np.int64)
            x = centre[ids % FIELDS] + NOISE * rng.standard_normal((len(ids), FEATURES), dtype=np.float32)
            lists = pa.ListArray.from_arrays(np.arange(len(ids) + 1, dtype=np.int32) * FEATURES, x.ravel())
            field = pa.array((ids % FIELDS).astype(np.int8), mask=rng.random(len(ids)) >= LABELLED)
            writer.write_table(pa.table([ids, lists, field], schema=schema), row_group_size=GROUP)


def cites(nodes: int, edges: int, path: Path) -> None:
    """The table of edges."""
    schema = pa.schema([("source", pa.int64()), ("target", pa.int64())])
    with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False) as writer:
        for start in range(0, edges, CHUNK):
            rng = np.random.default_rng([2, start])
            count = min(CHUNK, edges - start)
            source = rng.integers(0, nodes, count)
            cited = (nodes * rng.random(count) ** 3).astype(np.int64)  # of low numbers more
            loyal = rng.random(count) < LOYAL
            target = np.where(loyal, cited - cited % FIELDS + source % FIELDS, cited)
            writer.write_table(pa.table([source, np.minimum(target, nodes - 1)], schema=schema), row_group_size=GROUP)


if __name__ == "__main__":
    nodes, edges, folder = int(float(sys.argv[1])), int(float(sys.argv[2])), Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    papers(nodes, folder / "papers.parquet")
    cites(nodes, edges, folder / "cites.parquet")
