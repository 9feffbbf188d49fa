"""CUDA kernels on a GPU: what they take, over the floor that their bytes and operations imply on that GPU.

The cost of a kernel is what must pass when no row is found in a cache: E edges, D destinations, S sources, F features
of s bytes, H heads; indices of 4 bytes. The floor is the longer of bytes over the device's own copy bandwidth and
operations over its own rate of dense products, both measured in the same run. Below 1 the caches hold rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gnnctl.bench.machine import machine_facts
from gnnctl.bench.timing import LEAST_REPEATS, Timing, interleave
from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError, UsageError
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.graph import Graph
from gnnctl.nn import ops
from gnnctl.nn.ops import device
from gnnctl.nn.ops.aggregate import REDUCES

NUM_TYPES = 64
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
COPY_BYTES = 1 << 30
PRODUCT_SIZE = 8192


@dataclass(frozen=True)
class Cost:
    """Bytes that pass between the device's memory and its processors, and operations of dense products."""

    bytes: int
    operations: int = 0

    def seconds(self, bandwidth: float, rate: float) -> float:
        """The floor, given bytes and operations a second."""
        return max(self.bytes / bandwidth, self.operations / rate)


def edge_cost(edges: EdgeIndex, width: int, size: int, *, weight_bytes: int = 0, results: int = 1) -> Cost:
    """Aggregation: ``E (F s + 4)`` and the weights read, ``8 (D + 1)`` for colptr, ``D F s`` a result written."""
    by_edge = width * size + 4 + weight_bytes
    return Cost(edges.num_edges * by_edge + 8 * (edges.num_dst + 1) + edges.num_dst * width * size * results)


def segment_cost(edges: EdgeIndex, width: int, size: int) -> Cost:
    """Segments of rows: ``E F s`` read, ``8 (D + 1)`` for colptr, ``D F s`` written."""
    return Cost(edges.num_edges * width * size + 8 * (edges.num_dst + 1) + edges.num_dst * width * size)


def attention_cost(edges: EdgeIndex, heads: int, width: int, size: int) -> Cost:
    """One pass: ``E (F s + H s + 4)`` and ``D H s`` read, ``D (F s + 8 H)`` written."""
    rows = edges.num_dst * (width * size + heads * (size + 8)) + 8 * (edges.num_dst + 1)
    return Cost(edges.num_edges * ((width + heads) * size + 4) + rows)


def product_cost(rows: int, width: int, size: int, types: int) -> Cost:
    """Square matrices by type: ``2 N F^2`` operations; every row read and written, every matrix read once."""
    return Cost(2 * rows * width * size + types * width * width * size, 2 * rows * width * width)


@dataclass(frozen=True)
class CudaOptions:
    """What is measured.

    Attributes:
        kernels: names out of the table; empty takes all.
        width: features a node.
        heads: of attention; they divide the width.
        repeats: measurements, after two that are thrown away.
        seed: of the values.
    """

    kernels: tuple[str, ...] = ()
    width: int = 64
    heads: int = 8
    repeats: int = LEAST_REPEATS
    seed: int = 0


@dataclass(frozen=True)
class CudaRow:
    """One kernel in one dtype; ``over_floor``: measured time over the least that its cost allows."""

    kernel: str
    dtype: str
    milliseconds: Timing
    cost: Cost
    floor_milliseconds: float
    over_floor: float

    def to_json(self) -> dict[str, Any]:
        """The row for results.json."""
        return {
            "kernel": self.kernel,
            "dtype": self.dtype,
            "milliseconds": self.milliseconds.to_json(),
            "bytes": self.cost.bytes,
            "operations": self.cost.operations,
            "floor_milliseconds": self.floor_milliseconds,
            "over_floor": self.over_floor,
        }


@dataclass(frozen=True)
class CudaResult:
    """All rows, and the GPU's own limits: ``bandwidth`` in bytes, ``rates`` in operations a second by dtype."""

    machine: dict[str, Any]
    bandwidth: Timing
    rates: dict[str, Timing]
    rows: list[CudaRow]


Case = tuple[Cost, Callable[[], Any]]


def cases(edges: EdgeIndex, dtype: torch.dtype, options: CudaOptions) -> dict[str, Case]:
    """Every kernel's cost and a call of it, on random values.

    Raises:
        UsageError: the heads do not divide the width.
    """
    width, heads, size = options.width, options.heads, torch.empty((), dtype=dtype).element_size()
    if width % heads:
        raise UsageError(f"--heads {heads} do not divide --width {width}", fix="pass numbers where they do")
    generator = torch.Generator(edges.device).manual_seed(options.seed)

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=edges.device).to(dtype)

    x, weight, rows = rand(edges.num_src, width), rand(edges.num_edges), rand(edges.num_edges, width)
    src, dst, scores = rand(edges.num_src, heads), rand(edges.num_dst, heads), rand(edges.num_edges, heads)
    by_head = x.view(edges.num_src, heads, width // heads)
    ptr = torch.linspace(0, edges.num_src, NUM_TYPES + 1, device=edges.device).long()
    matrices, grad = rand(NUM_TYPES, width, width), rand(edges.num_dst, width)
    back = EdgeIndex(*edges.transposed()[:2], edges.num_dst, edges.num_src, validate=False)
    taken = x.clone().requires_grad_()
    forward, most = ops.spmm(edges, taken), ops.spmm(edges, taken, None, "max")

    def backward(out: Tensor) -> Callable[[], Any]:
        return lambda: torch.autograd.grad(out, taken, grad, retain_graph=True)

    extreme = edge_cost(back, width, size + 4)
    plain = edge_cost(edges, width, size)
    score_bytes = 3 * scores.numel() * size + 16 * edges.num_dst * heads
    found: dict[str, Case] = {
        "spmm sum": (plain, lambda: ops.spmm(edges, x)),
        "spmm sum, weighted": (edge_cost(edges, width, size, weight_bytes=size), lambda: ops.spmm(edges, x, weight)),
        "spmm sum, backward": (edge_cost(back, width, size), backward(forward)),
        "spmm max": (Cost(plain.bytes + 4 * grad.numel()), lambda: ops.spmm(edges, x, None, "max")),
        "spmm max, backward": (Cost(extreme.bytes + 12 * edges.num_edges), backward(most)),
        "multi-aggregation, six reductions": (
            Cost(edge_cost(edges, width, size, results=6).bytes + 12 * grad.numel()),
            lambda: ops.multi_aggregate(edges, x, None, REDUCES),
        ),
        "segment sum": (segment_cost(edges, width, size), lambda: ops.segment_reduce(edges.colptr, rows)),
        "segment logsumexp": (segment_cost(edges, width, size), lambda: ops.segment_logsumexp(edges.colptr, rows)),
        "edge softmax": (Cost(score_bytes), lambda: ops.edge_softmax(edges, scores)),
        "attention and its sum": (
            attention_cost(edges, heads, width, size),
            lambda: ops.attend(edges, src, dst, by_head),
        ),
        "edge dot products": (
            Cost(edges.num_edges * (width * size + 4 + size) + grad.numel() * size),
            lambda: ops.sddmm(edges, grad, x),
        ),
        "gather": (Cost(edges.num_edges * (2 * width * size + 4)), lambda: ops.gather_src(edges, x)),
        f"matrices of {NUM_TYPES} types": (
            product_cost(edges.num_src, width, size, NUM_TYPES),
            lambda: ops.segment_matmul(x, ptr, matrices),
        ),
    }
    return found


def check_device() -> None:
    """Check that kernels can be measured here.

    Raises:
        UsageError: there is no GPU, or this build has no kernels for it.
    """
    if not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no GPU", fix="pass --device cpu")
    if not device.built():
        raise UsageError("--device cuda: this build of gnnctl has no CUDA kernels", fix="build it where nvcc is found")


def bench_cuda(graph: Graph, options: CudaOptions, *, progress: Progress = no_progress) -> CudaResult:
    """Measure the kernels on the edges of the graph's largest edge type.

    Raises:
        UsageError: no GPU, no kernels in this build, or a kernel that is not in the table.
        DataError: a graph without edges.
    """
    check_device()
    if graph.num_edges == 0:
        raise DataError("the graph has no edges", fix="name another graph")
    edge_type, store = max(graph.edges.items(), key=lambda item: item[1].num_edges)
    colptr, row = (torch.tensor(array[:], device="cuda") for array in (store.colptr, store.row))
    edges = EdgeIndex(colptr, row, graph.num_nodes(edge_type.src), graph.num_nodes(edge_type.dst), validate=False)
    bandwidth = copy_bandwidth(options.repeats)
    rates = {name: product_rate(dtype, options.repeats) for name, dtype in DTYPES.items()}
    measured = []
    for name, dtype in DTYPES.items():
        table = cases(edges, dtype, options)
        chosen = _chosen(options.kernels, table)
        timed = {kernel: _timed(table[kernel][1]) for kernel in chosen}
        found = interleave(timed, repeats=options.repeats, progress=progress, desc=name)
        for kernel in chosen:
            cost, timing = table[kernel][0], found[kernel]["milliseconds"]
            floor = cost.seconds(bandwidth.median, rates[name].median) * 1e3
            measured.append(CudaRow(kernel, name, timing, cost, floor, timing.median / floor))
    facts = machine_facts() | {"gpu": torch.cuda.get_device_name()}
    return CudaResult(facts, bandwidth, rates, measured)


def copy_bandwidth(repeats: int) -> Timing:
    """Bytes read and written per second by a copy within the GPU's memory."""
    source = torch.ones(COPY_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    found = interleave({"copy": _timed(lambda: target.copy_(source))}, repeats=repeats)["copy"]["milliseconds"]
    return Timing(tuple(2e3 * COPY_BYTES / milliseconds for milliseconds in found.values))


def product_rate(dtype: torch.dtype, repeats: int) -> Timing:
    """Operations per second of a large dense product, as torch's settings for TF32 have it."""
    square = torch.ones(PRODUCT_SIZE, PRODUCT_SIZE, dtype=dtype, device="cuda")
    found = interleave({"product": _timed(lambda: square @ square)}, repeats=repeats)["product"]["milliseconds"]
    return Timing(tuple(2e3 * PRODUCT_SIZE**3 / milliseconds for milliseconds in found.values))


def _chosen(names: tuple[str, ...], table: dict[str, Case]) -> list[str]:
    for name in names:
        if name not in table:
            raise UsageError(f"--kernel: there is no '{name}' on a GPU", fix=f"there are {', '.join(table)}")
    return list(names) or list(table)


def _timed(run: Callable[[], Any]) -> Callable[[], dict[str, float]]:
    def timed() -> dict[str, float]:
        # torch gives events no types.
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        kept = run()
        stop.record()
        stop.synchronize()
        del kept
        return {"milliseconds": start.elapsed_time(stop)}

    return timed
