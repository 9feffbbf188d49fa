"""Measure this machine: gnnctl bench compile -o run/bench   |   gnnctl bench sampling|loading|kernels -o run/bench"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from gnnctl import options
from gnnctl.console import Console

COMPILE, SAMPLING, LOADING, KERNELS = "compile", "sampling", "loading", "kernels"
SAMPLED = "sampling and loading"


class Benchmark(StrEnum):
    """What can be measured."""

    compile = COMPILE
    sampling = SAMPLING
    loading = LOADING
    kernels = KERNELS


class Draw(StrEnum):
    """How neighbours are drawn."""

    uniform = "uniform"
    weighted = "weighted"
    recent = "recent"
    labor = "labor"


class Time(StrEnum):
    """What a seed sees of what carries a time."""

    before = "before"
    until = "until"


class Peer(StrEnum):
    """Libraries to compare with, where they are installed."""

    torch_geometric = "torch-geometric"


class Device(StrEnum):
    """Where models run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def bench(
    benchmark: Annotated[
        Benchmark,
        typer.Argument(
            help="compile: training steps, eager and compiled; sampling: sampled edges a second; loading: batches with "
            "features a second; kernels: aggregation."
        ),
    ],
    output: options.Output,
    graph: Annotated[
        Path | None, typer.Option(help="Graph artifact to measure on.  [default: a generated graph]")
    ] = None,
    node_type: Annotated[
        str | None, typer.Option(help="Type of the seeds and outputs.  [default: the labelled one, else the first]")
    ] = None,
    against: Annotated[Peer | None, typer.Option(help="Measure this library beside ours, if it is installed.")] = None,
    repeats: Annotated[int, typer.Option(help="Measurements; medians are reported.", min=1)] = 7,
    threads: Annotated[
        str | None,
        typer.Option(help="Threads: for compile one number, else a list.  [default: all; 1 and all]"),
    ] = None,
    models: Annotated[
        str, typer.Option(help="Models of train --list-models, or all.", rich_help_panel=COMPILE)
    ] = "gcn,sage,gin",
    work: Annotated[
        str,
        typer.Option(
            help="full: training steps over the graph; sampled: over batches; inference; or a list of them.",
            rich_help_panel=COMPILE,
        ),
    ] = "full",
    hidden: Annotated[int, typer.Option(help="Width of the layers.", min=1, rich_help_panel=COMPILE)] = 64,
    layers: Annotated[int, typer.Option(help="Layers.", min=1, rich_help_panel=COMPILE)] = 3,
    nodes: Annotated[int, typer.Option(help="Nodes of the random graph.", min=2, rich_help_panel=COMPILE)] = 10_000,
    edges: Annotated[int, typer.Option(help="Its edges.", min=1, rich_help_panel=COMPILE)] = 200_000,
    features: Annotated[
        int | None,
        typer.Option(help="Its features a node.  [default: 64; loading 100]", min=1, rich_help_panel=COMPILE),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where models and kernels run (compile, kernels).")] = Device.cpu,
    num_neighbors: Annotated[
        list[str] | None,
        typer.Option(help="Fan-outs, also 'src rel dst=15,10'.  [default: 15,10,5]", rich_help_panel=SAMPLED),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            help="The RMAT graph has 2^SCALE nodes.  [default: 18; kernels 16]",
            min=6,
            max=26,
            rich_help_panel=SAMPLED,
        ),
    ] = None,
    edge_factor: Annotated[int, typer.Option(help="Its edges a node.", min=1, rich_help_panel=SAMPLED)] = 16,
    typed: Annotated[
        bool, typer.Option("--typed", help="Four node types and seven edge types.", rich_help_panel=SAMPLED)
    ] = False,
    batch_size: Annotated[int, typer.Option(help="Seeds a batch.", min=1, rich_help_panel=SAMPLED)] = 1024,
    batches: Annotated[int, typer.Option(help="Batches a measurement.", min=1, rich_help_panel=SAMPLED)] = 32,
    disjoint: Annotated[bool, typer.Option("--disjoint", help="A tree a seed.", rich_help_panel=SAMPLED)] = False,
    replace: Annotated[bool, typer.Option("--replace", help="With replacement.", rich_help_panel=SAMPLED)] = False,
    draw: Annotated[Draw, typer.Option(help="How neighbours are drawn.", rich_help_panel=SAMPLED)] = Draw.uniform,
    time: Annotated[
        Time | None, typer.Option(help="Seeds see what is before or until their time.", rich_help_panel=SAMPLED)
    ] = None,
    feature_formats: Annotated[
        str, typer.Option(help="Formats to store features in: float32,float16,bfloat16,int8.", rich_help_panel=LOADING)
    ] = "float32",
    mapped: Annotated[
        bool, typer.Option(help="Also from a graph artifact, memory-mapped.", rich_help_panel=LOADING)
    ] = True,
    kernels: Annotated[
        list[str] | None, typer.Option("--kernel", help="Only this one; repeatable.", rich_help_panel=KERNELS)
    ] = None,
    width: Annotated[int, typer.Option(help="Features a node.", min=1, rich_help_panel=KERNELS)] = 64,
    heads: Annotated[int, typer.Option(help="Heads of attention.", min=1, rich_help_panel=KERNELS)] = 8,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Measure training steps, sampling, loading or kernels on this machine; write results, a table and a plot."""
    from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe, finished
    from gnnctl.bench.plan import Benchmark as Name
    from gnnctl.bench.plan import Plan, kernel_device, resolve_device, thread_counts
    from gnnctl.bench.suites import feature_formats as formats
    from gnnctl.bench.suites import works

    console = Console("bench", json=json, quiet=quiet)
    compiling = benchmark == Benchmark.compile
    rmat = {"scale": scale or (16 if benchmark == Benchmark.kernels else 18), "edge_factor": edge_factor}
    sampled = {
        "num_neighbors": num_neighbors or ["15,10,5"],
        "batch_size": batch_size,
        "num_batches": batches,
        "disjoint": disjoint,
        "replace": replace,
        "draw": draw.value,
        "time": None if time is None else time.value,
    }
    settings: dict[str, Any]
    generated: dict[str, Any]
    if compiling:
        settings = {"models": models.split(","), "works": works(work), "hidden": hidden, "layers": layers}
        settings |= {"device": resolve_device(device), "fan_out": 10, "batch_size": batch_size}
        generated = {"nodes": nodes, "edges": edges, "features": features or 64}
    elif benchmark == Benchmark.kernels:
        settings = {"kernels": kernels or [], "width": width, "heads": heads, "device": kernel_device(device)}
        generated = rmat | {"typed": False}
    elif benchmark == Benchmark.loading:
        settings = sampled | {"feature_formats": formats(feature_formats), "mapped": mapped}
        generated = rmat | {"typed": typed, "features": features or 100}
    else:
        settings, generated = sampled, rmat | {"typed": typed}
    plan = Plan(
        benchmark=cast("Name", benchmark.value),
        settings=settings,
        generated=generated,
        source=None if graph is None else Artifact.open(graph, "graph"),
        node_type=node_type,
        threads=thread_counts(threads, many=not compiling),
        repeats=repeats,
        against_peer=against is not None,
        seed=seed,
    )
    recipe = Recipe("report", "bench", 1, plan.options(), [Parent("graph", plan.source)] if plan.source else [])
    if not force and (done := finished(output, recipe)):
        console.log(f"{output} is up to date: the same measurement on the same machine; --force measures again")
        text = (done.path / "table.md").read_text(encoding="utf-8")
        console.result({"status": "up to date", "output": str(output), **done.json("results")}, text)
        return
    if dry_run:
        text = f"{plan.describe()}; writes {output}"
        console.result({"status": "dry run", "output": str(output), "options": recipe.options}, text)
        return
    console.log(plan.describe().replace("would measure", "measuring", 1))
    with ArtifactWriter(output, recipe, force=force) as writer:
        report = plan.run(console.progress)
        report.write(writer)
        writer.summary.update({"benchmark": plan.benchmark, "title": report.title, "rows": len(report.rows)})
    console.result({"status": "done", "output": str(output), **report.document}, report.text())
