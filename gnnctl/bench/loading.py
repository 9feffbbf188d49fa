"""Throughput of loading: sampled structure and gathered features, from memory and mapped, by number of threads."""

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gnnctl.artifacts import ArtifactWriter, Recipe
from gnnctl.bench.machine import COPY_BYTES, copy_rate, machine_facts, row_rate
from gnnctl.bench.sampling import OURS, PEER, seeds_with_edges
from gnnctl.bench.timing import LEAST_REPEATS, Timing, interleave
from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError
from gnnctl.graph import FeatureFormat, Graph, encode_features
from gnnctl.sampling.loader import Loader
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.seeds import batches
from gnnctl.sampling.spec import SampleSpec

PEER_WORKERS = (0, 2)


@dataclass(frozen=True)
class LoadingOptions:
    """What is measured.

    Attributes:
        threads: numbers of the loader's threads.
        batch_size: seeds a batch.
        num_batches: batches a measurement.
        repeats: measurements, after two that are thrown away.
        feature_formats: formats that the features are stored in, each measured from memory.
        mapped: also measure each from a graph artifact on disk, mapped, once its pages are warm.
        against_peer: also measure torch-geometric's NeighborLoader, where pyg-lib or torch-sparse is installed.
        limit_bytes: size of the arrays that the machine's rates are measured on.
    """

    threads: tuple[int, ...] = (1, 2)
    batch_size: int = 1024
    num_batches: int = 32
    repeats: int = LEAST_REPEATS
    feature_formats: tuple[FeatureFormat, ...] = ("float32",)
    mapped: bool = True
    against_peer: bool = False
    limit_bytes: int = COPY_BYTES


@dataclass(frozen=True)
class LoadingRow:
    """One side at one number of threads (of workers, for the peer); ``rows`` are feature rows."""

    side: str
    threads: int
    seconds: Timing
    batches: int
    edges: int
    rows: int
    rows_per_random_row: float

    @property
    def batches_per_second(self) -> float:
        """Median."""
        return self.batches / self.seconds.median

    def to_json(self) -> dict[str, Any]:
        """The row for results.json; ``seconds`` are those of one measurement of all batches."""
        return {
            "side": self.side,
            "threads": self.threads,
            "batches_per_second": self.batches_per_second,
            "edges_per_second": self.edges / self.seconds.median,
            "rows_per_second": self.rows / self.seconds.median,
            "rows_per_random_row": self.rows_per_random_row,
            "batches": self.batches,
            "edges": self.edges,
            "rows": self.rows,
            "seconds": self.seconds.to_json(),
        }


@dataclass(frozen=True)
class LoadingResult:
    """All rows, and the machine they were measured on."""

    machine: dict[str, Any]
    limits: dict[str, Timing]
    node_type: str
    rows: list[LoadingRow]
    notes: list[str]


Side = Callable[[int], Callable[[], Iterable[tuple[int, int]]]]  # threads -> an epoch's (rows, edges) a batch


def bench_loading(
    graph: Graph, node_type: str, spec: SampleSpec, options: LoadingOptions, *, progress: Progress = no_progress
) -> LoadingResult:
    """Measure whole batches, ready for a model on the CPU; nothing trains meanwhile.

    Args:
        graph: homogeneous or typed, with features of the seeds' type.
        node_type: type of the seeds.
        spec: fan-outs; the batches are those of epoch 1.

    Raises:
        DataError: no node of the type has an in-edge, or no type has features.
    """
    width = max((store.x.shape[1] for store in graph.nodes.values() if store.x is not None), default=0)
    if width == 0:
        raise DataError("no node type has features to load", fix="name another graph")
    rows = seeds_with_edges(graph, node_type)
    cut = batches(rows, options.batch_size, shuffle=True, seed=spec.seed, epoch=1)[: options.num_batches]
    seeds = np.concatenate(cut)
    limits = {
        "rows": row_rate(4 * width, options.repeats, max(1, options.limit_bytes // (4 * width))),
        "copy": copy_rate(1, options.repeats, options.limit_bytes),
    }
    notes: list[str] = []
    with _graphs(graph, options) as graphs:
        sides = {name: _ours(each, spec, node_type, seeds, options) for name, each in graphs.items()}
        counts = {(name, t): (side, t) for t in options.threads for name, side in sides.items()}
        if options.against_peer:
            if (peer := _peer(graph, spec, node_type, seeds, options)) is None:
                notes.append(f"{PEER}'s loader was not measured: it needs pyg-lib or torch-sparse, which are missing")
            else:
                counts |= {(PEER, workers): (peer, workers) for workers in PEER_WORKERS}
        found: dict[str, tuple[str, int, Callable[[], Iterable[tuple[int, int]]], list[int]]] = {}
        for (name, threads), (side, _) in counts.items():
            epoch = side(threads)
            total = np.array(list(epoch())).sum(0)
            found[f"{name}/{threads}"] = (name, threads, epoch, [int(n) for n in total])
        timings = interleave(
            {key: _timed(epoch) for key, (_, _, epoch, _) in found.items()},
            repeats=options.repeats,
            progress=progress,
            desc="load",
        )
    measured = []
    for key, (name, threads, _, (num_rows, num_edges)) in found.items():
        seconds = timings[key]["seconds"]
        share = num_rows / seconds.median / limits["rows"].median
        measured.append(LoadingRow(name, threads, seconds, len(cut), num_edges, num_rows, share))
    return LoadingResult(machine_facts(), limits, node_type, measured, notes)


@contextmanager
def _graphs(graph: Graph, options: LoadingOptions) -> Iterator[dict[str, Graph]]:
    """The graph with its features in every format, in memory and mapped from a temporary artifact."""
    found: dict[str, Graph] = {}
    with tempfile.TemporaryDirectory(prefix="gnnctl-bench-") as folder:
        for format in options.feature_formats:
            in_memory = found[f"{OURS}, {format}"] = _stored_as(graph, format)
            if options.mapped:
                path = Path(folder) / format
                with ArtifactWriter(path, Recipe("graph", "ingest", 1, {"features": format})) as writer:
                    in_memory.write(writer)
                found[f"{OURS}, {format}, mapped"] = Graph.open(path)
        yield found


def _stored_as(graph: Graph, format: FeatureFormat) -> Graph:
    nodes = {}
    for name, store in graph.nodes.items():
        x = store.features()
        stored = None if x is None else encode_features(np.array(x), format)
        nodes[name] = store if stored is None else dataclasses.replace(store, x=stored.values, x_scale=stored.scale)
    return Graph(nodes, graph.edges)


def _timed(epoch: Callable[[], Iterable[tuple[int, int]]]) -> Callable[[], Mapping[str, float]]:
    def run() -> Mapping[str, float]:
        start = time.perf_counter()
        for _ in epoch():
            pass
        return {"seconds": time.perf_counter() - start}

    return run


def _ours(graph: Graph, spec: SampleSpec, node_type: str, seeds: np.ndarray, options: LoadingOptions) -> Side:
    sampler = Sampler(graph, spec)

    def side(threads: int) -> Callable[[], Iterable[tuple[int, int]]]:
        loader = Loader(sampler, graph, node_type, seeds, batch_size=options.batch_size, epoch=1, num_threads=threads)

        def epoch() -> Iterable[tuple[int, int]]:
            for batch in loader:
                rows = sum(len(x) for x in batch.x.values() if x is not None)
                yield rows, sum(edges.num_edges for edges in batch.edge_index.values())

        return epoch

    return side


def _peer(graph: Graph, spec: SampleSpec, node_type: str, seeds: np.ndarray, options: LoadingOptions) -> Side | None:
    """torch-geometric's NeighborLoader; None where it or its native part is missing, or the graph has types."""
    try:
        import torch
        import torch_geometric.typing as installed
        from torch_geometric.data import Data
        from torch_geometric.loader import NeighborLoader
    except ImportError:
        return None
    if not (installed.WITH_PYG_LIB or installed.WITH_TORCH_SPARSE) or not graph.schema.is_homogeneous:
        return None
    (store,) = graph.edges.values()
    col = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
    edge_index = torch.from_numpy(np.stack([store.row.astype(np.int64), col]))
    x = graph.nodes[node_type].features()
    data = Data(
        x=None if x is None else torch.from_numpy(np.array(x)), edge_index=edge_index, num_nodes=len(store.colptr) - 1
    )
    (fan_out,) = spec.num_neighbors.values()

    def side(workers: int) -> Callable[[], Iterable[tuple[int, int]]]:
        loader = NeighborLoader(
            data,
            list(fan_out),
            input_nodes=torch.from_numpy(seeds),
            batch_size=options.batch_size,
            replace=spec.replace,
            disjoint=spec.disjoint,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        return lambda: ((len(batch.x), batch.edge_index.shape[1]) for batch in loader)

    return side
