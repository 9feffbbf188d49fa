"""Options of the command line: what a training batch is."""

from typing import Annotated, Literal

import typer

PANEL = "Batches"
NumNeighbors = Annotated[
    list[str] | None,
    typer.Option(
        help='Fan-out per hop, "15,10" or "src rel dst=15,10". Default: the full graph as one batch.',
        rich_help_panel=PANEL,
    ),
]
FanOutBudget = Annotated[
    str | None,
    typer.Option(help='Most neighbours of a node over all its edge types, per hop: "30,20".', rich_help_panel=PANEL),
]
Replace = Annotated[bool, typer.Option("--replace", help="Draw neighbours with replacement.", rich_help_panel=PANEL)]
Disjoint = Annotated[
    bool,
    typer.Option(
        "--disjoint",
        help="Every seed has a tree of its own; that of a link does not see the link itself.",
        rich_help_panel=PANEL,
    ),
]
Sampler = Annotated[
    str | None,
    typer.Option(
        help="Another way of sampling, as NAME:parameter=value,...; see gnnctl sample --list-samplers.",
        rich_help_panel=PANEL,
    ),
]
Draw = Annotated[
    Literal["uniform", "weighted", "recent", "labor"] | None,
    typer.Option(help="How neighbours are drawn. Default: uniform.", rich_help_panel=PANEL),
]
Time = Annotated[
    Literal["before", "until"] | None,
    typer.Option(
        help="Seeds see what came before their time, or until it; in training, and of nodes also in prediction: "
        "links are evaluated and predicted in the whole view of their part.",
        rich_help_panel=PANEL,
    ),
]
Subgraph = Annotated[
    Literal["directional", "bidirectional", "induced"] | None,
    typer.Option(
        help="Edges drawn (the default), with their opposites, or all among the nodes.", rich_help_panel=PANEL
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(help="Seeds a batch. Default: 1024, or the samples' own.", min=1, rich_help_panel=PANEL),
]
Balanced = Annotated[
    bool, typer.Option("--balanced", help="An equal part of each class in every batch.", rich_help_panel=PANEL)
]
