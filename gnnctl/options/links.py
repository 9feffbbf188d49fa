"""Options of the command line: how links are scored and learnt."""

from typing import Annotated, Any, Literal

import typer

from gnnctl.console import table

PANEL = "Links (of splits --task link)"


def _list_decoders(wanted: bool) -> None:
    if wanted:
        from gnnctl.nn.decoders.registry import describe_decoders

        print(table(["decoder", "parameters and their defaults", "what it scores by"], describe_decoders()))
        raise typer.Exit


Decoder = Annotated[
    str | None,
    typer.Option(
        help="NAME:parameter=value,... of --list-decoders, or package.module:Class. "
        "Default: dot, of several edge types distmult.",
        rich_help_panel=PANEL,
    ),
]
ListDecoders = Annotated[
    bool,
    typer.Option(
        "--list-decoders",
        help="Show the decoders and their parameters.",
        is_eager=True,
        callback=_list_decoders,
        rich_help_panel=PANEL,
    ),
]
Reciprocal = Annotated[
    bool,
    typer.Option(
        "--reciprocal",
        help="Edge types have parameters of their own for (?, type, destination).",
        rich_help_panel=PANEL,
    ),
]
Loss = Annotated[
    Literal["bce", "margin", "softmax", "all"] | None,
    typer.Option(
        help="bce (the default), margin or softmax of a link and its negatives; all: of an end among all candidates.",
        rich_help_panel=PANEL,
    ),
]
Negatives = Annotated[
    int | None,
    typer.Option(
        help="Of each link. Default: 8. With --loss all so many candidates that a batch shares; default: every one.",
        min=0,
        rich_help_panel=PANEL,
    ),
]
NegativeMethod = Annotated[
    Literal["uniform", "degree", "in-batch", "hard"] | None,
    typer.Option(
        help="How they are drawn. hard: of four uniform ones the one that scores highest. Default: uniform.",
        rich_help_panel=PANEL,
    ),
]
Corrupt = Annotated[
    Literal["dst", "src", "either", "both"] | None,
    typer.Option(help="The end that is drawn anew. Default: either, half of them each.", rich_help_panel=PANEL),
]
KeepKnown = Annotated[
    bool, typer.Option("--keep-known", help="A negative may be a link of the training part.", rich_help_panel=PANEL)
]
Margin = Annotated[float | None, typer.Option(help="Of --loss margin. Default: 1.", min=0, rich_help_panel=PANEL)]
Adversarial = Annotated[
    float | None,
    typer.Option(
        help="Temperature that weighs negatives by their own scores. Default: 0, alike.", rich_help_panel=PANEL
    ),
]
N3 = Annotated[
    float | None,
    typer.Option("--n3", help="Weight of the cubes of a link's numbers. Default: 0.", rich_help_panel=PANEL),
]
EvalLinks = Annotated[
    int | None,
    typer.Option(
        help="Validation links that an epoch is judged by; 0: all. Default: 2000. The final metrics are of all.",
        min=0,
        rich_help_panel=PANEL,
    ),
]
RecordedMethod = Annotated[
    Literal["uniform", "degree", "in-batch"] | None,
    typer.Option("--negative-method", help="How they are drawn. Default: uniform.", rich_help_panel=PANEL),
]


def about_negatives(
    negatives: int | None, negative_method: str | None, corrupt: str | None, keep_known: bool
) -> dict[str, Any]:
    """What was said of the negatives of records, by name of the option."""
    said = {
        "negatives": negatives,
        "negative-method": negative_method,
        "corrupt": corrupt,
        "keep-known": keep_known or None,
    }
    return {name: value for name, value in said.items() if value is not None}
