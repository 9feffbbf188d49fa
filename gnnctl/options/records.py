"""Options of the command line: how sampled records are written, and by what."""

from typing import Annotated, Literal

import typer

PANEL, ENGINE_PANEL = "Writing", "Engine"
Features = Annotated[
    Literal["reference", "packed"],
    typer.Option(
        help="Refer to the graph's features, or store them beside the records that need them.", rich_help_panel=PANEL
    ),
]
FeatureDtype = Annotated[
    Literal["float32", "float16", "bfloat16", "int8"] | None,
    typer.Option(help="Format of packed features.  [default: the graph's own]", rich_help_panel=PANEL),
]
ShardSize = Annotated[
    int,
    typer.Option(help="MiB of a file of records with what is packed; 64 to 256 suit most disks.", min=1,
                 rich_help_panel=PANEL),
]  # fmt: skip
Format = Annotated[
    Literal["parquet", "arrow"],
    typer.Option(help="Parquet for exchange, Arrow for the fastest reading.", rich_help_panel=PANEL),
]
NumNeighbors = Annotated[
    list[str] | None,
    typer.Option(help='Fan-outs they were drawn with: "15,10", or "src rel dst=15,10" for one edge type.'),
]
Disjoint = Annotated[bool, typer.Option("--disjoint", help="Every seed has a tree of its own.")]
Engine = Annotated[
    Literal["local", "spark", "spark-joins"],
    typer.Option(
        help="What samples: this machine; Spark, the graph mapped on each executor; or Spark by joins of edge tables.",
        rich_help_panel=ENGINE_PANEL,
    ),
]
Master = Annotated[
    str | None,
    typer.Option(
        help="Spark's master, as local[2] or spark://host:7077.  [default: Spark's own configuration]",
        show_default=False,
        rich_help_panel=ENGINE_PANEL,
    ),
]
Partitions = Annotated[
    int | None,
    typer.Option(
        help="Partitions of the records.  [default: four a core of Spark]",
        show_default=False,
        min=1,
        rich_help_panel=ENGINE_PANEL,
    ),
]
Unit = Annotated[
    Literal["batch", "seed"],
    typer.Option(help="A record for each batch, or for each seed (merged when training).", rich_help_panel=PANEL),
]
Shard = Annotated[
    str | None,
    typer.Option(help="Write one part only, as 1/4 to 4/4 of four.", show_default=False, rich_help_panel=PANEL),
]
Join = Annotated[bool, typer.Option("--join", help="Make the shards named one artifact.", rich_help_panel=PANEL)]
