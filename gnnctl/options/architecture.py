"""Options of the command line: what a model is made of."""

from typing import Annotated, Literal

import typer

from gnnctl.console import TYPED, Console, table

PANEL = "Model"


def _list_models(wanted: bool) -> None:
    if wanted:
        from gnnctl.nn.models.describe import HEADS, describe_models, models_table, parameters_text
        from gnnctl.nn.models.registry import ELSEWHERE

        if "--json" in (TYPED.get() or ()):  # which is read after this
            Console("train", json=True).result({"models": describe_models(), "elsewhere": ELSEWHERE}, "")
        else:
            print(table(HEADS, models_table()))
            print("\nParameters and their defaults, --model NAME:PARAMETER=VALUE,...\n" + parameters_text())
            print("\nNot a --model, but there:\n" + table(["what", "where"], [list(one) for one in ELSEWHERE.items()]))
        raise typer.Exit


Model = Annotated[
    str | None,
    typer.Option(
        help="NAME:parameter=value,... of --list-models, or package.module:Class. Default: sage.",
        rich_help_panel=PANEL,
    ),
]
ListModels = Annotated[
    bool,
    typer.Option(
        "--list-models",
        help="Show the models, what each is for and takes.",
        is_eager=True,
        callback=_list_models,
        rich_help_panel=PANEL,
    ),
]
Layers = Annotated[
    int | None,
    typer.Option(help="Layers. Default: the samples' hops, else the model's own number.", min=1, rich_help_panel=PANEL),
]
Hidden = Annotated[int, typer.Option(help="Width of the hidden layers.", min=1, rich_help_panel=PANEL)]
Dropout = Annotated[float, typer.Option(help="Dropout of the layers.", rich_help_panel=PANEL)]
InputDropout = Annotated[
    float | None,
    typer.Option(
        help="Dropout of the features. Default: as the layers' where they enter the first.", rich_help_panel=PANEL
    ),
]
AttentionDropout = Annotated[
    float | None, typer.Option(help="Dropout of attention coefficients. Default: --dropout.", rich_help_panel=PANEL)
]
Heads = Annotated[int, typer.Option(help="Heads of hidden layers that attend.", min=1, rich_help_panel=PANEL)]
OutputHeads = Annotated[int, typer.Option(help="Heads of a last layer that attends.", min=1, rich_help_panel=PANEL)]
Norm = Annotated[
    Literal["none", "batch", "layer", "diff-group"],
    typer.Option(help="After each hidden layer.", rich_help_panel=PANEL),
]
Activation = Annotated[
    Literal["relu", "elu", "gelu", "leaky_relu", "tanh"] | None,
    typer.Option(help="Default: the model's own.", rich_help_panel=PANEL),
]
Order = Annotated[
    Literal["post", "pre"],
    typer.Option(help="Norm, activation and dropout after each layer's sum, or before it.", rich_help_panel=PANEL),
]
Residual = Annotated[bool, typer.Option("--residual", help="Add a layer's input to its output.", rich_help_panel=PANEL)]
Jump = Annotated[
    Literal["none", "cat", "max", "lstm"],
    typer.Option(help="Outputs from all layers (jumping knowledge) instead of the last.", rich_help_panel=PANEL),
]
Aggr = Annotated[
    str | None,
    typer.Option(
        help='How messages are aggregated: "max", "mean,max,std", or with parameters "mean,softmax:t=0.5,std".',
        rich_help_panel=PANEL,
    ),
]
Readout = Annotated[
    str | None,
    typer.Option(
        help="How the nodes of a graph are aggregated, as --aggr. Default: sum for gin, else mean.",
        rich_help_panel=PANEL,
    ),
]
Encode = Annotated[
    bool | None,
    typer.Option(
        "--encode/--no-encode",
        help="A Linear before the first layer and after the last. Default: for typed graphs.",
        rich_help_panel=PANEL,
    ),
]
Embedding = Annotated[
    int, typer.Option(help="Width of embeddings of nodes without features.", min=0, rich_help_panel=PANEL)
]
FeedForward = Annotated[
    bool, typer.Option("--feed-forward", help="A hidden Linear after each layer.", rich_help_panel=PANEL)
]
