"""Train a model: gnnctl train run/split -o run/model --model sage --hidden 128 --num-neighbors 15,10 --epochs 20"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gnnctl import options
from gnnctl.console import Console, table
from gnnctl.errors import DataError, UsageError

MODEL, BATCHES, LEARNING, MACHINE = "Model", "Batches", "Learning", "Machine"


def _list_models(wanted: bool) -> None:
    if wanted:
        from gnnctl.nn.models.registry import describe_models

        heads = ["model", "graphs", "of edges", "parameters and their defaults", "what it is for"]
        print(table(heads, describe_models()))
        raise typer.Exit


def train(
    source: Annotated[str, typer.Argument(help="Split, subgraphs, or - for a stream of subgraphs on stdin.")],
    output: options.Output,
    model: Annotated[
        str,
        typer.Option(help="NAME:parameter=value,... of --list-models, or package.module:Class.", rich_help_panel=MODEL),
    ] = "sage",
    list_models: Annotated[
        bool,
        typer.Option(
            "--list-models",
            help="Show the models, what each is for and takes.",
            is_eager=True,
            callback=_list_models,
            rich_help_panel=MODEL,
        ),
    ] = False,
    layers: Annotated[
        int | None,
        typer.Option(
            help="Layers. Default: the samples' hops, else the model's own number.", min=1, rich_help_panel=MODEL
        ),
    ] = None,
    hidden: Annotated[int, typer.Option(help="Width of the hidden layers.", min=1, rich_help_panel=MODEL)] = 128,
    dropout: Annotated[float, typer.Option(help="Dropout of the layers.", rich_help_panel=MODEL)] = 0.5,
    input_dropout: Annotated[
        float | None,
        typer.Option(
            help="Dropout of the features. Default: as the layers' where they enter the first.", rich_help_panel=MODEL
        ),
    ] = None,
    attention_dropout: Annotated[
        float | None, typer.Option(help="Dropout of attention coefficients. Default: --dropout.", rich_help_panel=MODEL)
    ] = None,
    heads: Annotated[int, typer.Option(help="Heads of hidden layers that attend.", min=1, rich_help_panel=MODEL)] = 8,
    output_heads: Annotated[
        int, typer.Option(help="Heads of a last layer that attends.", min=1, rich_help_panel=MODEL)
    ] = 1,
    norm: Annotated[
        Literal["none", "batch", "layer", "diff-group"],
        typer.Option(help="After each hidden layer.", rich_help_panel=MODEL),
    ] = "none",
    activation: Annotated[
        Literal["relu", "elu", "gelu", "leaky_relu", "tanh"] | None,
        typer.Option(help="Default: the model's own.", rich_help_panel=MODEL),
    ] = None,
    order: Annotated[
        Literal["post", "pre"],
        typer.Option(help="Norm, activation and dropout after each layer's sum, or before it.", rich_help_panel=MODEL),
    ] = "post",
    residual: Annotated[
        bool, typer.Option("--residual", help="Add a layer's input to its output.", rich_help_panel=MODEL)
    ] = False,
    jump: Annotated[
        Literal["none", "cat", "max", "lstm"],
        typer.Option(help="Outputs from all layers (jumping knowledge) instead of the last.", rich_help_panel=MODEL),
    ] = "none",
    aggr: Annotated[
        str | None,
        typer.Option(
            help='How messages are aggregated: "max", "mean,max,std", or with parameters "mean,softmax:t=0.5,std".',
            rich_help_panel=MODEL,
        ),
    ] = None,
    readout: Annotated[
        str | None,
        typer.Option(
            help="How the nodes of a graph are aggregated, as --aggr. Default: sum for gin, else mean.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    encode: Annotated[
        bool | None,
        typer.Option(
            "--encode/--no-encode",
            help="A Linear before the first layer and after the last. Default: for typed graphs.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    embedding: Annotated[
        int, typer.Option(help="Width of embeddings of nodes without features.", min=0, rich_help_panel=MODEL)
    ] = 32,
    feed_forward: Annotated[
        bool, typer.Option("--feed-forward", help="A hidden Linear after each layer.", rich_help_panel=MODEL)
    ] = False,
    num_neighbors: Annotated[
        list[str] | None,
        typer.Option(
            help='Fan-out per hop, "15,10" or "src rel dst=15,10". Default: the full graph as one batch.',
            rich_help_panel=BATCHES,
        ),
    ] = None,
    fan_out_budget: Annotated[
        str | None,
        typer.Option(
            help='Most neighbours of a node over all its edge types, per hop: "30,20".', rich_help_panel=BATCHES
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Draw neighbours with replacement.", rich_help_panel=BATCHES)
    ] = False,
    sampler: Annotated[
        str | None,
        typer.Option(
            help="Another way of sampling, as NAME:parameter=value,...; see gnnctl sample --list-samplers.",
            rich_help_panel=BATCHES,
        ),
    ] = None,
    draw: Annotated[
        Literal["uniform", "weighted", "recent", "labor"] | None,
        typer.Option(help="How neighbours are drawn. Default: uniform.", rich_help_panel=BATCHES),
    ] = None,
    time: Annotated[
        Literal["before", "until"] | None,
        typer.Option(
            help="Seeds see what came before their time, or until it; in training and prediction.",
            rich_help_panel=BATCHES,
        ),
    ] = None,
    subgraph: Annotated[
        Literal["directional", "bidirectional", "induced"] | None,
        typer.Option(
            help="Edges drawn (the default), with their opposites, or all among the nodes.", rich_help_panel=BATCHES
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Seeds a batch. Default: 1024, or the samples' own.", min=1, rich_help_panel=BATCHES),
    ] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="An equal part of each class in every batch.", rich_help_panel=BATCHES)
    ] = False,
    epochs: Annotated[
        int | None,
        typer.Option(help="Epochs at most. Default: those of the samples, else 20.", min=1, rich_help_panel=LEARNING),
    ] = None,
    lr: Annotated[float, typer.Option(help="Learning rate.", rich_help_panel=LEARNING)] = 0.01,
    optimizer: Annotated[
        Literal["adam", "adamw", "sgd"], typer.Option(help="Optimiser.", rich_help_panel=LEARNING)
    ] = "adam",
    weight_decay: Annotated[float, typer.Option(help="Weight decay.", min=0, rich_help_panel=LEARNING)] = 0.0,
    weight_decay_on: Annotated[
        Literal["all", "first"],
        typer.Option(help="Decay all parameters, or the first layer's only.", rich_help_panel=LEARNING),
    ] = "all",
    schedule: Annotated[
        Literal["none", "cosine", "linear", "plateau"],
        typer.Option(help="How the learning rate falls.", rich_help_panel=LEARNING),
    ] = "none",
    warmup: Annotated[
        float, typer.Option(help="Epochs of linear warm-up, may be a fraction.", min=0, rich_help_panel=LEARNING)
    ] = 0.0,
    patience: Annotated[
        int,
        typer.Option(help="Stop after so many epochs without a better one; 0: never.", min=0, rich_help_panel=LEARNING),
    ] = 0,
    monitor: Annotated[
        str | None,
        typer.Option(
            help="Validation metric that picks the best epoch. Default: accuracy, auroc, micro_f1 or rmse.",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="First test a model on each of so many folds of the train part, the epoch chosen on another.",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    eval_every: Annotated[
        int, typer.Option(help="Epochs from one validation to the next.", min=1, rich_help_panel=LEARNING)
    ] = 1,
    class_weights: Annotated[
        Literal["none", "balanced"], typer.Option(help="Weights of the classes.", rich_help_panel=LEARNING)
    ] = "none",
    label_smoothing: Annotated[
        float, typer.Option(help="Probability spread over all classes.", min=0, rich_help_panel=LEARNING)
    ] = 0.0,
    clip_grad: Annotated[
        float, typer.Option(help="Largest norm of the gradient; 0: any.", min=0, rich_help_panel=LEARNING)
    ] = 0.0,
    precision: Annotated[
        Literal["float32", "bfloat16", "float16"],
        typer.Option(help="Number format of the layers (mixed precision).", rich_help_panel=MACHINE),
    ] = "float32",
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the model with torch.compile.", rich_help_panel=MACHINE)
    ] = False,
    export: Annotated[
        bool,
        typer.Option("--export", help="Also write model.pt2, which runs without gnnctl.", rich_help_panel=MACHINE),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=MACHINE)] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0: all.", min=0, rich_help_panel=MACHINE)] = 0,
    loader_threads: Annotated[int, typer.Option(help="Threads that sample ahead.", min=0, rich_help_panel=MACHINE)] = 2,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Continue an interrupted run.", rich_help_panel=MACHINE)
    ] = True,
    save_seconds: Annotated[
        float,
        typer.Option(help="Seconds from one save of the resumable state to the next.", min=0, rich_help_panel=MACHINE),
    ] = 10.0,
    graph: Annotated[
        Path | None, typer.Option(help="Where the graph lies, if moved or for a stream.", rich_help_panel=MACHINE)
    ] = None,
    split: Annotated[
        Path | None, typer.Option(help="Where the split lies, if moved or for a stream.", rich_help_panel=MACHINE)
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Train a graph neural network on a split, on sampled subgraphs, or on a stream of them."""
    from gnnctl.artifacts import ArtifactWriter, Recipe, finished
    from gnnctl.nn.models import ModelOptions
    from gnnctl.nn.models.registry import parse_model
    from gnnctl.sampling.methods import MethodSpec
    from gnnctl.training.inputs import TrainingInput, code_inputs
    from gnnctl.training.job import NodeJob
    from gnnctl.training.options import TrainOptions, resolve_device, set_threads
    from gnnctl.training.run import train_model
    from gnnctl.training.summary import summary_text
    from gnnctl.training.trained import HISTORY, PACKAGE, STATE, package_model

    console = Console("train", json=json, quiet=quiet)
    set_threads(threads)
    where = resolve_device(device)
    found = TrainingInput.open(
        source,
        graph=graph,
        split=split,
        num_neighbors=num_neighbors,
        sampler=sampler,
        rules={
            "--fan-out-budget": fan_out_budget,
            "--replace": replace,
            "--draw": draw,
            "--time": time,
            "--subgraph": subgraph,
        },
        batch_size=batch_size,
        balanced=balanced,
        seed=seed,
    )
    name, parameters = parse_model(model)
    architecture = ModelOptions(
        name=name,
        parameters=parameters,
        hidden=hidden,
        layers=found.layers(layers, name),
        dropout=dropout,
        input_dropout=input_dropout,
        attention_dropout=attention_dropout,
        heads=heads,
        output_heads=output_heads,
        norm=norm,
        activation=activation,
        order=order,
        residual=residual,
        jump=jump,
        aggr=aggr,
        encode=encode,
        embedding=embedding,
        feed_forward=feed_forward,
        readout=readout,
    )
    if found.split.target.task != "graph" and readout is not None:
        raise UsageError(f"--readout: {source} is of nodes, which are not read out", fix="leave it out")
    if found.split.target.task == "graph" and export:
        raise UsageError("--export: models of whole graphs cannot be exported yet", fix="leave it out")
    if folds is not None and found.records is not None:
        raise UsageError(f"--folds: {source} holds samples of one split", fix="name the split, and sample on the fly")
    training = TrainOptions(
        epochs=found.epochs(epochs),
        batch_size=found.batch_size,
        balanced=found.balanced,
        lr=lr,
        weight_decay=weight_decay,
        weight_decay_on=weight_decay_on,
        optimizer=optimizer,
        schedule=schedule,
        warmup=warmup,
        patience=patience,
        monitor=monitor,
        class_weights=class_weights,
        label_smoothing=label_smoothing,
        clip_grad=clip_grad,
        precision=precision,
        compile=compile,
        eval_every=eval_every,
        seed=seed,
    )
    recipe = Recipe(
        kind="model",
        stage="train",
        algorithm=2,
        options={
            "model": architecture.to_json(),
            "training": training.to_json(),
            "sampling": found.spec.to_json() if found.spec else None,
            **({"export": True} if export else {}),
            **({} if folds is None else {"folds": folds}),
        },
        parents=found.parents,
        inputs={**code_inputs(name), **(code_inputs(found.spec.name) if isinstance(found.spec, MethodSpec) else {})},
    )
    if done := finished(output, recipe, force):
        console.log(f"{output} is up to date: same split, same options; nothing to do")
        summary = done.manifest.summary
        console.result({"output": str(output), "done": False, **summary}, summary_text(summary))
        return
    if dry_run:
        console.log(f"{output} would be trained: {found.describe()}")
        console.result({"output": str(output), "done": False, **recipe.options}, "")
        return
    with ArtifactWriter(output, recipe, force=force, resume=resume) as writer:
        for name in (STATE, HISTORY):
            writer.file(name, content=False)
        crossed: dict[str, Any] = {}
        try:
            if folds is not None:
                from gnnctl.training.folds import FOLDS, cross_validate

                crossed["folds"] = cross_validate(
                    found,
                    folds,
                    architecture,
                    training,
                    writer.file(FOLDS, content=False),
                    device=where,
                    threads=loader_threads,
                    progress=console.progress,
                    log=console.log,
                )
            run = train_model(
                NodeJob(found.split),
                lambda model: found.batches(model, where, loader_threads),
                architecture,
                training,
                writer.path,
                spec=found.spec,
                device=where,
                save_seconds=save_seconds,
                progress=console.progress,
                log=console.log,
            )
        except (UsageError, DataError):
            writer.resume = False  # going on would fail again: leave nothing behind
            raise
        if export:
            console.log("compiling the package")
            path = writer.file(PACKAGE, content=False)  # its bytes depend on the compiler
            run.document["package"] = package_model(run.model, found.split.graph.schema, found.split.target, path)
        writer.json("model", run.document)
        writer.json("metrics", {**run.metrics, **crossed})
        brief = {key: value for key, value in crossed.get("folds", {}).items() if key != "each"}
        writer.summary.update({**run.summary(), **({"folds": brief} if brief else {})})
        summary = writer.summary
    console.log(f"wrote {output}")
    console.result({"output": str(output), "done": True, **summary}, summary_text(summary))
