"""Training steps of GCN, GraphSAGE and GIN, eager against torch.compile: forward, backward, total."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gnnctl.bench.machine import machine_facts
from gnnctl.bench.peers import PEER_SORTED, peer_sides
from gnnctl.bench.timing import LEAST_REPEATS, Timing, interleave
from gnnctl.console import Progress, no_progress
from gnnctl.graph.batch import Batch
from gnnctl.graph.graph import Graph
from gnnctl.nn import ModelOptions, build_model

OURS = "gnnctl"
QUANTITIES = ("forward", "backward", "total")


@dataclass(frozen=True)
class CompileOptions:
    """What is measured.

    Attributes:
        models: names of models.
        hidden, layers: their size; the output is as wide as a hidden layer.
        device: where they run.
        threads: torch's threads on the CPU; 0 leaves them as they are.
        repeats: measurements, after two that are thrown away.
        against_peer: also measure torch-geometric's models of the same size on the same graph.
        seed: seed of the weights and of the gradient.
    """

    models: tuple[str, ...] = ("gcn", "sage", "gin")
    hidden: int = 64
    layers: int = 3
    device: str = "cpu"
    threads: int = 0
    repeats: int = LEAST_REPEATS
    against_peer: bool = False
    seed: int = 0


@dataclass(frozen=True)
class CompileRow:
    """One model of one library, in milliseconds; ``compiled`` is None where it was not compiled."""

    model: str
    side: str
    eager: dict[str, Timing]
    compiled: dict[str, Timing] | None
    first_call: float | None
    recompiled: int

    @property
    def speedup(self) -> float | None:
        """Eager total over compiled total."""
        return None if self.compiled is None else self.eager["total"].median / self.compiled["total"].median

    def to_json(self) -> dict[str, Any]:
        """The row for results.json; times in milliseconds, the first compiled call in seconds."""
        return {
            "model": self.model,
            "side": self.side,
            "eager_ms": {q: t.to_json() for q, t in self.eager.items()},
            "compiled_ms": None if self.compiled is None else {q: t.to_json() for q, t in self.compiled.items()},
            "speedup": self.speedup,
            "first_compiled_call_s": self.first_call,
            "recompiled": self.recompiled,
        }


@dataclass(frozen=True)
class CompileResult:
    """All rows, and the machine they were measured on."""

    machine: dict[str, Any]
    rows: list[CompileRow]
    notes: list[str]


def bench_compile(
    graph: Graph, node_type: str, options: CompileOptions, *, progress: Progress = no_progress
) -> CompileResult:
    """Measure training steps over the whole graph, the outputs being those of all nodes of ``node_type``.

    A step is a forward pass and a backward pass of a fixed random gradient, all parameters included; dropout is off.
    """
    device = torch.device(options.device)
    notes: list[str] = []
    measured = []
    with _threads(options.threads), progress(total=len(options.models), desc="models", unit="model") as bar:
        machine = machine_facts()
        for name in options.models:
            measured += _bench_model(name, graph, node_type, options, device, notes)
            bar.update(1)
    return CompileResult(machine, measured, list(dict.fromkeys(notes)))


def _bench_model(
    name: str, graph: Graph, node_type: str, options: CompileOptions, device: torch.device, notes: list[str]
) -> list[CompileRow]:
    rows = np.arange(graph.num_nodes(node_type), dtype=np.int64)
    batch = Batch.full(graph, node_type, rows).to(device)
    model_options = ModelOptions(name=name, hidden=options.hidden, layers=options.layers, dropout=0.0)
    torch.manual_seed(options.seed)
    model = build_model(model_options, graph.schema, node_type, options.hidden).to(device).train()
    gradient = torch.randn(len(rows), options.hidden).to(device)

    forwards: dict[str, tuple[nn.Module, Callable[[], Tensor]]] = {OURS: (model, lambda: model(batch))}
    if options.against_peer:
        forwards |= peer_sides(name, graph, options.hidden, options.layers, device, notes)

    torch.compiler.reset()  # the models before this one shall not count against its compilations
    steps: dict[str, Callable[[], Mapping[str, float]]] = {}
    first: dict[str, float] = {}
    recompiled = Counter[str]()
    for side, (module, forward) in forwards.items():
        steps[f"{side}/eager"] = _step(module, forward, gradient, device)
        # What the first step of a graph fills in (its view by source) belongs to neither side, and a compiled step
        # that found it missing would be compiled again once it is there.
        steps[f"{side}/eager"]()
        if side == PEER_SORTED:
            continue  # torch-geometric's own advice: its EdgeIndex is for eager mode
        compiled = torch.compile(forward, fullgraph=side == OURS)
        step = _step(module, compiled, gradient, device)
        start = time.perf_counter()
        try:
            step()
        except Exception as error:  # whatever the compiler raises is a finding, not a failure of the benchmark
            notes.append(f"{name}, {side}: torch.compile failed: {_first_line(error)}")
            continue
        first[side] = time.perf_counter() - start
        steps[f"{side}/compiled"] = _watched(step, recompiled, side)

    found = interleave(steps, repeats=options.repeats)
    timings = {key: {q: t.scaled(1e3) for q, t in quantities.items()} for key, quantities in found.items()}
    return [
        CompileRow(
            name,
            side,
            timings[f"{side}/eager"],
            timings.get(f"{side}/compiled"),
            first.get(side),
            recompiled[side],
        )
        for side in forwards
    ]


def _step(
    module: nn.Module, forward: Callable[[], Tensor], gradient: Tensor, device: torch.device
) -> Callable[[], Mapping[str, float]]:
    def wait() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    def run() -> Mapping[str, float]:
        module.zero_grad(set_to_none=True)
        start = wait()
        out = forward()
        middle = wait()
        out.backward(gradient)  # type: ignore[no-untyped-call]  # torch gives backward no types
        end = wait()
        return {"forward": middle - start, "backward": end - middle, "total": end - start}

    return run


def _watched(
    step: Callable[[], Mapping[str, float]], recompiled: Counter[str], side: str
) -> Callable[[], Mapping[str, float]]:
    """The step, counting what it compiles once more."""

    def run() -> Mapping[str, float]:
        before = _compiled_graphs()
        measured = step()
        recompiled[side] += _compiled_graphs() - before
        return measured

    return run


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _compiled_graphs() -> int:
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:160]
