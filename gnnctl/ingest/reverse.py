"""Generated reverse edge types, each edge knowing the position of its forward edge."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gnnctl.artifacts import ArtifactWriter
from gnnctl.console import Progress
from gnnctl.graph.graph import EdgeStore
from gnnctl.graph.stores import destinations
from gnnctl.ingest.csc import CscWriter, open_edges
from gnnctl.ingest.engine import Engine
from gnnctl.ingest.nodes import Nodes
from gnnctl.ingest.spec import EdgeSpec

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1 << 20


def write_reverse(
    engine: Engine,
    writer: ArtifactWriter,
    progress: Progress,
    spec: EdgeSpec,
    forward: EdgeStore,
    src: Nodes,
    dst: Nodes,
    dst_time: np.ndarray | None,
) -> EdgeStore:
    """Write the reverse type of edges that are on disk: sorted by (source, visible time, destination, position).

    Equal endpoints keep the order of their forward edges, which is that of their attributes.

    Args:
        forward: the edges as written.
        dst_time: (num_dst,) times of the forward destinations, which the reverse edges come from.
    """
    import pyarrow as pa

    count = forward.num_edges
    timed = forward.time is not None or dst_time is not None

    def batches() -> "Iterator[pa.RecordBatch]":
        for start in range(0, count, _ROWS):
            stop = min(count, start + _ROWS)
            ends = destinations(forward.colptr, start, stop)
            arrays = {"s": forward.row[start:stop], "d": ends, "position": np.arange(start, stop)}
            if timed:
                times = [
                    v
                    for v in (None if dst_time is None else dst_time[ends], _slice(forward.time, start, stop))
                    if v is not None
                ]
                arrays["visible"] = times[0] if len(times) == 1 else np.maximum(*times)
            yield pa.record_batch(arrays)

    base = f"edges/{spec.reverse_type.key}"
    names = ["forward"] + ["time"] * (forward.time is not None) + ["weight"] * (forward.weight is not None)
    csc = CscWriter(writer, base, src.num_nodes, dst.num_nodes, count, dict.fromkeys(names))
    attributes = None
    if forward.edge_attr is not None:
        attributes = writer.array_stream(f"{base}/edge_attr", np.float32, forward.edge_attr.shape)
    schema = next(batches()).schema if count else pa.schema({n: pa.int64() for n in ("s", "d", "position", "visible")})
    engine.register("forward_edges", pa.RecordBatchReader.from_batches(schema, batches()))
    order = "s, visible, d, position" if timed else "s, d, position"
    what = f"edges '{spec.reverse_type}'"
    with progress(total=count, desc=f"edges {spec.reverse_type}", unit="edges") as bar:
        for batch in engine.batches(f"SELECT s, d, position FROM forward_edges ORDER BY {order}", what, _ROWS):
            s, d, position = (column.to_numpy() for column in batch.columns)
            others = [v[position] for v in (forward.time, forward.weight) if v is not None]
            csc.append(s, d, position, *others)
            if attributes is not None and forward.edge_attr is not None:
                attributes.append(forward.edge_attr[position])
            bar.update(batch.num_rows)
    engine.unregister("forward_edges")
    csc.close()
    if attributes is not None:
        attributes.close()
    return open_edges(writer, base, forward.feature_names)


def _slice(values: np.ndarray | None, start: int, stop: int) -> np.ndarray | None:
    return None if values is None else values[start:stop]
