"""Options of the command line: where training runs, and what it needs there."""

from pathlib import Path
from typing import Annotated, Literal

import typer

PANEL = "Machine"
Precision = Annotated[
    Literal["float32", "bfloat16", "float16"],
    typer.Option(help="Number format of the layers (mixed precision).", rich_help_panel=PANEL),
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Compile the model with torch.compile.", rich_help_panel=PANEL)
]
Export = Annotated[
    bool,
    typer.Option("--export", help="Also write model.pt2, which runs without gnnctl.", rich_help_panel=PANEL),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=PANEL)]
Threads = Annotated[int, typer.Option(help="CPU threads; 0: all.", min=0, rich_help_panel=PANEL)]
LoaderThreads = Annotated[int, typer.Option(help="Threads that sample ahead.", min=0, rich_help_panel=PANEL)]
FeatureCache = Annotated[
    str | None,
    typer.Option(
        help="Keep the most read node features in this much memory, as 512M.",
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume/--no-resume", help="Continue an interrupted run.", rich_help_panel=PANEL)
]
SaveSeconds = Annotated[
    float,
    typer.Option(help="Seconds from one save of the resumable state to the next.", min=0, rich_help_panel=PANEL),
]
Split = Annotated[
    Path | None, typer.Option(help="Where the split lies, if moved or for a stream.", rich_help_panel=PANEL)
]
