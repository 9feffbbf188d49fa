"""How large and how long a run of sampling will be, told by a thousandth of it."""

import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.store_interfaces import Column
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.columns import Layout
from gnnctl.sampling.description import Description
from gnnctl.sampling.packed import Packing, named_rows
from gnnctl.sampling.produce import Produced, Producer
from gnnctl.sampling.record_files import GROUP_BYTES, Format, records_writer

SHARE = 0.001
# What fewer could not tell: how fast distinct rows grow, and what a seed takes on average.
_LEAST_TASKS, _LEAST_SEEDS = 4, 512


def pilot(
    producer: Producer,
    description: Description,
    form: Format,
    bounds: tuple[int, int],
    threads: int,
    file_bytes: int,
) -> dict[str, Any]:
    """Sample a thousandth of the seeds, evenly spread over the run, and scale what that took.

    Returns:
        ``records``, ``seeds``, ``nodes``, ``edges`` and ``bytes`` of the whole; ``seconds`` of sampling and writing it
        on so many threads of this machine; ``packed_bytes``, those of ``bytes`` that are features; ``blow_up``, bytes
        for each byte of the graph; and ``pilot``, the records that it is told by.
    """
    first, last = bounds
    made, seconds = _sampled(producer, first, last)
    records = sum(p.batch.num_rows for p in made)
    scale = (last - first) / records if records else 0.0
    started = time.perf_counter()
    record_bytes = scale * _written(made, form)
    writing = time.perf_counter() - started
    packed = 0.0
    if description.features is not None and made:
        layout, graph = description.layout, producer.graph
        spans = [(max(first, s.first), min(last, s.first + s.records)) for s in producer.plan.segments()]
        segments = [end - start for start, end in spans if end > start]
        task_bytes = record_bytes / (scale * len(made))
        packed = _packed_bytes(made, layout, description.features, graph, task_bytes, segments, file_bytes)
    total = record_bytes + packed
    counts = {name: round(scale * sum(getattr(p, name) for p in made)) for name in ("seeds", "nodes", "edges")}
    return {
        "records": last - first,
        **counts,
        "bytes": round(total),
        "packed_bytes": round(packed),
        "seconds": round(scale * max(seconds / threads, writing), 1),
        "blow_up": round(total / max(1, graph_bytes(producer.graph)), 3),
        "pilot": records,
    }


def graph_bytes(graph: Graph) -> int:
    """Bytes of the arrays of a graph: structure, times, weights and features."""
    arrays: list[np.ndarray | Column | None] = []
    for node in graph.nodes.values():
        arrays += [node.x, node.time]
    for edge in graph.edges.values():
        arrays += [edge.colptr, edge.row, edge.weight, edge.edge_attr, edge.time]
    return sum(a.nbytes for a in arrays if a is not None)


def _sampled(producer: Producer, first: int, last: int) -> tuple[list[Produced], float]:
    """Some tasks, evenly spread, and the seconds that they took."""
    least = max(_LEAST_TASKS, _LEAST_SEEDS // producer.plan.seeds_per_record)
    wanted = min(last - first, max(least, math.ceil((last - first) * SHARE)))
    run = min(producer.plan.records_at_once, math.ceil(wanted / _LEAST_TASKS))
    made: list[Produced] = []
    make, seconds = producer.maker(first, last), 0.0
    for start in (first + np.arange(0, wanted, max(run, 1)) * (last - first) // max(wanted, 1)).tolist():
        for task in producer.tasks(start, min(start + run, last)):
            started = time.perf_counter()
            made.append(make(task))
            seconds += time.perf_counter() - started
    return made, seconds


def _written(made: list[Produced], form: Format) -> int:
    """Bytes that the records take in a file, in groups of rows as they will be written."""
    import pyarrow as pa

    if not made:
        return 0
    whole = pa.Table.from_batches([p.batch for p in made]).combine_chunks()
    most = max(1, GROUP_BYTES * whole.num_rows // max(1, whole.nbytes))
    with tempfile.TemporaryDirectory() as folder:
        sizes = []
        for name, table in (("pilot", whole), ("empty", whole.slice(0, 0))):
            path = Path(folder, f"{name}.{form}")
            with pa.OSFile(str(path), "wb") as sink, records_writer(sink, whole.schema, form) as writer:
                for batch in table.to_batches(max_chunksize=most):
                    writer.write_batch(batch)
            sizes.append(path.stat().st_size)
    return sizes[0] - sizes[1]


def _packed_bytes(
    made: list[Produced],
    layout: Layout,
    features: Packing,
    graph: Graph,
    task_bytes: float,
    segments: list[int],
    file_bytes: int,
) -> float:
    """Bytes of packed rows: each once a file, so that fewer are new the more a file has.

    The number of distinct rows in a file is taken to grow as a power of its records (Heaps' law), with the
    exponent that the pilot shows, up to all there are.
    """
    sizes = features.row_bytes()
    each = [{t: np.unique(rows) for t, rows in named_rows(p.batch, layout).items() if t in sizes} for p in made]

    def in_file(tasks: float) -> float:
        found = 0.0
        for t, size in sizes.items():
            one = float(np.mean([len(e[t]) for e in each]))
            together = len(np.unique(np.concatenate([e[t] for e in each])))
            if one == 0:
                continue
            growth = math.log(max(together / one, 1.0)) / math.log(len(each)) if len(each) > 1 else 1.0
            most = graph.edges[t].num_edges if isinstance(t, EdgeType) else graph.num_nodes(t)
            found += size * min(one * max(tasks, 1.0) ** growth, most)
        return found

    per_task = sum(p.batch.num_rows for p in made) / len(made)
    low, high = 1.0, max(segments) / per_task
    for _ in range(60):  # how many tasks fill a file
        middle = (low + high) / 2
        low, high = (middle, high) if middle * task_bytes + in_file(middle) < file_bytes else (low, middle)
    total = 0.0
    for records in segments:  # no file has records of two
        whole, rest = divmod(records / per_task, high)
        total += whole * in_file(high) + (in_file(rest) if rest * per_task >= 0.5 else 0.0)
    return total
