"""Throughput of neighbour sampling by number of threads, beside the machine's own rate of random reads."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnnctl.bench.machine import GATHER_ENTRIES, machine_facts, machine_rates
from gnnctl.bench.timing import LEAST_REPEATS, Timing, interleave
from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError
from gnnctl.graph.graph import Graph
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.seeds import batches
from gnnctl.sampling.spec import SampleSpec

OURS = "gnnctl"
PEER = "torch-geometric"


@dataclass(frozen=True)
class SamplingOptions:
    """What is measured.

    Attributes:
        threads: numbers of threads; each thread samples whole batches.
        batch_size: seeds a batch.
        num_batches: batches a measurement.
        repeats: measurements, after two that are thrown away.
        against_peer: also measure torch-geometric's sampler, where pyg-lib or torch-sparse is installed.
        gather_entries: size of the array that the machine's rate of random reads is measured on.
    """

    threads: tuple[int, ...] = (1, 2)
    batch_size: int = 1024
    num_batches: int = 32
    repeats: int = LEAST_REPEATS
    against_peer: bool = False
    gather_entries: int = GATHER_ENTRIES


@dataclass(frozen=True)
class SamplingRow:
    """One side at one number of threads."""

    side: str
    threads: int
    seconds: Timing
    seeds: int
    edges: int
    edges_per_gather: float

    @property
    def seeds_per_second(self) -> float:
        """Median."""
        return self.seeds / self.seconds.median

    @property
    def edges_per_second(self) -> float:
        """Median."""
        return self.edges / self.seconds.median

    def to_json(self) -> dict[str, Any]:
        """The row for results.json; ``seconds`` are those of one measurement of all batches."""
        return {
            "side": self.side,
            "threads": self.threads,
            "seeds_per_second": self.seeds_per_second,
            "edges_per_second": self.edges_per_second,
            "edges_per_gather": self.edges_per_gather,
            "seeds": self.seeds,
            "edges": self.edges,
            "seconds": self.seconds.to_json(),
        }


@dataclass(frozen=True)
class SamplingResult:
    """All rows, and the machine they were measured on."""

    machine: dict[str, Any]
    limits: dict[str, Timing]
    node_type: str
    rows: list[SamplingRow]
    notes: list[str]


def seeds_with_edges(graph: Graph, node_type: str) -> np.ndarray:
    """Rows (int64) of the nodes that have an in-edge of any type: the others are no work for a sampler.

    Raises:
        DataError: there are none.
    """
    degree = np.zeros(graph.num_nodes(node_type), np.int64)
    for t, store in graph.edges.items():
        if t.dst == node_type:
            degree += np.diff(store.colptr)
    rows = np.flatnonzero(degree)
    if len(rows) == 0:
        raise DataError(f"no {node_type} has an in-edge", fix="name another --node-type")
    return rows


def bench_sampling(
    graph: Graph, node_type: str, spec: SampleSpec, options: SamplingOptions, *, progress: Progress = no_progress
) -> SamplingResult:
    """Measure joint or disjoint sampling through the Python call, results included.

    Args:
        graph: homogeneous or typed.
        node_type: type of the seeds.
        spec: fan-outs; the batches are those of epoch 1.

    Raises:
        DataError: no node of the type has an in-edge.
    """
    limits = machine_rates(options.repeats, options.gather_entries)
    rows = seeds_with_edges(graph, node_type)
    cut = batches(rows, options.batch_size, shuffle=True, seed=spec.seed, epoch=1)[: options.num_batches]
    samplers = {OURS: _ours(graph, spec, node_type)}
    notes = []
    if options.against_peer:
        if spec.draw != "uniform" or spec.time is not None:
            notes.append(f"{PEER}'s sampler was not measured: it is only compared in drawing uniformly, without times")
        elif (peer := _peer(graph, spec, node_type)) is None:
            notes.append(f"{PEER}'s sampler was not measured: it needs pyg-lib or torch-sparse, which are missing")
        else:
            samplers[PEER] = peer

    sides: dict[str, Callable[[], Mapping[str, float]]] = {}
    edges = {name: sum(sample(batch) for batch in cut) for name, sample in samplers.items()}
    names = {f"{name}/{t}": (name, t) for t in options.threads for name in samplers}
    pools = {t: ThreadPoolExecutor(t) for t in options.threads}
    try:
        for key, (name, threads) in names.items():
            sides[key] = _timed(samplers[name], cut, pools[threads])
        found = interleave(sides, repeats=options.repeats, progress=progress, desc="sample")
    finally:
        for pool in pools.values():
            pool.shutdown()
    seeds, gather = sum(map(len, cut)), limits["gather"].median
    measured = []
    for key, (name, threads) in names.items():
        seconds = found[key]["seconds"]
        share = edges[name] / seconds.median / gather
        measured.append(SamplingRow(name, threads, seconds, seeds, edges[name], share))
    return SamplingResult(machine_facts(), limits, node_type, measured, notes)


def _timed(
    sample: Callable[[np.ndarray], int], cut: Sequence[np.ndarray], pool: ThreadPoolExecutor
) -> Callable[[], Mapping[str, float]]:
    def run() -> Mapping[str, float]:
        start = time.perf_counter()
        for _ in pool.map(sample, cut):
            pass
        return {"seconds": time.perf_counter() - start}

    return run


def _ours(graph: Graph, spec: SampleSpec, node_type: str) -> Callable[[np.ndarray], int]:
    sampler = Sampler(graph, spec)
    return lambda seeds: sampler.sample(seeds, node_type, 1).num_edges


def _peer(graph: Graph, spec: SampleSpec, node_type: str) -> Callable[[np.ndarray], int] | None:
    """torch-geometric's sampler on the same graph and fan-outs; None where it or its native part is missing."""
    try:
        import torch
        import torch_geometric.typing as installed
        from torch_geometric.data import Data, HeteroData
        from torch_geometric.sampler import NeighborSampler, NodeSamplerInput
    except ImportError:
        return None
    if not (installed.WITH_PYG_LIB or installed.WITH_TORCH_SPARSE):
        return None

    def coo(store: Any) -> Any:
        col = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
        return torch.from_numpy(np.stack([store.row.astype(np.int64), col]))

    homogeneous = graph.schema.is_homogeneous
    data: Any
    fan_out: Any
    if homogeneous:
        (edge_type,) = graph.edge_types
        data = Data(edge_index=coo(graph.edges[edge_type]), num_nodes=graph.num_nodes(node_type))
        fan_out = list(spec.num_neighbors[edge_type])
    else:
        data = HeteroData()
        for name in graph.node_types:
            data[name].num_nodes = graph.num_nodes(name)
        for t, store in graph.edges.items():
            data[tuple(t)].edge_index = coo(store)
        fan_out = {tuple(t): list(k) for t, k in spec.num_neighbors.items()}
    sampler = NeighborSampler(data, fan_out, replace=spec.replace, disjoint=spec.disjoint)
    input_type = None if homogeneous else node_type

    def sample(seeds: np.ndarray) -> int:
        found = sampler.sample_from_nodes(NodeSamplerInput(None, torch.from_numpy(seeds), input_type=input_type))
        return len(found.row) if homogeneous else sum(len(row) for row in found.row.values())

    return sample
