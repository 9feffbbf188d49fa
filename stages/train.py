"""Train a model: gnnctl train run/split -o run/model --model sage --hidden 128 --num-neighbors 15,10 --epochs 20"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnnctl import options
from gnnctl.console import Console, command_line
from gnnctl.errors import DataError, UsageError
from gnnctl.options import architecture, batches, learning, links, machine, remote

if TYPE_CHECKING:
    from torch import nn

    from gnnctl.training.loop import BatchSource


def train(
    source: Annotated[str, typer.Argument(help="Split, subgraphs, or - for a stream of subgraphs on stdin.")],
    output: options.Output,
    model: architecture.Model = None,
    list_models: architecture.ListModels = False,
    layers: architecture.Layers = None,
    hidden: architecture.Hidden = 128,
    dropout: architecture.Dropout = 0.5,
    input_dropout: architecture.InputDropout = None,
    attention_dropout: architecture.AttentionDropout = None,
    heads: architecture.Heads = 8,
    output_heads: architecture.OutputHeads = 1,
    norm: architecture.Norm = "none",
    activation: architecture.Activation = None,
    order: architecture.Order = "post",
    residual: architecture.Residual = False,
    jump: architecture.Jump = "none",
    aggr: architecture.Aggr = None,
    readout: architecture.Readout = None,
    encode: architecture.Encode = None,
    embedding: architecture.Embedding = 32,
    feed_forward: architecture.FeedForward = False,
    decoder: links.Decoder = None,
    list_decoders: links.ListDecoders = False,
    reciprocal: links.Reciprocal = False,
    loss: links.Loss = None,
    negatives: links.Negatives = None,
    negative_method: links.NegativeMethod = None,
    corrupt: links.Corrupt = None,
    keep_known: links.KeepKnown = False,
    margin: links.Margin = None,
    adversarial: links.Adversarial = None,
    n3: links.N3 = None,
    eval_links: links.EvalLinks = None,
    num_neighbors: batches.NumNeighbors = None,
    fan_out_budget: batches.FanOutBudget = None,
    replace: batches.Replace = False,
    disjoint: batches.Disjoint = False,
    sampler: batches.Sampler = None,
    draw: batches.Draw = None,
    time: batches.Time = None,
    subgraph: batches.Subgraph = None,
    batch_size: batches.BatchSize = None,
    balanced: batches.Balanced = False,
    objective: learning.Objective = "supervised",
    list_objectives: learning.ListObjectives = False,
    node_type: learning.NodeType = None,
    init: learning.Init = None,
    freeze: learning.Freeze = False,
    epochs: learning.Epochs = None,
    lr: learning.Lr = 0.01,
    optimizer: learning.Optimizer = "adam",
    weight_decay: learning.WeightDecay = 0.0,
    weight_decay_on: learning.WeightDecayOn = "all",
    schedule: learning.Schedule = "none",
    warmup: learning.Warmup = 0.0,
    patience: learning.Patience = 0,
    monitor: learning.Monitor = None,
    folds: learning.Folds = None,
    eval_every: learning.EvalEvery = 1,
    class_weights: learning.ClassWeights = "none",
    label_smoothing: learning.LabelSmoothing = 0.0,
    focal: learning.Focal = 0.0,
    clip_grad: learning.ClipGrad = 0.0,
    precision: machine.Precision = "float32",
    compile: machine.Compile = False,
    export: machine.Export = False,
    device: machine.Device = "auto",
    threads: machine.Threads = 0,
    loader_threads: machine.LoaderThreads = 2,
    feature_cache: machine.FeatureCache = None,
    resume: machine.Resume = True,
    save_seconds: machine.SaveSeconds = 10.0,
    graph: remote.Graph = None,
    token_file: remote.TokenFile = None,
    tls_ca: remote.TlsCa = None,
    tls_cert: remote.TlsCert = None,
    tls_key: remote.TlsKey = None,
    split: machine.Split = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Train a graph neural network on a split, on sampled subgraphs, or on a stream of them."""
    from functools import partial

    from gnnctl.artifacts import ArtifactWriter, Parent, Recipe, finished
    from gnnctl.graph.partitioned import PartitionedGraph
    from gnnctl.nn.models import ModelOptions
    from gnnctl.nn.models.registry import models, parse_model, preset_of
    from gnnctl.nn.models.unsupervised import WALKS, parse_objective
    from gnnctl.processes import lost, place
    from gnnctl.remote import graph_option
    from gnnctl.remote.connection import read_certificate
    from gnnctl.sampling.methods import MethodSpec
    from gnnctl.splits.audit import read_beside
    from gnnctl.training.code import code_inputs
    from gnnctl.training.distributed import device_of, open_processes
    from gnnctl.training.initial import open_initial, take_weights
    from gnnctl.training.inputs import TrainingInput
    from gnnctl.training.options import TrainOptions, resolve_device, set_up_cpu
    from gnnctl.training.package import check_package, package_model
    from gnnctl.training.report import FILE as REPORT
    from gnnctl.training.report import report_page
    from gnnctl.training.run import fit_model, judged, train_model
    from gnnctl.training.summary import summary_text
    from gnnctl.training.trained import HISTORY, PACKAGE, STATE

    here = place()
    console = Console("train", json=json, quiet=quiet, silent=here.rank > 0)
    set_up_cpu(threads)
    where = resolve_device(device_of(device, here))
    walks = parse_objective(objective)[0] in WALKS
    if walks and model is not None:
        raise UsageError(f"--model {model}: walks learn a vector a node, without layers", fix="leave it out")
    tls = read_certificate(tls_cert, tls_key)
    name, parameters = parse_model(model or ("embedding" if walks else "sage"))
    preset = preset_of(model or "")
    learns = name not in models() or models()[name].learns
    found = TrainingInput.open(
        source,
        graph=graph_option(graph, token_file, None if tls is not None else tls_ca),
        split=split,
        num_neighbors=num_neighbors,
        sampler=sampler,
        rules={
            "--fan-out-budget": fan_out_budget,
            "--replace": replace,
            "--disjoint": disjoint,
            "--draw": draw,
            "--time": time,
            "--subgraph": subgraph,
        },
        batch_size=batch_size,
        balanced=balanced,
        seed=seed,
        links={
            "decoder": decoder,
            "reciprocal": reciprocal,
            "loss": loss,
            "negatives": negatives,
            "negative_method": negative_method,
            "corrupt": corrupt,
            "keep_known": keep_known,
            "margin": margin,
            "adversarial": adversarial,
            "n3": n3,
            "eval_links": eval_links,
        },
        model=name,
        objective=objective,
        node_type=node_type,
        place=here,
    )
    if tls is not None and not isinstance(found.split.graph, PartitionedGraph):
        raise UsageError(
            "--tls-cert is for processes that have the graph in partitions", fix="leave it and --tls-key out"
        )
    unfit = {
        ("--folds", "--objective"): folds is not None and found.objective is not None,
        ("--folds", "--init"): folds is not None and init is not None,
    }
    for (one, other), both in unfit.items():
        if both:
            raise UsageError(f"{one} does not go with {other}", fix="leave one out")
    if freeze and init is None:
        raise UsageError("--freeze without --init", fix="name the model whose weights are kept")
    first = None if init is None else open_initial(init)
    begin = None if first is None else partial(take_weights, artifact=first, freeze=freeze, log=console.log)
    job = found.job(name)
    default_layers = preset.options.get("layers") if preset is not None and found.spec is None else None
    design = ModelOptions(
        name=name,
        parameters=parameters,
        hidden=hidden,
        layers=found.layers(layers or default_layers, name),
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
    if preset is not None:
        design = preset.fill(design)
    if found.split.target.task != "graph" and readout is not None:
        raise UsageError(f"--readout: {source} is not of graphs, which alone are read out", fix="leave it out")
    if name in models():
        models()[name].check_options(design, found.split.target.task, models())
    flag = "--folds" if folds is not None else "--init" if init is not None else None
    if flag is not None and not learns:
        raise UsageError(f"{flag}: {name} has nothing to train", fix="leave it out")
    if folds is not None and found.records is not None:
        raise UsageError(f"--folds: {source} holds samples of one split", fix="name the split, and sample on the fly")
    training = TrainOptions(
        epochs=found.epochs(epochs, name),
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
        focal=focal,
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
            "model": design.to_json(),
            "training": training.to_json(),
            "sampling": found.spec.to_json() if found.spec else None,
            **job.recorded,
            **({"freeze": True} if freeze else {}),
            **({"export": True} if export else {}),
            **({} if folds is None else {"folds": folds}),
        },
        parents=found.parents if first is None else [*found.parents, Parent("init", first)],
        inputs={**code_inputs(name), **(code_inputs(found.spec.name) if isinstance(found.spec, MethodSpec) else {})},
    )
    if here.among > 1:
        found.check_shared(folds is not None)
    processes = open_processes(here, where)

    def standing() -> dict[str, Any] | None:
        made = finished(output, recipe, force)
        return None if made is None else made.manifest.summary

    if (summary := processes.first(standing)) is not None:
        console.log(f"{output} is up to date: same split, same options; nothing to do")
        console.result({"output": str(output), "done": False, **summary}, summary_text(summary))
        return
    if export:
        check_package(job, design)
    if dry_run:
        console.log(f"{output} would be trained: {found.describe()}")
        console.result({"output": str(output), "done": False, **recipe.options}, "")
        return
    meeting = None
    if isinstance(found.split.graph, PartitionedGraph):
        from gnnctl.serving.parts import Meeting

        meeting = Meeting(found.split.graph, here.rank, here.master, processes.first, processes.tell, lost, tls, tls_ca)
    cache = found.cache(feature_cache)
    how: dict[str, Any] = {
        "device": where,
        "initial": begin,
        "processes": processes,
        "progress": console.progress,
        "log": console.log,
    }

    def loaded(model: "nn.Module") -> "BatchSource":
        return found.batches(model, where, loader_threads, processes.share)

    if here.rank:
        judged(
            job, *fit_model(job, loaded, design, training, None, **how), found.spec, device=where, processes=processes
        )
        if meeting is not None:
            meeting.wait()
        return
    with ArtifactWriter(output, recipe, force=force, resume=resume) as writer:
        for part in (STATE, HISTORY) if learns else ():
            writer.file(part, content=False)
        crossed: dict[str, Any] = {}
        try:
            if folds is not None:
                from gnnctl.training.folds import FOLDS, cross_validate

                crossed["folds"] = cross_validate(
                    found,
                    folds,
                    design,
                    training,
                    writer.file(FOLDS, content=False),
                    device=where,
                    threads=loader_threads,
                    progress=console.progress,
                    log=console.log,
                )
            run = train_model(
                job, loaded, design, training, writer.path, spec=found.spec, save_seconds=save_seconds, **how
            )
        except (UsageError, DataError):
            writer.resume = False  # going on would fail again: leave nothing behind
            raise
        if meeting is not None:
            meeting.leave()
            run.document["partitions"] = here.among
            console.log(meeting.graph.traffic.describe())
        if found.packed:
            console.log("scores are those of the recorded neighbourhoods; gnnctl predict gives exact ones")
            run.document["scores"] = "sampled"
        if export:
            console.log("compiling the package")
            path = writer.file(PACKAGE, content=False)  # its bytes depend on the compiler
            run.document["package"] = package_model(run.model, job.split, path)
        writer.json("model", run.document)
        writer.json("metrics", {**run.evaluation.metrics, **crossed})
        split_artifact = job.split.artifact
        page = report_page(
            name,
            run.fit,
            run.evaluation,
            target=str(job.split.target),
            command=command_line(),
            audit=None if split_artifact is None else read_beside(split_artifact),
            folds=crossed.get("folds"),
        )
        writer.file(REPORT, content=False).write_text(page, encoding="utf-8")
        brief = {key: value for key, value in crossed.get("folds", {}).items() if key != "each"}
        writer.summary.update({**run.summary(), **({"folds": brief} if brief else {})})
        if cache is not None:
            writer.summary["feature_cache"] = cache.to_json()
            console.log(f"feature cache: {cache.describe()}")
        summary = writer.summary
    console.log(f"wrote {output}")
    console.result({"output": str(output), "done": True, **summary}, summary_text(summary))
