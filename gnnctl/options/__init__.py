"""The options that every stage shares, declared once."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from gnnctl.errors import UsageError


def _load_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make the stage's table of a TOML file the defaults of its options; a flag on the command line wins."""
    if path is None:
        return None
    stage = context.info_name or ""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror}", fix="name a readable TOML file") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise UsageError(f"--config {path}: {error}", fix="write TOML with one table a stage, as [train]") from None
    known = {option.lstrip("-").replace("-", "_"): p for p in context.command.params for option in [p.name or ""]}
    defaults: dict[str, Any] = {}
    chosen = tables.get(stage, {})
    if not isinstance(chosen, dict):
        raise UsageError(f"--config {path}: '{stage}' is no table", fix=f"write its options below [{stage}]")
    for key, value in chosen.items():
        name = key.replace("-", "_")
        if name not in known or name == "config":
            choices = ", ".join(sorted(k.replace("_", "-") for k in known if k != "config"))
            raise UsageError(f"--config {path}: [{stage}] has no option '{key}'", fix=f"it takes {choices}")
        defaults[name] = value
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


Output = Annotated[Path, typer.Option("--output", "-o", help="Artifact to write.", show_default=False)]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=0, rich_help_panel="Every stage")]
Json = Annotated[bool, typer.Option("--json", help="Answer as one JSON document.", rich_help_panel="Every stage")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no log.", rich_help_panel="Every stage")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and how large.", rich_help_panel="Every stage")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace an output made otherwise.", rich_help_panel="Every stage")
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="TOML file with a table of options per stage; flags win.",
        callback=_load_config,
        is_eager=True,
        rich_help_panel="Every stage",
    ),
]
Traceback = Annotated[
    bool, typer.Option("--traceback", help="Show where an error came from.", rich_help_panel="Every stage")
]
