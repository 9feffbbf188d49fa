"""Tables to a graph artifact.

gnnctl ingest graph.toml -o graph
gnnctl ingest --nodes papers.parquet --edges cites.csv -o graph
gnnctl ingest --guess *.parquet > graph.toml
"""

from pathlib import Path
from typing import Annotated

import typer

from gnnctl import options

_FLAGS = "Without a spec: one node type, one edge type"


def ingest(
    tables: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[SPEC]", help="TOML spec; with --guess, the tables.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Graph artifact to write.", show_default=False)
    ] = None,
    guess: Annotated[bool, typer.Option("--guess", help="Print a first spec for these tables, to edit.")] = False,
    encoders_from: Annotated[
        Path | None, typer.Option(help="Apply this graph's fitted encoders unchanged.", show_default=False)
    ] = None,
    on_missing: Annotated[
        str | None,
        typer.Option(
            help="Edges to unknown nodes: error, drop, or add the node; overrides the spec.", show_default=False
        ),
    ] = None,
    feature_dtype: Annotated[
        str | None,
        typer.Option(
            help="Store node features as float32, float16, bfloat16 or int8; overrides the spec.",
            show_default="float32",
        ),
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            help="Keep node features in zarr, rocksdb, ladybug, or a store of one's own, package.module:Class."
        ),
    ] = "zarr",
    memory: Annotated[str | None, typer.Option(help="Memory to use, as 4GB.", show_default="half")] = None,
    threads: Annotated[int | None, typer.Option(help="DuckDB's threads.", min=1, show_default="all")] = None,
    nodes: Annotated[
        str | None, typer.Option(help="Node table: FILE or TYPE=FILE.", show_default=False, rich_help_panel=_FLAGS)
    ] = None,
    edges: Annotated[
        str | None, typer.Option(help="Edge table: FILE or RELATION=FILE.", show_default=False, rich_help_panel=_FLAGS)
    ] = None,
    id: Annotated[
        str | None, typer.Option(help="Node id column.", show_default="guessed", rich_help_panel=_FLAGS)
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Label column.", show_default="guessed", rich_help_panel=_FLAGS)
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=ENCODER, repeatable; or none.", show_default="guessed", rich_help_panel=_FLAGS),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(help="Column to keep as it is, repeatable.", show_default="guessed", rich_help_panel=_FLAGS),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Node time column.", show_default=False, rich_help_panel=_FLAGS)
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Edge source column.", show_default="guessed", rich_help_panel=_FLAGS)
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Edge target column.", show_default="guessed", rich_help_panel=_FLAGS)
    ] = None,
    weight: Annotated[
        str | None, typer.Option(help="Edge weight column.", show_default=False, rich_help_panel=_FLAGS)
    ] = None,
    edge_time: Annotated[
        str | None, typer.Option(help="Edge time column.", show_default=False, rich_help_panel=_FLAGS)
    ] = None,
    relation: Annotated[
        str | None,
        typer.Option(
            help="Column of relations: an edge type for each.", show_default="guessed", rich_help_panel=_FLAGS
        ),
    ] = None,
    edge_columns: Annotated[
        list[str] | None,
        typer.Option(help="Edge column to keep as it is, repeatable.", show_default=False, rich_help_panel=_FLAGS),
    ] = None,
    reverse: Annotated[
        bool, typer.Option("--reverse", help="Also add the reverse edge type.", rich_help_panel=_FLAGS)
    ] = False,
    undirected: Annotated[
        bool, typer.Option("--undirected", help="Store edges in both directions.", rich_help_panel=_FLAGS)
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Read node and edge tables and write a graph."""
    from gnnctl.console import Console
    from gnnctl.ingest.flags import Flags
    from gnnctl.ingest.run import Request, run

    console = Console("ingest", json=json, quiet=quiet)
    flags = Flags(
        *(nodes, edges, id, source, target, label, time, edge_time, weight),
        *(tuple(features or ()), tuple(columns or ()), reverse, undirected, relation, tuple(edge_columns or ())),
    )
    request = Request(
        *(list(tables or ()), output, guess, flags, encoders_from, on_missing, feature_dtype, store),
        *(memory, threads, dry_run, force),
    )
    run(request, console)
