"""Predict with a trained model: gnnctl predict run/model -o run/predictions"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gnnctl import options
from gnnctl.console import Console, table
from gnnctl.errors import UsageError
from gnnctl.options import remote

WHICH, PAIRS, HOW = "Which nodes", "Which links (of models of links)", "How"


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
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Parquet, CSV or TSV of the pairs to score: head, relation (of several edge types), tail. "
            "Default: the split's links.",
            rich_help_panel=PAIRS,
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(help="Recommend so many destinations to each node, or to --node.", min=1, rich_help_panel=PAIRS),
    ] = None,
    exclude_known: Annotated[
        bool, typer.Option("--exclude-known", help="Do not recommend links of the graph.", rich_help_panel=PAIRS)
    ] = False,
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
    smoothing: Annotated[
        str | None,
        typer.Option(
            help="Parameters of --smooth: correct_hops=50,correct_alpha=0.9,smooth_hops=50,smooth_alpha=0.8,scale=0 "
            "(0: each node's own).",
            rich_help_panel=HOW,
        ),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(
            help="Predict by the nearest class mean of so many training examples a class, on frozen embeddings.",
            min=1,
            rich_help_panel=HOW,
        ),
    ] = None,
    memory: Annotated[
        float, typer.Option(help="GB of representations kept in memory; more go to disk.", min=0, rich_help_panel=HOW)
    ] = 2.0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=HOW)] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0: all.", min=0, rich_help_panel=HOW)] = 0,
    graph: remote.Graph = None,
    token_file: remote.TokenFile = None,
    tls_ca: remote.TlsCa = None,
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
    """Score nodes, graphs or links: original ids, parts, targets, predictions and scores, as Parquet."""
    chosen = [name for name, value in (("--node", node), ("--nodes", nodes), ("--part", part)) if value]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} both choose nodes", fix="pass one of them")
    if on is not None and part is not None:
        raise UsageError("--part is of the model's own split, --on is another graph", fix="pass one of them")
    if on is not None and smooth:
        raise UsageError("--smooth takes labels of the model's split, --on is another graph", fix="pass one of them")

    from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe, file_checksum, finished
    from gnnctl.remote import graph_option
    from gnnctl.training.event_predict import EventPrediction, is_of_events
    from gnnctl.training.link_predict import LinkPrediction
    from gnnctl.training.link_trained import is_of_links
    from gnnctl.training.options import resolve_device, set_up_cpu
    from gnnctl.training.predict import Prediction
    from gnnctl.training.predictions import EMBEDDINGS, FILE, write_predictions

    place = graph_option(graph, token_file, tls_ca)
    console = Console("predict", json=json, quiet=quiet)
    set_up_cpu(threads)
    where = resolve_device(device)
    opened = Artifact.open(model, "model")
    job: Prediction | LinkPrediction | EventPrediction
    asked = {"--pairs": pairs, "--top-k": top_k, "--exclude-known": exclude_known}
    if is_of_events(opened):
        other: dict[str, object] = {"--on": on, "--node": node, "--nodes": nodes, "--embeddings": embeddings, **asked}
        other |= {"--num-neighbors": num_neighbors, "--smooth": smooth, "--smoothing": smoothing, "--shots": shots}
        if flag := next((name for name, value in other.items() if value), None):
            raise UsageError(f"{flag}: {model} scores the links of its split, in their time", fix="leave it out")
        job = EventPrediction.prepare(opened, graph=place, split=split, part=part, device=where)
    elif is_of_links(opened):
        given = {"--num-neighbors": num_neighbors, "--smooth": smooth, "--smoothing": smoothing, "--shots": shots}
        if flag := next((name for name, value in given.items() if value), None):
            raise UsageError(f"{flag}: {model} is of links, which are scored exactly", fix="leave it out")
        job = LinkPrediction.prepare(
            opened,
            on=on,
            graph=place,
            split=split,
            pairs=pairs,
            part=part,
            top_k=top_k,
            exclude_known=exclude_known,
            node=node,
            nodes=nodes,
            embeddings=embeddings,
            device=where,
        )
    else:
        if flag := next((name for name, value in asked.items() if value), None):
            raise UsageError(f"{flag}: {model} is not of links", fix="leave it out")
        job = Prediction.prepare(
            model,
            on=on,
            graph=place,
            split=split,
            node=node,
            nodes=nodes,
            part=part,
            num_neighbors=num_neighbors,
            seed=seed,
            embeddings=embeddings,
            smooth=smooth,
            smoothing=smoothing,
            shots=shots,
            device=where,
        )
    parents = [Parent("model", job.trained.artifact)]
    if on is not None and job.graph.artifact is not None:
        parents.append(Parent("graph", job.graph.artifact))
    files = [path for path in (nodes, pairs) if path is not None]
    recipe = Recipe(
        kind="predictions",
        stage="predict",
        algorithm=1,
        options={
            "nodes": node if node else (part or ("file" if files else "all")),
            "sampling": job.sampling,
            "embeddings": embeddings,
            **({"smooth": True} if smooth else {}),
            **({"smoothing": dict(job.smooth)} if isinstance(job, Prediction) and job.smooth and smoothing else {}),
            **({"shots": shots, "seed": seed} if shots else {}),
            **({"top_k": top_k, "exclude_known": exclude_known} if top_k else {}),
        },
        parents=parents,
        inputs={str(path): file_checksum(path) for path in files},
    )
    if done := finished(output, recipe, force):
        console.log(f"{output} is up to date: same model, same options; nothing to do")
        summary = done.manifest.summary
        console.result({"output": str(output), "done": False, **summary}, _text(summary))
        return
    if dry_run:
        console.log(f"{output} would hold {job.count:,} {job.what}")
        console.result({"output": str(output), "done": False, "nodes": job.count}, "")
        return
    with ArtifactWriter(output, recipe, force=force) as writer:
        room = int(memory * 2**30)
        if isinstance(job, Prediction):
            scored = job.run(batch_size=batch_size, memory=room, progress=console.progress)
        else:
            scored = job.run(memory=room, progress=console.progress)
        write_predictions(writer.file(FILE), scored.tables)
        if scored.embeddings is not None:
            write_predictions(writer.file(EMBEDDINGS), [scored.embeddings])
        writer.json("metrics", scored.metrics)
        writer.summary.update(job.summary, file=FILE, metrics=scored.metrics)
        summary = writer.summary
    console.log(f"wrote {output}")
    console.result({"output": str(output), "done": True, **summary}, _text(summary))


def _text(summary: dict[str, Any]) -> str:
    """How many nodes, graphs or links were scored, and the metrics of those whose truth is known."""
    count, what = summary["nodes"], summary["node_type"]
    name = {"graph": "graph", "link": "link", "head": "node"}.get(what, f"{what} node") + ("" if count == 1 else "s")
    text = f"{count:,} {name}{' with recommendations' if what == 'head' else ''} in {summary['file']}"
    metrics = summary["metrics"]
    if not metrics:
        return text
    names = [name for name in next(iter(metrics.values())) if name != "seeds"]
    rows = [[part, found["seeds"], *(found[name] for name in names)] for part, found in metrics.items()]
    return f"{text}\n\n{table(['part', 'seeds', *names], rows)}"
