"""Models of any kind, eager against torch.compile: training over the full batch and over samples, and inference."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from gnnctl.bench.compile_sides import OURS, Side, on_molecules, sides_of
from gnnctl.bench.machine import machine_facts
from gnnctl.bench.memory import peak_growth
from gnnctl.bench.timing import LEAST_REPEATS, Timing, interleave
from gnnctl.console import Progress, no_progress
from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.memory import keep_freed_memory
from gnnctl.nn.models.registry import models

# A training step over the whole graph, one over a sampled batch, and a forward pass over the whole graph.
Work = Literal["full", "sampled", "inference"]
WORKS: tuple[Work, ...] = get_args(Work)
QUANTITIES = ("forward", "backward", "total")


@dataclass(frozen=True)
class CompileOptions:
    """What is measured.

    Attributes:
        models: names of models; ``all`` stands for every one that takes the graph, or a sampled part of it. Those that
            see a graph at once have to be named, and are not measured over samples.
        works: kinds of work, each of :data:`WORKS`.
        hidden, layers: their size; the output is as wide as a hidden layer.
        fan_out, batch_size: of the sampled batches.
        device: where they run.
        threads: torch's threads on the CPU; 0 leaves them as they are.
        repeats: measurements, after two that are thrown away.
        against_peer: also measure torch-geometric's models of the same size on the same graph.
        seed: seed of the weights, the samples and the gradient.
    """

    models: tuple[str, ...] = ("gcn", "sage", "gin")
    works: tuple[Work, ...] = ("full",)
    hidden: int = 64
    layers: int = 3
    fan_out: int = 10
    batch_size: int = 1024
    device: str = "cpu"
    threads: int = 0
    repeats: int = LEAST_REPEATS
    against_peer: bool = False
    seed: int = 0


@dataclass(frozen=True)
class CompileRow:
    """One model of one library at one kind of work, in milliseconds; ``compiled`` is None where it was not compiled.

    ``breaks`` counts graph breaks of the first compilation, ``recompiled`` graphs compiled after it, ``memory`` bytes
    that the process or device grew by in a step, by mode, where the system tells.
    """

    model: str
    work: Work
    side: str
    eager: dict[str, Timing]
    compiled: dict[str, Timing] | None
    first_call: float | None
    breaks: int | None
    recompiled: int
    memory: dict[str, int | None]

    @property
    def speedup(self) -> float | None:
        """Eager total over compiled total."""
        return None if self.compiled is None else self.eager["total"].median / self.compiled["total"].median

    def to_json(self) -> dict[str, Any]:
        """The row for results.json; times in milliseconds, the first compiled call in seconds, memory in bytes."""
        return {
            "model": self.model,
            "work": self.work,
            "side": self.side,
            "eager_ms": {q: t.to_json() for q, t in self.eager.items()},
            "compiled_ms": None if self.compiled is None else {q: t.to_json() for q, t in self.compiled.items()},
            "speedup": self.speedup,
            "first_compiled_call_s": self.first_call,
            "graph_breaks": self.breaks,
            "recompiled": self.recompiled,
            "memory_bytes": self.memory,
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
    """Measure models on a graph, the outputs being those of all nodes of ``node_type``, or of a batch of them.

    A training step is a forward pass and a backward pass of a fixed random gradient, all parameters included; dropout
    is off, and freed memory is kept, for all sides, as in training.

    Raises:
        UsageError: a model that there is not, or that does not take the graph.
    """
    device = torch.device(options.device)
    keep_freed_memory()
    notes: list[str] = []
    measured = []
    names = _names(options.models, graph)
    with _threads(options.threads), progress(total=len(names) * len(options.works), desc="models", unit="model") as bar:
        machine = machine_facts()
        for name in names:
            for work in options.works:
                if work == "sampled" and name in models() and models()[name].whole and not on_molecules(name):
                    notes.append(f"{name} was not measured over samples: it sees a graph at once")
                    continue
                measured += _bench_model(name, work, graph, node_type, options, device, notes)
                bar.update(1)
    return CompileResult(machine, measured, list(dict.fromkeys(notes)))


def _names(wanted: tuple[str, ...], graph: Graph) -> list[str]:
    fits = {"any", "one type" if graph.schema.is_homogeneous else "typed"}
    featured = all(edges.features for edges in graph.schema.edges.values())
    every = [
        name
        for name, model in models().items()
        if model.learns
        and not model.events
        and (
            model.whole or (model.graphs in fits and "node" in model.tasks and (featured or not model.needs_edge_attr))
        )
    ]
    found = list(dict.fromkeys(n for name in wanted for n in (every if name == "all" else [name])))
    for name in found:
        known = models().get(name)
        if known is not None and known.events:
            raise UsageError(f"--models {name}: its steps are of events in time", fix="measure another")
        if known is not None and not known.learns:
            raise UsageError(f"--models {name}: it has nothing to train", fix="measure another")
    return found


def _bench_model(
    name: str,
    work: Work,
    graph: Graph,
    node_type: str,
    options: CompileOptions,
    device: torch.device,
    notes: list[str],
) -> list[CompileRow]:
    sides = sides_of(name, work, graph, node_type, options, device, notes)
    torch.compiler.reset()  # the models before this one shall not count against its compilations
    steps: dict[str, Callable[[], Mapping[str, float]]] = {}
    first: dict[str, float] = {}
    breaks: dict[str, int] = {}
    memory: dict[str, dict[str, int | None]] = {}
    recompiled = Counter[str]()
    for side, of in sides.items():
        eager = _step(of, of.call, work, device)
        # What the first step of a graph fills in (its view by source) belongs to neither side, and a compiled step
        # that found it missing would be compiled again once it is there.
        for _ in of.inputs:
            eager()
        steps[f"{side}/eager"] = eager
        memory[side] = {"eager": peak_growth(eager, device), "compiled": None}
        if not of.compiles:
            continue
        compiled = torch.compile(of.call, fullgraph=side == OURS, dynamic=len(of.inputs) > 1 or None)
        step = _step(of, compiled, work, device)
        _counters()["graph_break"].clear()
        start = time.perf_counter()
        try:
            step()
        except Exception as error:  # whatever the compiler raises is a finding, not a failure of the benchmark
            notes.append(f"{name}, {work}, {side}: torch.compile failed: {_first_line(error)}")
            continue
        first[side] = time.perf_counter() - start
        breaks[side] = sum(_counters()["graph_break"].values())
        steps[f"{side}/compiled"] = _watched(step, recompiled, side)
        memory[side]["compiled"] = peak_growth(step, device)

    found = interleave(steps, repeats=options.repeats)
    timings = {key: {q: t.scaled(1e3) for q, t in quantities.items()} for key, quantities in found.items()}
    return [
        CompileRow(
            name,
            work,
            side,
            timings[f"{side}/eager"],
            timings.get(f"{side}/compiled"),
            first.get(side),
            breaks.get(side),
            recompiled[side],
            memory[side],
        )
        for side in sides
    ]


def _step(
    side: Side, call: Callable[[Any], Tensor], work: Work, device: torch.device
) -> Callable[[], Mapping[str, float]]:
    """One step; each takes the next of the side's inputs."""
    turn = iter(_forever(side))

    def wait() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    def infer() -> Mapping[str, float]:
        given, _ = next(turn)
        with torch.no_grad():
            start = wait()
            call(given)
            end = wait()
        return {"forward": end - start, "total": end - start}

    def train() -> Mapping[str, float]:
        given, gradient = next(turn)
        side.module.zero_grad(set_to_none=True)
        start = wait()
        out = call(given)
        middle = wait()
        out.backward(gradient)  # type: ignore[no-untyped-call]  # torch gives backward no types
        end = wait()
        return {"forward": middle - start, "backward": end - middle, "total": end - start}

    return infer if work == "inference" else train


def _forever(side: Side) -> Iterator[tuple[Any, Tensor]]:
    while True:
        yield from zip(side.inputs, side.gradients, strict=True)


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


def _counters() -> Any:
    from torch._dynamo.utils import counters

    return counters


def _compiled_graphs() -> int:
    return int(_counters()["stats"]["unique_graphs"])


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:160]
