"""Aggregation kernels, forward and backward, by number of threads, beside torch's ways to the same result."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gnnctl.bench.kernel_problem import Kernel, Problem
from gnnctl.bench.kernel_table import KERNELS
from gnnctl.bench.machine import COPY_BYTES, PRODUCT_SIZE, copy_rate, machine_facts, product_rate
from gnnctl.bench.timing import LEAST_REPEATS, Timing, interleave
from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError, UsageError
from gnnctl.graph.graph import Graph

OURS = "gnnctl"


@dataclass(frozen=True)
class KernelOptions:
    """What is measured.

    Attributes:
        kernels: names out of the table; empty takes all.
        threads: numbers of torch threads.
        width: features a node.
        heads: of attention.
        repeats: measurements, after two that are thrown away.
        against_peer: also measure torch-geometric's functions, where it is installed.
        limit_bytes: size of the arrays that the machine's stream bandwidth is measured on.
        limit_rows: of the square matrices that its rate of products is measured on.
        seed: of the values.
    """

    kernels: tuple[str, ...] = ()
    threads: tuple[int, ...] = (1, 2)
    width: int = 64
    heads: int = 8
    repeats: int = LEAST_REPEATS
    against_peer: bool = False
    limit_bytes: int = COPY_BYTES
    limit_rows: int = PRODUCT_SIZE
    seed: int = 0


@dataclass(frozen=True)
class KernelRow:
    """One kernel of one side at one number of threads.

    Attributes:
        stream_share: of the machine's bandwidth that the kernel's bytes reach.
        product_share: of the machine's rate of dense products that its operations reach; None: it is no product.
    """

    kernel: str
    side: str
    threads: int
    milliseconds: Timing
    bytes: int
    stream_share: float
    product_share: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The row for results.json."""
        return {
            "kernel": self.kernel,
            "side": self.side,
            "threads": self.threads,
            "milliseconds": self.milliseconds.to_json(),
            "bytes": self.bytes,
            "stream_share": self.stream_share,
            **({} if self.product_share is None else {"product_share": self.product_share}),
        }


@dataclass(frozen=True)
class KernelResult:
    """All rows, and the machine they were measured on.

    Attributes:
        limits: by number of threads, bytes copied per second.
        products: by number of threads, the fastest dense product's operations per second, and whose it is; empty where
            no product was measured.
    """

    machine: dict[str, Any]
    limits: dict[int, Timing]
    products: dict[int, tuple[str, Timing]]
    rows: list[KernelRow]
    notes: list[str]


def bench_kernels(graph: Graph, options: KernelOptions, *, progress: Progress = no_progress) -> KernelResult:
    """Measure operators on the edges of the graph's largest edge type, on random values.

    Raises:
        UsageError: a kernel that is not in the table.
        DataError: a graph without edges.
    """
    chosen = _chosen(options.kernels)
    if graph.num_edges == 0:
        raise DataError("the graph has no edges", fix="name another graph")
    limits = {t: copy_rate(t, options.repeats, options.limit_bytes) for t in options.threads}
    products = {}
    if any(kernel.operations is not None for kernel in chosen):
        products = {t: product_rate(t, options.repeats, options.limit_rows) for t in options.threads}
    problem = Problem.of(graph, options.width, options.heads, options.seed)
    notes: list[str] = []
    before = torch.get_num_threads()
    measured = []
    try:
        with progress(total=len(chosen), desc="kernels", unit="kernel") as bar:
            for kernel in chosen:
                measured += _measure(kernel, problem, options, limits, products, notes)
                bar.update(1)
    finally:
        torch.set_num_threads(before)
    return KernelResult(machine_facts(), limits, products, measured, list(dict.fromkeys(notes)))


def _chosen(names: tuple[str, ...]) -> list[Kernel]:
    known = {kernel.name: kernel for kernel in KERNELS}
    for name in names:
        if name not in known:
            raise UsageError(f"--kernel: there is no '{name}'", fix=f"there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(KERNELS)


def _measure(
    kernel: Kernel,
    problem: Problem,
    options: KernelOptions,
    limits: dict[int, Timing],
    products: dict[int, tuple[str, Timing]],
    notes: list[str],
) -> list[KernelRow]:
    sides: dict[str, Callable[[], Any]] = {OURS: kernel.ours(problem)}
    for name, make in kernel.others.items():
        if name == "torch-geometric" and not options.against_peer:
            continue
        try:
            run = make(problem)
            run()
        except (ImportError, RuntimeError, NotImplementedError) as error:
            notes.append(f"{kernel.name}: {name} was not measured: {str(error).splitlines()[0][:120]}")
            continue
        sides[name] = run
    runs = {f"{name}/{t}": (name, t, run) for t in options.threads for name, run in sides.items()}
    found = interleave({key: _timed(run, t) for key, (_, t, run) in runs.items()}, repeats=options.repeats)
    bytes_, operations = kernel.bytes(problem), None if kernel.operations is None else kernel.operations(problem)
    return [
        KernelRow(
            kernel.name,
            name,
            t,
            (timing := found[key]["milliseconds"]),
            bytes_,
            bytes_ / (timing.median / 1e3) / limits[t].median,
            None if operations is None else operations / (timing.median / 1e3) / products[t][1].median,
        )
        for key, (name, t, _) in runs.items()
    ]


def _timed(run: Callable[[], Any], threads: int) -> Callable[[], Mapping[str, float]]:
    def timed() -> Mapping[str, float]:
        torch.set_num_threads(threads)
        start = time.perf_counter()
        kept: Tensor | Any = run()
        seconds = time.perf_counter() - start
        del kept
        return {"milliseconds": seconds * 1e3}

    return timed
