"""Explain predictions: gnnctl explain run/model -o run/why --node package:apt --algorithm gnn-explainer"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gnnctl import options
from gnnctl.console import Console, table
from gnnctl.options import remote

ALGORITHM, FOUND = "Algorithm", "What was predicted"


class Algorithm(StrEnum):
    """How a prediction is attributed to its inputs."""

    gnn_explainer = "gnn-explainer"
    saliency = "saliency"
    integrated_gradients = "integrated-gradients"


class Device(StrEnum):
    """Where the model runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def explain(
    model: Annotated[Path, typer.Argument(help="Model artifact.")],
    output: options.Output,
    node: Annotated[
        list[str], typer.Option(help="Node to explain, TYPE:ID or ID; may be given again.", show_default=False)
    ],
    algorithm: Annotated[Algorithm, typer.Option(help="How to attribute the prediction.")] = Algorithm.gnn_explainer,
    target: Annotated[str | None, typer.Option(help="Class to explain.  [default: the predicted one]")] = None,
    top: Annotated[int, typer.Option(help="Edges, neighbours and features to show.", min=1, max=200)] = 20,
    epochs: Annotated[int, typer.Option(help="Steps of gnn-explainer.", min=1, rich_help_panel=ALGORITHM)] = 100,
    lr: Annotated[float, typer.Option(help="Its learning rate.", min=1e-6, rich_help_panel=ALGORITHM)] = 0.05,
    steps: Annotated[
        int, typer.Option(help="Points on integrated-gradients' path.", min=2, rich_help_panel=ALGORITHM)
    ] = 50,
    num_neighbors: Annotated[
        list[str] | None,
        typer.Option(
            help="Fan-outs of a sampled prediction, as given to predict.  [default: exact]", rich_help_panel=FOUND
        ),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Predictions artifact whose scores must be met.", rich_help_panel=FOUND)
    ] = None,
    split: Annotated[Path | None, typer.Option(help="The model's split, if it moved.", rich_help_panel=FOUND)] = None,
    device: Annotated[Device, typer.Option(help="Where the model runs.")] = Device.cpu,
    graph: remote.Graph = None,
    token_file: remote.TokenFile = None,
    tls_ca: remote.TlsCa = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Explain predictions of single nodes; write scores of nodes, edges and features, and a page to read."""
    from gnnctl.artifacts import ArtifactWriter, Parent, Recipe, finished
    from gnnctl.explain.run import HEADER, PAGE, open_run
    from gnnctl.remote import graph_option

    console = Console("explain", json=json, quiet=quiet)
    run = open_run(
        model,
        node,
        algorithm=algorithm.value,
        target=target,
        epochs=epochs,
        lr=lr,
        steps=steps,
        top=top,
        num_neighbors=num_neighbors,
        seed=seed,
        graph=graph_option(graph, token_file, tls_ca),
        split=split,
        predictions=predictions,
        device=device,
    )
    parents = [Parent("model", run.trained.artifact)]
    if run.predictions is not None:
        parents.append(Parent("predictions", run.predictions))
    recipe = Recipe("explanation", "explain", 1, run.options(), parents)
    if done := finished(output, recipe, force):
        console.log(f"{output} is up to date: same model, same options; nothing to do")
        console.result({"status": "up to date", "output": str(output), **done.json("metrics")}, str(done.path / PAGE))
        return
    if dry_run:
        text = f"would explain {len(run.rows)} predictions with {algorithm} and write {output}"
        console.result({"status": "dry run", "output": str(output), "options": recipe.options}, text)
        return
    with ArtifactWriter(output, recipe, force=force) as writer:
        found = run.explain(console.progress)
        document = run.write(writer, found)
    text = f"{table(HEADER, run.rows_of_text(found))}\n\npage: {output / PAGE}"
    console.result({"status": "done", "output": str(output), **document}, text)
