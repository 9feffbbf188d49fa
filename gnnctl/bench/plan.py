"""What a run of `gnnctl bench` measures, resolved: it names the recipe, and hands over to the benchmark."""

import os
from dataclasses import dataclass
from typing import Any, Literal

from gnnctl.artifacts import Artifact
from gnnctl.bench.machine import machine_facts
from gnnctl.bench.report import Report
from gnnctl.bench.rmat import rmat, typed_rmat, uniform, with_draws
from gnnctl.console import Progress, no_progress
from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph

Benchmark = Literal["compile", "sampling", "loading", "kernels"]


@dataclass(frozen=True)
class Plan:
    """One benchmark with its settings.

    Attributes:
        benchmark: which.
        settings: what is measured: for compile models, hidden, layers, device; for sampling and loading num_neighbors,
            batch_size, num_batches and the sampler's rules (disjoint, replace, draw, time); for loading also
            feature_formats and mapped; for kernels names, width, heads.
        generated: sizes of the graph to generate: nodes, edges, features; or scale, edge_factor, typed, features.
        source: the graph artifact to measure on instead, or None.
        node_type: type of the seeds and outputs; None: the labelled type, else the first that has in-edges.
        threads: numbers of threads; compile takes one.
        repeats: measurements.
        against_peer: measure torch-geometric too.
        seed: seed of the graph, the weights and the picks.
    """

    benchmark: Benchmark
    settings: dict[str, Any]
    generated: dict[str, Any]
    source: Artifact | None
    node_type: str | None
    threads: tuple[int, ...]
    repeats: int
    against_peer: bool
    seed: int

    def __post_init__(self) -> None:
        if self.benchmark == "compile" and len(self.threads) != 1:
            raise UsageError("--threads: compile takes one number", fix="run it once for each")

    def options(self) -> dict[str, Any]:
        """The recipe's options. The machine is among them: its figures are not another machine's."""
        facts = machine_facts()
        return {
            "benchmark": self.benchmark,
            **self.settings,
            "generated": None if self.source else self.generated,
            "node_type": self.node_type,
            "threads": list(self.threads),
            "repeats": self.repeats,
            "against": "torch-geometric" if self.against_peer else None,
            "seed": self.seed,
            "machine": {"processor": facts["processor"], "cores": facts["cores"], "torch": facts["versions"]["torch"]},
        }

    def describe(self) -> str:
        """One line for --dry-run."""
        sizes = ", ".join(f"{name} {value}" for name, value in self.generated.items())
        on = str(self.source.path) if self.source else f"a generated graph ({sizes})"
        return f"would measure {self.benchmark} on {on}: {self.repeats} measurements after 2 for warm-up"

    def run(self, progress: Progress = no_progress) -> Report:
        """Measure.

        Raises:
            UsageError: settings that do not fit the graph.
            DataError: nothing to sample from.
        """
        from gnnctl.bench.suites import SUITES

        graph, name = self._graph()
        return SUITES[self.benchmark](self, graph, name, _node_type(graph, self.node_type), progress)

    def _graph(self) -> tuple[Graph, str]:
        if self.source:
            graph = Graph.open(self.source)
            sizes = f"{sum(n.num_nodes for n in graph.nodes.values()):,} nodes, {graph.num_edges:,} edges"
            return graph, f"{self.source.path.name}, {sizes}"
        g = self.generated
        if self.benchmark == "compile":
            name = f"random graph, {g['nodes']:,} nodes, {g['edges']:,} edges, {g['features']} features"
            return uniform(g["nodes"], g["edges"], features=g["features"], seed=self.seed), name
        features = g.get("features", 0)
        suffix = f", {features} features" if features else ""
        if g["typed"]:
            graph = self._drawable(typed_rmat(g["scale"], features=features, seed=self.seed))
            kinds = f"{len(graph.nodes)} node and {len(graph.edges)} edge types"
            return graph, f"typed RMAT, scale {g['scale']}, {graph.num_edges:,} edges, {kinds}{suffix}"
        graph = self._drawable(rmat(g["scale"], g["edge_factor"], features=features, seed=self.seed))
        return graph, f"RMAT, scale {g['scale']}, {graph.num_edges:,} edges{suffix}"

    def _drawable(self, graph: Graph) -> Graph:
        timed = self.settings.get("time") is not None or self.settings.get("draw") == "recent"
        weighted = self.settings.get("draw") == "weighted"
        return with_draws(graph, timed=timed, seed=self.seed) if timed or weighted else graph


def thread_counts(text: str | None, *, many: bool) -> tuple[int, ...]:
    """Read ``"1,2"``; None stands for all cores, and where ``many`` also for one.

    Raises:
        UsageError: no positive numbers.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if text is None:
        return (1, cores) if many and cores > 1 else (cores,)
    try:
        found = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        found = ()
    if not found or min(found) < 1 or max(found) > 256:
        raise UsageError(f"--threads '{text}' is no list of 1 to 256 threads", fix="write for example 1,2")
    return found


def resolve_device(name: str) -> str:
    """``auto`` is cuda where there is one.

    Raises:
        UsageError: cuda is asked for and missing.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no GPU", fix="pass --device cpu")
    return name


def kernel_device(name: str) -> str:
    """:func:`resolve_device` for kernels, which a build may not have.

    Raises:
        UsageError: cuda is asked for, and there is no GPU or no kernel for it.
    """
    if name == "cuda":
        from gnnctl.bench.cuda_kernels import check_device

        check_device()
    return resolve_device(name)


def _node_type(graph: Graph, name: str | None) -> str:
    if name is not None:
        if name not in graph.nodes:
            raise UsageError(f"--node-type '{name}' is not in the graph", fix=f"it has {', '.join(graph.nodes)}")
        return name
    labelled = [n for n, store in graph.nodes.items() if store.label is not None]
    targets = [n for n in graph.nodes if any(t.dst == n for t in graph.edges)]
    return (labelled or targets or graph.node_types)[0]
