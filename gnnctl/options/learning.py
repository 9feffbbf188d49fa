"""Options of the command line: how a model is trained."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from gnnctl.console import table

PANEL = "Learning"


def _list_objectives(wanted: bool) -> None:
    if wanted:
        from gnnctl.nn.models.unsupervised import describe_objectives

        print(table(["objective", "parameters and their defaults", "what it learns from"], describe_objectives()))
        raise typer.Exit


Objective = Annotated[
    str,
    typer.Option(
        help="What is learnt, NAME:parameter=value,... of --list-objectives; all but supervised need no labels.",
        rich_help_panel=PANEL,
    ),
]
ListObjectives = Annotated[
    bool,
    typer.Option(
        "--list-objectives",
        help="Show the objectives and their parameters.",
        is_eager=True,
        callback=_list_objectives,
        rich_help_panel=PANEL,
    ),
]
NodeType = Annotated[
    str | None,
    typer.Option(help="Whose nodes get embeddings, of a graph without a split.", rich_help_panel=PANEL),
]
Init = Annotated[
    Path | None,
    typer.Option(help="Begin with all weights of this model that fit (fine-tuning).", rich_help_panel=PANEL),
]
Freeze = Annotated[bool, typer.Option("--freeze", help="Do not train the weights of --init.", rich_help_panel=PANEL)]
Epochs = Annotated[
    int | None,
    typer.Option(help="Epochs at most. Default: those of the samples, else 20.", min=1, rich_help_panel=PANEL),
]
Lr = Annotated[float, typer.Option(help="Learning rate.", rich_help_panel=PANEL)]
Optimizer = Annotated[
    Literal["adam", "adamw", "sgd", "adagrad"], typer.Option(help="Optimiser.", rich_help_panel=PANEL)
]
WeightDecay = Annotated[float, typer.Option(help="Weight decay.", min=0, rich_help_panel=PANEL)]
WeightDecayOn = Annotated[
    Literal["all", "first"],
    typer.Option(help="Decay all parameters, or the first layer's only.", rich_help_panel=PANEL),
]
Schedule = Annotated[
    Literal["none", "cosine", "linear", "plateau"],
    typer.Option(help="How the learning rate falls.", rich_help_panel=PANEL),
]
Warmup = Annotated[
    float, typer.Option(help="Epochs of linear warm-up, may be a fraction.", min=0, rich_help_panel=PANEL)
]
Patience = Annotated[
    int,
    typer.Option(help="Stop after so many epochs without a better one; 0: never.", min=0, rich_help_panel=PANEL),
]
Monitor = Annotated[
    str | None,
    typer.Option(
        help="Validation metric that picks the best epoch. Default: accuracy, macro_f1 where classes are skewed, "
        "auroc, micro_f1 or rmse.",
        rich_help_panel=PANEL,
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        help="First test a model on each of so many folds of the train part, the epoch chosen on another.",
        rich_help_panel=PANEL,
    ),
]
EvalEvery = Annotated[int, typer.Option(help="Epochs from one validation to the next.", min=1, rich_help_panel=PANEL)]
ClassWeights = Annotated[
    Literal["none", "balanced"], typer.Option(help="Weights of the classes.", rich_help_panel=PANEL)
]
LabelSmoothing = Annotated[
    float, typer.Option(help="Probability spread over all classes.", min=0, rich_help_panel=PANEL)
]
Focal = Annotated[
    float,
    typer.Option(help="Exponent of the focal loss, for rare classes; 0: cross-entropy.", min=0, rich_help_panel=PANEL),
]
ClipGrad = Annotated[float, typer.Option(help="Largest norm of the gradient; 0: any.", min=0, rich_help_panel=PANEL)]
