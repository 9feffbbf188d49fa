"""Write sampled subgraphs: gnnctl sample run/split -o run/samples --num-neighbors 15,10 --batch-size 1024 --epochs 3"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gnnctl import options
from gnnctl.console import Console, table

if TYPE_CHECKING:
    from gnnctl.artifacts import Recipe
    from gnnctl.sampling.description import Description
    from gnnctl.sampling.link_produce import LinkProducer
    from gnnctl.sampling.methods import Spec
    from gnnctl.sampling.produce import Producer
    from gnnctl.splits import LinkSplit

_DRAWING, _LINKS, _WRITING = "Drawing", "Links (of splits --task link)", "Writing"


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
    fan_out_budget: Annotated[
        str | None,
        typer.Option(
            help='Most neighbours of a node over all its edge types, per hop: "30,20".', rich_help_panel=_DRAWING
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Draw neighbours with replacement.", rich_help_panel=_DRAWING)
    ] = False,
    disjoint: Annotated[
        bool, typer.Option("--disjoint", help="Give every seed a tree of its own.", rich_help_panel=_DRAWING)
    ] = False,
    sampler: Annotated[
        str | None,
        typer.Option(
            help="Another way of sampling, as NAME:parameter=value,...", show_default=False, rich_help_panel=_DRAWING
        ),
    ] = None,
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
    draw: Annotated[
        Literal["uniform", "weighted", "recent", "labor"] | None,
        typer.Option(
            help="Draw each alike (the default), by edge weight, the latest, or with draws shared by all nodes.",
            rich_help_panel=_DRAWING,
        ),
    ] = None,
    time: Annotated[
        Literal["before", "until"] | None,
        typer.Option(
            help="Seeds see what came before their time, or until it; makes them --disjoint.",
            rich_help_panel=_DRAWING,
        ),
    ] = None,
    subgraph: Annotated[
        Literal["directional", "bidirectional", "induced"] | None,
        typer.Option(
            help="Edges drawn (the default), with their opposites, or all among the nodes.", rich_help_panel=_DRAWING
        ),
    ] = None,
    negatives: Annotated[
        int | None,
        typer.Option(help="Of each training link, drawn anew each epoch. Default: 8.", min=0, rich_help_panel=_LINKS),
    ] = None,
    negative_method: Annotated[
        Literal["uniform", "degree", "in-batch"] | None,
        typer.Option(help="How they are drawn. Default: uniform.", rich_help_panel=_LINKS),
    ] = None,
    corrupt: Annotated[
        Literal["dst", "src", "either", "both"] | None,
        typer.Option(help="The end that is drawn anew. Default: either, half of them each.", rich_help_panel=_LINKS),
    ] = None,
    keep_known: Annotated[
        bool,
        typer.Option("--keep-known", help="A negative may be a link of the training part.", rich_help_panel=_LINKS),
    ] = False,
    batch_size: Annotated[int, typer.Option(help="Seeds a batch.", min=1, rich_help_panel=_WRITING)] = 1024,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="An equal part of each class in every batch.", rich_help_panel=_WRITING)
    ] = False,
    epochs: Annotated[int, typer.Option(help="Training epochs to sample.", min=1, rich_help_panel=_WRITING)] = 1,
    unit: Annotated[
        Literal["batch", "seed"],
        typer.Option(
            help="A record for each batch, or for each seed (merged when training).", rich_help_panel=_WRITING
        ),
    ] = "batch",
    format: Annotated[
        Literal["parquet", "arrow"],
        typer.Option(help="Parquet for exchange, Arrow for the fastest reading.", rich_help_panel=_WRITING),
    ] = "parquet",
    shard: Annotated[
        str | None,
        typer.Option(help="Write one part only, as 1/4 to 4/4 of four.", show_default=False, rich_help_panel=_WRITING),
    ] = None,
    join: Annotated[
        bool, typer.Option("--join", help="Make the shards named one artifact.", rich_help_panel=_WRITING)
    ] = False,
    threads: Annotated[
        int, typer.Option(help="Sampling threads; no result depends on it.", min=1, rich_help_panel=_WRITING)
    ] = 2,
    graph: Annotated[
        Path | None, typer.Option(help="Where the graph lies, if moved.", show_default=False, rich_help_panel=_WRITING)
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option(
            help="Where the split of the shards lies, if moved.", show_default=False, rich_help_panel=_WRITING
        ),
    ] = None,
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
    from gnnctl.sampling.description import Description
    from gnnctl.sampling.merge import check_mergeable
    from gnnctl.sampling.methods import MethodSpec
    from gnnctl.sampling.plan import RecordPlan, Shard
    from gnnctl.sampling.produce import Producer
    from gnnctl.sampling.spec import SampleSpec, rules_of
    from gnnctl.splits import LinkSplit, open_split
    from gnnctl.training.inputs import code_inputs

    console = Console("sample", json=json, quiet=quiet)
    if join:
        _join(console, sources, output, split, dry_run, force)
        return
    if len(sources) != 1:
        raise UsageError(f"{len(sources)} splits are named", fix="name one, or pass --join to join shards")
    opened = open_split(sources[0], graph)
    if opened.target.task == "graph":
        raise UsageError(f"{sources[0]} is of graphs, which are taken whole, not sampled", fix="train on the split")
    flags = {"--fan-out-budget": fan_out_budget, "--replace": replace, "--disjoint": disjoint}
    given = {
        flag: value
        for flag, value in {**flags, "--draw": draw, "--time": time, "--subgraph": subgraph}.items()
        if value
    }
    spec: Spec
    producer: Producer
    if sampler is None:
        spec = SampleSpec.parse(opened.graph, num_neighbors or [], **rules_of(given), seed=seed)
    else:
        if flag := "--num-neighbors" if num_neighbors else next(iter(given), None):
            raise UsageError(f"{flag} does not go with --sampler", fix="leave one out")
        spec = MethodSpec.parse(sampler, seed)
    if unit == "seed":
        check_mergeable(spec)
    if balanced and (unit == "seed" or opened.target.problem != "multiclass"):
        raise UsageError("--balanced: it balances the classes of a batch", fix="use --unit batch and a class as target")
    part = Shard.parse(shard) if shard is not None else None
    of_links = {
        "--negatives": negatives,
        "--negative-method": negative_method,
        "--corrupt": corrupt,
        "--keep-known": keep_known or None,
    }
    about_links = {flag.removeprefix("--"): value for flag, value in of_links.items() if value is not None}
    if isinstance(opened, LinkSplit):
        producer, resolved_links = _of_links(opened, spec, unit, batch_size, epochs, seed, balanced, about_links)
        plan = producer.plan
    else:
        if about_links:
            raise UsageError(f"--{next(iter(about_links))}: {sources[0]} is no split of links", fix="leave it out")
        parts = {name: rows for name, (rows, _) in opened.parts.items()}
        labels = {name: values for name, (_, values) in opened.parts.items()}
        plan, resolved_links = RecordPlan(parts, unit, batch_size, epochs, seed), {}
        producer = Producer(opened.graph, spec, plan, opened.target.node_type, labels, balanced)
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
    code = code_inputs(spec.name) if isinstance(spec, MethodSpec) else {}
    recipe = Recipe("subgraphs", "sample", 1, resolved, [Parent("split", opened.artifact)], code)
    description = Description.of(producer)
    bounds = (0, plan.records) if part is None else part.bounds(plan.records)
    if str(output) == "-":
        if part is not None or json:
            raise UsageError(f"-o - does not go with {'--json' if json else '--shard'}", fix="name a folder with -o")
        _stream(console, recipe, description, producer, threads, dry_run)
    else:
        _write(console, output, recipe, description, producer, bounds, threads, dry_run, force)


def _of_links(
    split: "LinkSplit",
    spec: "Spec",
    unit: Literal["batch", "seed"],
    batch_size: int,
    epochs: int,
    seed: int,
    balanced: bool,
    given: dict[str, Any],
) -> "tuple[LinkProducer, dict[str, Any]]":
    """What makes the records of a split of links, and the options that say which negatives they have."""
    from gnnctl.errors import UsageError
    from gnnctl.sampling.link_negatives import LinkNegatives
    from gnnctl.sampling.link_produce import LinkProducer, numbers_of
    from gnnctl.sampling.plan import RecordPlan

    plan = RecordPlan(numbers_of(split), unit, batch_size, epochs, seed)
    if split.target.task == "edge":
        if given:
            raise UsageError(f"--{next(iter(given))}: edges that are there have no negatives", fix="leave it out")
        return LinkProducer.of(split, spec, plan, None, balanced), {}
    resolved = {"negatives": 8, "negative-method": "uniform", "corrupt": "either", "keep-known": False, **given}
    if resolved["negative-method"] == "in-batch" and resolved["corrupt"] == "both":
        raise UsageError("--corrupt both: in-batch negatives keep one end", fix="pass --corrupt either, dst or src")
    negatives = LinkNegatives.of(
        split,
        resolved["negatives"],
        method=resolved["negative-method"],
        corrupt=resolved["corrupt"],
        keep_known=resolved["keep-known"],
        seed=seed,
    )
    return LinkProducer.of(split, spec, plan, negatives), {name.replace("-", "_"): v for name, v in resolved.items()}


def _write(
    console: Console,
    output: Path,
    recipe: "Recipe",
    description: "Description",
    producer: "Producer",
    bounds: tuple[int, int],
    threads: int,
    dry_run: bool,
    force: bool,
) -> None:
    from contextlib import closing

    from gnnctl.artifacts import ArtifactWriter, finished
    from gnnctl.sampling.store import RecordsWriter

    if done := finished(output, recipe, force):
        console.log(f"{output} is up to date: same split, same options; nothing to do")
        _report(console, output, done.manifest.summary, done=False)
        return
    first, last = bounds
    if dry_run:
        console.log(f"{output} would be written: {last - first:,} records; a sample of them measures the size")
        _report(console, output, _estimate(producer, first, last), done=False)
        return
    with ArtifactWriter(output, recipe, force=force, resume=True) as writer:
        records = RecordsWriter(writer, description, recipe.options["format"])
        if records.done:
            console.log(f"{output}: going on after {records.done:,} records")
        try:
            with (
                closing(producer.records(first + records.done, last, threads)) as made,
                console.progress(total=last - first, desc="sampling", unit="record") as bar,
            ):
                bar.update(records.done)
                for produced in made:
                    records.append(produced)
                    bar.update(produced.batch.num_rows)
        except BaseException:
            records.abort()
            raise
        records.close()
        summary = writer.summary
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


def _estimate(producer: "Producer", first: int, last: int) -> dict[str, Any]:
    """Counts over the records of a few tasks, scaled to all."""
    from itertools import islice

    seen = list(islice(producer.records(first, last, 0), 4))
    records = sum(p.batch.num_rows for p in seen)
    scale = (last - first) / records if records else 0.0
    names = ("seeds", "nodes", "edges")
    return {"records": last - first, **{n: round(scale * sum(getattr(p, n) for p in seen)) for n in names}}


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
    console.result({"output": str(output), "done": done, **counts}, table(["part", "epochs", *counts], lines))
