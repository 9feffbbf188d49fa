"""A benchmark's report on disk: results.json, table.md, and the plot as SVG and PNG."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gnnctl.artifacts import ArtifactWriter
from gnnctl.console import table
from gnnctl.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# One colour a side, told apart in print and by colour-blind readers too (their lightness differs).
COLORS = ("#1f6f8b", "#e0a458", "#7a4a9e", "#9aa5ad")
INK = "#24303a"


@dataclass(frozen=True)
class Report:
    """What a benchmark found, ready to be shown.

    Attributes:
        title: one line, what was measured.
        document: everything, JSON-able, in full precision.
        header, rows: the table.
        notes: lines below the table.
        draw: draws the plot into a figure.
    """

    title: str
    document: dict[str, Any]
    header: list[str]
    rows: list[list[object]]
    draw: Callable[["Figure"], None]
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The table for the terminal."""
        return "\n".join([self.title, "", table(self.header, self.rows), "", *self.notes]).rstrip()

    def markdown(self) -> str:
        """The table for a README."""
        lines = [self.header, ["---"] * len(self.header), *([_shown(cell) for cell in row] for row in self.rows)]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"## {self.title}\n\n{body}\n\n" + "".join(f"- {note}\n" for note in self.notes)

    def write(self, writer: ArtifactWriter) -> None:
        """Write the report's files.

        Raises:
            DataError: a result is no finite number.
        """
        try:
            writer.json("results", self.document)
        except ValueError as error:
            raise DataError(f"a measurement is no finite number: {error}") from None
        writer.file("table.md").write_text(self.markdown(), encoding="utf-8")
        figure = new_figure()
        self.draw(figure)
        # A fixed salt and no date: the same results give the same bytes.
        import matplotlib

        with matplotlib.rc_context({"svg.hashsalt": "gnnctl", "svg.fonttype": "none"}):
            figure.savefig(writer.file("plot.svg"), metadata={"Date": None})
        figure.savefig(writer.file("plot.png"), dpi=160, metadata={"Software": None})


def machine_notes(machine: dict[str, Any]) -> list[str]:
    """The machine in one line, for below a table."""
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items())
    return [
        f"machine: {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}",
        f"versions: Python {machine['python']}, {versions}",
    ]


def new_figure(width: float = 9.0, height: float = 4.6) -> "Figure":
    """An empty figure, apart from any window system and from pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def style(axes: Any, title: str, ylabel: str) -> None:
    """The look all plots share: no box, a light grid behind, the unit on the axis."""
    axes.set_title(title, loc="left", fontsize=11, color=INK, fontweight="bold", pad=10)
    axes.set_ylabel(ylabel, color=INK)
    axes.tick_params(colors=INK, length=0)
    axes.grid(axis="y", color="#dfe5e9", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#b7c2ca")


def grouped_bars(
    axes: Any,
    groups: Sequence[str],
    series: Iterable[tuple[str, Sequence[float | None], Sequence[tuple[float, float]] | None, str]],
    label: Callable[[float], str],
) -> None:
    """Bars side by side: ``series`` holds (name, a height per group, (below, above) error per group, colour)."""
    listed = list(series)
    width = min(0.8 / max(len(listed), 1), 0.45)  # one bar alone should not be a wall
    for s, (name, heights, errors, color) in enumerate(listed):
        kept = [i for i, h in enumerate(heights) if h is not None]
        at = [i + (s - (len(listed) - 1) / 2) * width for i in kept]
        tall = [heights[i] for i in kept]
        bars = [[errors[i][side] for i in kept] for side in (0, 1)] if errors is not None else None
        drawn = axes.bar(
            at, tall, width * 0.92, label=name, color=color, yerr=bars, error_kw={"ecolor": INK, "elinewidth": 1}
        )
        axes.bar_label(drawn, [label(h) for h in tall if h is not None], padding=3, fontsize=8, color=INK)
    axes.set_xticks(range(len(groups)), groups)
    axes.margins(y=0.16)
    axes.set_xlim(-0.6, len(groups) - 0.4)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
