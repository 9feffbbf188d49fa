"""The `gnnctl` command: its stages, and the one place where errors become exit codes.

gnnctl STAGE --help
"""

import errno
import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gnnctl import __version__
from gnnctl.console import TYPED
from gnnctl.errors import DataError, GnnctlError, ResourceError
from gnnctl.processes import ending, prepare, speaks

STAGES = ("ingest", "split", "audit", "sample", "adopt", "train", "predict", "explain", "bench", "inspect", "serve")


class _Command(TyperGroup):
    """Keeps what was typed, for reports that say how they were made."""

    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        TYPED.set(list(args))
        return super().parse_args(context, args)


app = typer.Typer(
    cls=_Command,
    name="gnnctl",
    help="Graph neural networks as composable stages: tables -> graph -> split -> model -> predictions.",
    rich_markup_mode=None,  # importing rich alone takes longer than a help may
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 internal error, 2 usage, 3 bad input data, 4 artifact missing, damaged or "
    "mismatched, 5 out of resources, 6 leakage found, 130 interrupted.",
)
for stage in STAGES:
    app.command()(getattr(importlib.import_module(f"gnnctl.stages.{stage}"), stage))


def _version(show: bool) -> None:
    if show:
        typer.echo(f"gnnctl {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options that come before the stage."""


def _as_gnnctl_error(error: BaseException) -> GnnctlError | None:
    """The documented error that an operating-system or memory failure stands for; None for a bug of ours."""
    if isinstance(error, GnnctlError):
        return error
    if isinstance(error, MemoryError):
        return ResourceError(f"out of memory: {error}", fix="lower --batch-size or --memory, or use a larger machine")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ResourceError(f"{where}the disk is full", fix="free space or write elsewhere")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return ResourceError(f"{where}permission denied", fix="change its permissions or choose another place")
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR):
            return DataError(f"{where}{error.strerror}", fix="check the path")
    return None


def main() -> None:
    """Entry point: run the command; every failure ends in one line on stderr and a documented exit code."""
    prepare()
    with ending():
        _run()


def _run() -> None:
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except Exception as error:
        if "--traceback" in sys.argv:
            raise
        known = _as_gnnctl_error(error)
        if known is None and hasattr(error, "format_message"):  # Typer's own: unknown options, bad values
            context = getattr(error, "ctx", None)
            help_of = context.command_path if context is not None else "gnnctl"
            message = " ".join(error.format_message().split()).rstrip(".")
            if speaks():
                sys.stderr.write(f"gnnctl: error: {message}; see {help_of} --help\n")
            sys.exit(2)
        if known is None:
            sys.stderr.write(f"gnnctl: internal error: {type(error).__name__}: {' '.join(str(error).split())}; ")
            sys.stderr.write("run again with --traceback and report what it prints\n")
            sys.exit(1)
        if speaks():
            sys.stderr.write(f"gnnctl: error: {known}\n")
        sys.exit(known.exit_code)


if __name__ == "__main__":
    main()
