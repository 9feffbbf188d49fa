"""Write sampled subgraphs: gnnctl sample run/split -o run/samples --num-neighbors 15,10 --batch-size 1024 --epochs 3"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from gnnctl import options
from gnnctl.console import Console, table
from gnnctl.options import batches, links, records, remote

if TYPE_CHECKING:
    from gnnctl.artifacts import Recipe
    from gnnctl.sampling.description import Description
    from gnnctl.sampling.produce import Producer
    from gnnctl.splits import LinkSplit, NodeSplit

_DRAWING, _LINKS, _WRITING = batches.PANEL, links.PANEL, records.PANEL


def _list_samplers(wanted: bool) -> None:
    if wanted:
        from gnnctl.sampling.methods import describe_methods

        print(table(["sampler", "parameters and their defaults", "what it does"], describe_methods()))
        raise typer.Exit


def sample(
    sources: Annotated[list[Path], typer.Argument(metavar="SPLIT", help="Split artifact; with --join, the shards.")],
    output: options.Output,
    num_neighbors: Annotated[
        list[str] | None,
        typer.Option(
            help='Fan-out per hop, -1 for all: "15,10" for every edge type, "src rel dst=15,10" for one.',
            rich_help_panel=_DRAWING,
        ),
    ] = None,
    fan_out_budget: batches.FanOutBudget = None,
    replace: batches.Replace = False,
    disjoint: batches.Disjoint = False,
    sampler: batches.Sampler = None,
    _: Annotated[
        bool,
        typer.Option(
            "--list-samplers",
            help="Show the other ways of sampling.",
            is_eager=True,
            callback=_list_samplers,
            rich_help_panel=_DRAWING,
        ),
    ] = False,
    draw: batches.Draw = None,
    time: batches.Time = None,
    subgraph: batches.Subgraph = None,
    negatives: links.Negatives = None,
    negative_method: links.RecordedMethod = None,
    corrupt: links.Corrupt = None,
    keep_known: links.KeepKnown = False,
    batch_size: Annotated[int, typer.Option(help="Seeds a batch.", min=1, rich_help_panel=_WRITING)] = 1024,
    balanced: batches.Balanced = False,
    epochs: Annotated[int, typer.Option(help="Training epochs to sample.", min=1, rich_help_panel=_WRITING)] = 1,
    unit: records.Unit = "batch",
    format: records.Format = "parquet",
    features: records.Features = "reference",
    feature_dtype: records.FeatureDtype = None,
    shard_size: records.ShardSize = 128,
    shard: records.Shard = None,
    join: records.Join = False,
    threads: Annotated[
        int, typer.Option(help="Sampling threads; no result depends on it.", min=1, rich_help_panel=_WRITING)
    ] = 2,
    graph: remote.Graph = None,
    token_file: remote.TokenFile = None,
    tls_ca: remote.TlsCa = None,
    split: Annotated[
        Path | None,
        typer.Option(
            help="Where the split of the shards lies, if moved.", show_default=False, rich_help_panel=_WRITING
        ),
    ] = None,
    engine: records.Engine = "local",
    master: records.Master = None,
    partitions: records.Partitions = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Sample the neighbourhoods of a split's seeds, nodes or links, into an artifact, or with -o - into a pipe."""
    from gnnctl.artifacts import Parent, Recipe
    from gnnctl.errors import UsageError
    from gnnctl.remote import graph_option
    from gnnctl.sampling.description import Description
    from gnnctl.sampling.link_produce import link_producer
    from gnnctl.sampling.merge import check_mergeable
    from gnnctl.sampling.methods import MethodSpec, spec_of
    from gnnctl.sampling.packed import Packing
    from gnnctl.sampling.plan import Shard
    from gnnctl.sampling.produce import Producer
    from gnnctl.sampling.spark_joins import check_joinable
    from gnnctl.splits import LinkSplit, open_split
    from gnnctl.training.code import code_inputs

    console = Console("sample", json=json, quiet=quiet)
    if join:
        _join(console, sources, output, split, dry_run, force)
        return
    if len(sources) != 1:
        raise UsageError(f"{len(sources)} splits are named", fix="name one, or pass --join to join shards")
    opened = open_split(sources[0], graph_option(graph, token_file, tls_ca))
    if opened.target.task == "graph":
        raise UsageError(f"{sources[0]} is of graphs, which are taken whole, not sampled", fix="train on the split")
    flags = {"--fan-out-budget": fan_out_budget, "--replace": replace, "--disjoint": disjoint}
    given = {
        flag: value
        for flag, value in {**flags, "--draw": draw, "--time": time, "--subgraph": subgraph}.items()
        if value
    }
    producer: Producer
    spec = spec_of(opened.graph, num_neighbors, sampler, given, seed)
    if unit == "seed":
        check_mergeable(spec)
    if balanced and (unit == "seed" or opened.target.problem != "multiclass"):
        raise UsageError("--balanced: it balances the classes of a batch", fix="use --unit batch and a class as target")
    part = Shard.parse(shard) if shard is not None else None
    about_links = links.about_negatives(negatives, negative_method, corrupt, keep_known)
    if isinstance(opened, LinkSplit):
        producer, resolved_links = link_producer(opened, spec, unit, batch_size, epochs, seed, balanced, about_links)
    else:
        if about_links:
            raise UsageError(f"--{next(iter(about_links))}: {sources[0]} is no split of links", fix="leave it out")
        producer = Producer.around_nodes(opened, spec, unit, batch_size, epochs, seed, balanced)
        resolved_links = {}
    plan = producer.plan
    assert opened.artifact is not None
    resolved: dict[str, Any] = {
        **spec.to_json(),
        "unit": unit,
        "batch_size": batch_size if unit == "batch" else 1,
        "epochs": epochs,
        "format": format,
        **({"balanced": True} if balanced else {}),
        **resolved_links,
        "shard": None if part is None else part.to_json(),
    }
    packing = None
    if engine == "spark-joins":
        check_joinable(producer)
    if features == "packed":
        if str(output) == "-":
            raise UsageError("--features packed: a pipe has nothing beside its records", fix="name a folder with -o")
        resolved |= {"features": "packed", "feature_dtype": feature_dtype}
        packing = Packing.of(opened.graph, feature_dtype)
    elif feature_dtype is not None:
        raise UsageError("--feature-dtype without --features packed", fix="pass both, or gnnctl ingest --feature-dtype")
    code = code_inputs(spec.name) if isinstance(spec, MethodSpec) else {}
    recipe = Recipe("subgraphs", "sample", 1, resolved, [Parent("split", opened.artifact)], code)
    description = Description.of(producer, packing)
    if engine == "local" and (spark := "--master" if master else "--partitions" if partitions else None):
        raise UsageError(f"{spark} without --engine spark", fix="pass both, or neither")
    bounds = (0, plan.records) if part is None else part.bounds(plan.records)
    if str(output) == "-":
        if unfit := "--json" if json else "--shard" if part is not None else "--engine" if engine != "local" else None:
            raise UsageError(f"-o - does not go with {unfit}", fix="name a folder with -o")
        _stream(console, recipe, description, producer, threads, dry_run)
    else:
        how = _How(engine, master, partitions, threads, shard_size << 20)
        _write(console, output, recipe, description, producer, opened, bounds, how, dry_run, force)


class _How(NamedTuple):
    """By what records are made; none of it changes one."""

    engine: Literal["local", "spark", "spark-joins"]
    master: str | None
    partitions: int | None
    threads: int
    file_bytes: int


def _write(
    console: Console,
    output: Path,
    recipe: "Recipe",
    description: "Description",
    producer: "Producer",
    split: "NodeSplit | LinkSplit",
    bounds: tuple[int, int],
    how: _How,
    dry_run: bool,
    force: bool,
) -> None:
    from gnnctl.artifacts import finished
    from gnnctl.sampling.pilot import pilot
    from gnnctl.sampling.write import write_records

    if done := finished(output, recipe, force):
        console.log(f"{output} is up to date: same split, same options; nothing to do")
        _report(console, output, done.manifest.summary, done=False)
        return
    if dry_run:
        found = pilot(producer, description, recipe.options["format"], bounds, how.threads, how.file_bytes)
        console.log(f"{output} would be written: {found['records']:,} records; {found['pilot']} of them tell the size")
        _report(console, output, found, done=False)
        return
    shared: dict[str, Any] = {
        "threads": how.threads,
        "force": force,
        "file_bytes": how.file_bytes,
        "progress": console.progress,
        "log": console.log,
    }
    if how.engine == "local":
        summary = write_records(output, recipe, description, producer, bounds, **shared)
    else:
        from gnnctl.sampling.spark_run import write_with_spark

        shared |= {"engine": how.engine, "master": how.master, "partitions": how.partitions}
        summary = write_with_spark(output, recipe, description, producer, split, bounds, **shared)
    console.log(f"wrote {output}")
    _report(console, output, summary, done=True)


def _stream(
    console: Console, recipe: "Recipe", description: "Description", producer: "Producer", threads: int, dry_run: bool
) -> None:
    """Records go to stdout, everything that is said to stderr; a reader that leaves ends it all quietly."""
    import os
    import sys
    from contextlib import closing

    from gnnctl.errors import UsageError
    from gnnctl.sampling.stream import write_stream

    if dry_run:
        console.log(f"{description.records:,} records would be sent")
        return
    if sys.stdout.isatty():
        raise UsageError(
            "-o - would write binary records to the terminal", fix="pipe it, for example into gnnctl train -"
        )
    sys.stdout.flush()
    with (
        os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0) as pipe,
        closing(producer.records(0, description.records, threads)) as made,
        console.progress(made, total=description.records, desc="sampling", unit="record", unit_scale=True) as bar,
    ):
        whole = write_stream(pipe, recipe, description, bar)
    console.log(f"sent {description.records:,} records" if whole else "the reader has gone; stopped")


def _join(console: Console, sources: list[Path], output: Path, split: Path | None, dry_run: bool, force: bool) -> None:
    from gnnctl.artifacts import ArtifactWriter, finished
    from gnnctl.errors import UsageError
    from gnnctl.sampling.join import join, joined_recipe

    if str(output) == "-":
        raise UsageError("-o - does not go with --join", fix="name a folder with -o")
    recipe, shards = joined_recipe(sources, split)
    if done := finished(output, recipe, force):
        console.log(f"{output} is up to date: these shards make it already; nothing to do")
        _report(console, output, done.manifest.summary, done=False)
        return
    if dry_run:
        console.log(f"{output} would be made of {len(shards)} shards")
        records = sum(shard.manifest.summary["records"] for shard in shards)
        console.result({"output": str(output), "done": False, "records": records}, f"{records:,} records")
        return
    with ArtifactWriter(output, recipe, force=force) as writer:
        join(writer, shards)
        summary = writer.summary
    console.log(f"wrote {output}")
    _report(console, output, summary, done=True)


def _report(console: Console, output: Path, summary: dict[str, Any], *, done: bool) -> None:
    counts = {name: summary[name] for name in ("records", "seeds", "nodes", "edges")}
    rows: dict[str, dict[str, Any]] = {}
    for shard in summary.get("shards", []):
        row = rows.setdefault(shard["split"], dict.fromkeys(["epochs", *counts], 0) | {"epochs": set()})
        row["epochs"].add(shard["epoch"])
        for name in counts:
            row[name] += shard[name]
    lines = [[part, len(row["epochs"]), *(row[name] for name in counts)] for part, row in rows.items()]
    if not lines:
        lines = [["all", "-", *counts.values()]]
    text = table(["part", "epochs", *counts], lines)
    predicted: dict[str, Any] = {
        name: summary[name] for name in ("bytes", "packed_bytes", "seconds", "blow_up", "pilot") if name in summary
    }
    if predicted:
        from gnnctl.inspection import size_text

        text += (
            f"\n\nabout {size_text(summary['bytes'])}, {summary['blow_up']:.2f} times the graph, "
            f"of which {size_text(summary['packed_bytes'])} features; about {summary['seconds']:,.0f} s"
        )
    console.result({"output": str(output), "done": done, **counts, **predicted}, text)
