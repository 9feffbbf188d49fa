"""Options of the command line: a graph that lies on another machine."""

from pathlib import Path
from typing import Annotated

import typer

PANEL = "Graph"
Graph = Annotated[
    str | None,
    typer.Option(
        help="Where the graph lies, if moved or for a stream: a path, or grpc[+tls]://HOST:PORT of gnnctl serve.",
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        help="File with the server's token. Default: the environment's GNNCTL_TOKEN.",
        dir_okay=False,
        exists=True,
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
TlsCa = Annotated[
    Path | None,
    typer.Option(
        help="PEM file of who signed the server's certificate.",
        dir_okay=False,
        exists=True,
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(
        help="PEM file of the certificate chain that this side serves with.",
        dir_okay=False,
        exists=True,
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
TlsKey = Annotated[
    Path | None,
    typer.Option(
        help="PEM file of its key.",
        dir_okay=False,
        exists=True,
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
