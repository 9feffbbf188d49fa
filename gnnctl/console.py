"""What a stage says: progress and log on stderr, one result on stdout."""

import json as json_module
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from tqdm import tqdm

Progress = Callable[..., "tqdm[Any]"]
TYPED: ContextVar[list[str] | None] = ContextVar("TYPED", default=None)  # the arguments of the command that runs


def no_progress(
    iterable: Iterable[Any] | None = None, *, total: float | None = None, desc: str = "", unit: str = "it"
) -> "tqdm[Any]":
    """A progress bar that shows nothing; the default of every library function that reports progress."""
    return tqdm(iterable, total=total, desc=desc, unit=unit, disable=True)


def command_line() -> str:
    """The command that runs, as a shell reads it; "" where it is no command but a call of the library."""
    given = TYPED.get()
    return "" if given is None else shlex.join(["gnnctl", *given])


class Console:
    """The one place where a stage writes to the terminal.

    Args:
        stage: name of the stage, part of the JSON document's ``schema``.
        json: print the result as one JSON document instead of text.
        quiet: no log and no progress; errors still show.
        silent: also no warnings and no result; another process of the run says them.
    """

    def __init__(self, stage: str, *, json: bool = False, quiet: bool = False, silent: bool = False) -> None:
        self.stage = stage
        self.json = json
        self.quiet = quiet or silent
        self.silent = silent

    def log(self, text: str) -> None:
        """One line on stderr."""
        if not self.quiet:
            tqdm.write(text, file=sys.stderr)

    def warn(self, text: str) -> None:
        """A warning on stderr, shown even when quiet."""
        if not self.silent:
            tqdm.write(f"gnnctl: warning: {text}", file=sys.stderr)

    def progress(
        self,
        iterable: Iterable[Any] | None = None,
        *,
        total: float | None = None,
        desc: str = "",
        unit: str = "it",
        unit_scale: bool = True,
    ) -> "tqdm[Any]":
        """A bar on stderr; where stderr is no terminal it is drawn rarely, so that logs stay short."""
        return tqdm(
            iterable,
            total=total,
            desc=desc,
            unit=unit,
            unit_scale=unit_scale,
            file=sys.stderr,
            disable=self.quiet,
            delay=0.5 if sys.stderr.isatty() else 5.0,
            mininterval=0.1 if sys.stderr.isatty() else 10.0,
            dynamic_ncols=sys.stderr.isatty(),
            leave=False,
        )

    def result(self, document: dict[str, Any], text: str) -> None:
        """The stage's answer: ``document`` as JSON, or ``text``; called once, at the end."""
        if self.silent:
            return
        try:
            self._write(document, text)
        except BrokenPipeError:
            # The reader went away, as `| head` does; Python must not fail again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _write(self, document: dict[str, Any], text: str) -> None:
        if self.json:
            json_module.dump({"schema": f"gnnctl/{self.stage}/1", **document}, sys.stdout, indent=2, allow_nan=False)
            sys.stdout.write("\n")
        elif text:
            sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()


def table(header: list[str], rows: Iterable[Iterable[object]]) -> str:
    """Plain aligned columns; a column whose every cell is a number is right-aligned."""
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(_is_number(row[i]) for row in cells) and bool(cells) for i in range(len(header))]
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(header)]

    def line(values: list[str]) -> str:
        return "  ".join(
            v.rjust(w) if right else v.ljust(w) for v, w, right in zip(values, widths, numeric, strict=True)
        ).rstrip()

    return "\n".join([line(header), "  ".join("-" * w for w in widths), *map(line, cells)])


def _cell(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _is_number(text: str) -> bool:
    return (
        text == "-"
        or text.replace(",", "")
        .replace(".", "")
        .replace("e", "")
        .lstrip("-")
        .replace("+", "")
        .replace("-", "")
        .rstrip("%x")
        .isdigit()
    )
