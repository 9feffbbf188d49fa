"""Predict with a trained model: gnnctl predict run/model -o run/predictions"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gnnctl import options
from gnnctl.console import Console, table
from gnnctl.errors import UsageError

WHICH, HOW = "Which nodes", "How"


def predict(
    model: Annotated[Path, typer.Argument(help="Model artifact.")],
    output: options.Output,
    node: Annotated[
        list[str] | None,
        typer.Option(help="Original id of a node (or graph) to score; repeatable.", rich_help_panel=WHICH),
    ] = None,
    nodes: Annotated[
        Path | None,
        typer.Option(help="File of ids to score: Parquet column id, or one a line.", rich_help_panel=WHICH),
    ] = None,
    part: Annotated[
        Literal["train", "val", "test"] | None,
        typer.Option(help="Score one part of the split. Default: all nodes.", rich_help_panel=WHICH),
    ] = None,
    on: Annotated[
        Path | None,
        typer.Option(help="Another graph to score, ingested with --encoders-from.", rich_help_panel=WHICH),
    ] = None,
    num_neighbors: Annotated[
        list[str] | None,
        typer.Option(
            help='Sample each node\'s neighbourhood: "15,10" or "src rel dst=15,10". Default: exact, all neighbours.',
            rich_help_panel=HOW,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(help="Nodes at a time when sampling; changes no score.", min=1, rich_help_panel=HOW)
    ] = 1024,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Also write what enters the last layer.", rich_help_panel=HOW)
    ] = False,
    smooth: Annotated[
        bool,
        typer.Option(
            "--smooth",
            help="Correct and smooth the scores along the edges, by the labels of the training part alone.",
            rich_help_panel=HOW,
        ),
    ] = False,
    memory: Annotated[
        float, typer.Option(help="GB of representations kept in memory; more go to disk.", min=0, rich_help_panel=HOW)
    ] = 2.0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=HOW)] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0: all.", min=0, rich_help_panel=HOW)] = 0,
    graph: Annotated[
        Path | None, typer.Option(help="Where the model's graph lies, if moved.", rich_help_panel=HOW)
    ] = None,
    split: Annotated[
        Path | None, typer.Option(help="Where the model's split lies, if moved.", rich_help_panel=HOW)
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Score nodes or graphs: original ids, parts, targets, predictions and probabilities, as Parquet."""
    chosen = [name for name, value in (("--node", node), ("--nodes", nodes), ("--part", part)) if value]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} both choose nodes", fix="pass one of them")
    if on is not None and part is not None:
        raise UsageError("--part is of the model's own split, --on is another graph", fix="pass one of them")
    if on is not None and smooth:
        raise UsageError("--smooth takes labels of the model's split, --on is another graph", fix="pass one of them")

    from gnnctl.artifacts import ArtifactWriter, Parent, Recipe, file_checksum, finished
    from gnnctl.training.options import resolve_device, set_threads
    from gnnctl.training.predict import Prediction
    from gnnctl.training.predictions import FILE, write_predictions

    console = Console("predict", json=json, quiet=quiet)
    set_threads(threads)
    job = Prediction.prepare(
        model,
        on=on,
        graph=graph,
        split=split,
        node=node,
        nodes=nodes,
        part=part,
        num_neighbors=num_neighbors,
        seed=seed,
        embeddings=embeddings,
        smooth=smooth,
        device=resolve_device(device),
    )
    parents = [Parent("model", job.trained.artifact)]
    if on is not None and job.graph.artifact is not None:
        parents.append(Parent("graph", job.graph.artifact))
    recipe = Recipe(
        kind="predictions",
        stage="predict",
        algorithm=1,
        options={
            "nodes": node if node else (part or ("file" if nodes else "all")),
            "sampling": job.spec.to_json() if job.spec else None,
            "embeddings": embeddings,
            **({"smooth": True} if smooth else {}),
        },
        parents=parents,
        inputs={str(nodes): file_checksum(nodes)} if nodes else {},
    )
    if done := finished(output, recipe, force):
        console.log(f"{output} is up to date: same model, same options; nothing to do")
        summary = done.manifest.summary
        console.result({"output": str(output), "done": False, **summary}, _text(summary))
        return
    if dry_run:
        node_type = job.trained.target.node_type
        what = "graphs" if job.trained.target.task == "graph" else f"{node_type} nodes"
        console.log(f"{output} would hold {len(job.rows):,} {what}")
        console.result({"output": str(output), "done": False, "nodes": len(job.rows)}, "")
        return
    with ArtifactWriter(output, recipe, force=force) as writer:
        scored = job.run(batch_size=batch_size, memory=int(memory * 2**30), progress=console.progress)
        write_predictions(writer.file(FILE), scored.table)
        writer.json("metrics", scored.metrics)
        writer.summary.update(
            nodes=len(job.rows), node_type=job.trained.target.node_type, file=FILE, metrics=scored.metrics
        )
        summary = writer.summary
    console.log(f"wrote {output}")
    console.result({"output": str(output), "done": True, **summary}, _text(summary))


def _text(summary: dict[str, Any]) -> str:
    """How many nodes were scored, and the metrics of those with a known label."""
    what = "graphs" if summary["node_type"] == "graph" else f"{summary['node_type']} nodes"
    text = f"{summary['nodes']:,} {what} in {summary['file']}"
    metrics = summary["metrics"]
    if not metrics:
        return text
    names = [name for name in next(iter(metrics.values())) if name != "seeds"]
    rows = [[part, found["seeds"], *(found[name] for name in names)] for part, found in metrics.items()]
    return f"{text}\n\n{table(['part', 'seeds', *names], rows)}"
