"""Take in records that anyone wrote: gnnctl adopt *.parquet -o run/samples --split run/split --num-neighbors 15,10"""

from pathlib import Path
from typing import Annotated, Any

import typer

from gnnctl import options
from gnnctl.console import Console, table
from gnnctl.options import batches, links, records


def adopt(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Parquet or Arrow files of records.")],
    output: options.Output,
    split: Annotated[Path, typer.Option(help="Split whose seeds they are of.", show_default=False)],
    num_neighbors: records.NumNeighbors = None,
    fan_out_budget: batches.FanOutBudget = None,
    replace: batches.Replace = False,
    disjoint: records.Disjoint = False,
    sampler: batches.Sampler = None,
    draw: batches.Draw = None,
    time: batches.Time = None,
    subgraph: batches.Subgraph = None,
    negatives: links.Negatives = None,
    negative_method: links.RecordedMethod = None,
    corrupt: links.Corrupt = None,
    keep_known: links.KeepKnown = False,
    format: records.Format = "parquet",
    features: records.Features = "reference",
    feature_dtype: records.FeatureDtype = None,
    shard_size: records.ShardSize = 128,
    graph: Annotated[Path | None, typer.Option(help="Where the graph lies, if moved.", show_default=False)] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Check records of another engine by the rules of schemas/README.md, and make an artifact of them."""
    from gnnctl.artifacts import ArtifactWriter, Parent, Recipe, file_checksum, finished
    from gnnctl.errors import DataError, UsageError
    from gnnctl.sampling.adopt import Adopted
    from gnnctl.sampling.broken import Broken
    from gnnctl.sampling.link_produce import resolved_negatives
    from gnnctl.sampling.methods import spec_of
    from gnnctl.sampling.packed import Packing
    from gnnctl.sampling.store import RecordsWriter
    from gnnctl.splits import LinkSplit, open_split

    console = Console("adopt", json=json, quiet=quiet)
    opened = open_split(split, graph)
    if opened.target.task == "graph":
        raise UsageError(f"{split} is of graphs, which are taken whole, not sampled", fix="name one of nodes or links")
    flags = {"--fan-out-budget": fan_out_budget, "--replace": replace, "--disjoint": disjoint}
    flags |= {"--draw": draw, "--time": time, "--subgraph": subgraph}
    given = {flag: value for flag, value in flags.items() if value}
    spec = spec_of(opened.graph, num_neighbors, sampler, given, seed)
    if feature_dtype is not None and features != "packed":
        raise UsageError("--feature-dtype without --features packed", fix="pass both")
    for file in files:
        if not file.is_file():
            raise DataError(f"{file} is no file", fix="name Parquet or Arrow files")
    packing = Packing.of(opened.graph, feature_dtype) if features == "packed" else None
    assert opened.artifact is not None
    resolved: dict[str, Any] = {**spec.to_json(), "format": format, "shard": None}
    if packing is not None:
        resolved |= {"features": "packed", "feature_dtype": feature_dtype}
    about_links = links.about_negatives(negatives, negative_method, corrupt, keep_known)
    if isinstance(opened, LinkSplit):
        resolved |= resolved_negatives(opened, about_links)
    elif about_links:
        raise UsageError(f"--{next(iter(about_links))}: {split} is no split of links", fix="leave it out")
    inputs = {str(file): file_checksum(file) for file in files}
    recipe = Recipe("subgraphs", "adopt", 1, resolved, [Parent("split", opened.artifact)], inputs)
    if done := finished(output, recipe, force):
        console.log(f"{output} is up to date: same files, same options; nothing to do")
        _report(console, output, done.manifest.summary, done=False)
        return
    broken = Broken(console.log)
    adopted = Adopted(files, opened, spec, broken, packing, resolved.get("negatives", 0))
    if dry_run:
        with console.progress(adopted.produced(), total=None, desc="checking", unit="group") as checked:
            counts = [(p.batch.num_rows, p.seeds, p.nodes, p.edges) for p in checked]
        console.log(f"{output} would be written; no rule is broken")
        names = ("records", "seeds", "nodes", "edges")
        _report(console, output, dict(zip(names, map(sum, zip(*counts, strict=True)), strict=True)), done=False)
        return
    with ArtifactWriter(output, recipe, force=force) as writer:
        made = RecordsWriter(writer, adopted.description, format, view=opened.view, file_bytes=shard_size << 20)
        try:
            with console.progress(total=adopted.records.records, desc="adopting", unit="record") as bar:
                for produced in adopted.produced():
                    made.append(produced)
                    bar.update(produced.batch.num_rows)
        except BaseException:
            made.abort()
            raise
        made.close()
        summary = writer.summary
    console.log(f"wrote {output}")
    _report(console, output, summary, done=True)


def _report(console: Console, output: Path, summary: dict[str, Any], *, done: bool) -> None:
    counts = {name: summary[name] for name in ("records", "seeds", "nodes", "edges")}
    text = table(list(counts), [list(counts.values())])
    console.result({"output": str(output), "done": done, **counts}, text)
