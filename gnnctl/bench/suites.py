"""The benchmarks by name: each reads its settings out of a plan, measures, and reports."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gnnctl.bench.report import Report
from gnnctl.console import Progress
from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph

if TYPE_CHECKING:
    from gnnctl.bench.plan import Plan
    from gnnctl.sampling.spec import SampleSpec

RULES = ("disjoint", "replace", "draw", "time")


def _compile(plan: "Plan", graph: Graph, name: str, node_type: str, progress: Progress) -> Report:
    from gnnctl.bench.compile import CompileOptions, bench_compile
    from gnnctl.bench.compile_report import compile_report

    options = CompileOptions(
        **plan.settings | {key: tuple(plan.settings[key]) for key in ("models", "works")},
        threads=plan.threads[0],
        repeats=plan.repeats,
        against_peer=plan.against_peer,
        seed=plan.seed,
    )
    return compile_report(graph, name, node_type, options, bench_compile(graph, node_type, options, progress=progress))


def _sampling(plan: "Plan", graph: Graph, name: str, node_type: str, progress: Progress) -> Report:
    from gnnctl.bench.sampling import SamplingOptions, bench_sampling
    from gnnctl.bench.sampling_report import sampling_report

    spec, settings = _spec(plan, graph)
    options = SamplingOptions(threads=plan.threads, repeats=plan.repeats, against_peer=plan.against_peer, **settings)
    return sampling_report(
        graph, name, spec, options, bench_sampling(graph, node_type, spec, options, progress=progress)
    )


def _loading(plan: "Plan", graph: Graph, name: str, node_type: str, progress: Progress) -> Report:
    from gnnctl.bench.loading import LoadingOptions, bench_loading
    from gnnctl.bench.loading_report import loading_report

    spec, settings = _spec(plan, graph)
    settings["feature_formats"] = tuple(settings["feature_formats"])
    options = LoadingOptions(threads=plan.threads, repeats=plan.repeats, against_peer=plan.against_peer, **settings)
    return loading_report(graph, name, spec, options, bench_loading(graph, node_type, spec, options, progress=progress))


def _kernels(plan: "Plan", graph: Graph, name: str, node_type: str, progress: Progress) -> Report:
    if plan.settings["device"] == "cuda":
        return _cuda_kernels(plan, graph, name, progress)
    from gnnctl.bench.kernels import KernelOptions, bench_kernels
    from gnnctl.bench.kernels_report import kernels_report

    options = KernelOptions(
        kernels=tuple(plan.settings["kernels"]),
        width=plan.settings["width"],
        heads=plan.settings["heads"],
        threads=plan.threads,
        repeats=plan.repeats,
        against_peer=plan.against_peer,
        seed=plan.seed,
    )
    return kernels_report(graph, name, options, bench_kernels(graph, options, progress=progress))


def _cuda_kernels(plan: "Plan", graph: Graph, name: str, progress: Progress) -> Report:
    from gnnctl.bench.cuda_kernels import CudaOptions, bench_cuda
    from gnnctl.bench.cuda_report import cuda_report

    chosen, (width, heads) = plan.settings["kernels"], (plan.settings[key] for key in ("width", "heads"))
    options = CudaOptions(tuple(chosen), width, heads, plan.repeats, plan.seed)
    return cuda_report(graph, name, options, bench_cuda(graph, options, progress=progress))


def _spec(plan: "Plan", graph: Graph) -> "tuple[SampleSpec, dict[str, Any]]":
    """How to sample, and the settings that are left."""
    from gnnctl.sampling.spec import SampleSpec

    settings = dict(plan.settings)
    rules = {key: settings.pop(key) for key in RULES}
    return SampleSpec.parse(graph, settings.pop("num_neighbors"), **rules, seed=plan.seed), settings


def feature_formats(text: str) -> list[str]:
    """Read ``"float32,int8"``.

    Raises:
        UsageError: a format that there is not.
    """
    from gnnctl.graph.features import FORMATS

    found = [part.strip() for part in text.split(",")]
    for name in found:
        if name not in FORMATS:
            raise UsageError(f"--feature-formats: there is no '{name}'", fix=f"there are {', '.join(FORMATS)}")
    return list(dict.fromkeys(found))


def works(text: str) -> list[str]:
    """Read ``"full,inference"``.

    Raises:
        UsageError: a kind of work that there is not.
    """
    from gnnctl.bench.compile import WORKS

    found = [part.strip() for part in text.split(",")]
    for name in found:
        if name not in WORKS:
            raise UsageError(f"--work: there is no '{name}'", fix=f"there are {', '.join(WORKS)}")
    return list(dict.fromkeys(found))


SUITES: dict[str, Callable[["Plan", Graph, str, str, Progress], Report]] = {
    "compile": _compile,
    "sampling": _sampling,
    "loading": _loading,
    "kernels": _kernels,
}
