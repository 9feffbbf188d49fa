"""The report of `gnnctl bench loading`."""

from typing import TYPE_CHECKING, Any

from gnnctl.bench.loading import LoadingOptions, LoadingResult
from gnnctl.bench.report import COLORS, Report, grouped_bars, machine_notes, style
from gnnctl.graph.graph import Graph
from gnnctl.sampling.spec import SampleSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def loading_report(
    graph: Graph, graph_name: str, spec: SampleSpec, options: LoadingOptions, result: LoadingResult
) -> Report:
    """Table, plot and document of one run."""
    row_rate, copy = result.limits["rows"], result.limits["copy"]
    title = (
        f"Loading neighbours ({spec.describe()}) and features around {options.batch_size:,} seeds a batch: {graph_name}"
    )
    document: dict[str, Any] = {
        "benchmark": "loading",
        "machine": result.machine,
        "limits": {"random_rows_per_second": row_rate.to_json(), "copy_bytes_per_second": copy.to_json()},
        "graph": {"name": graph_name, "fingerprint": graph.fingerprint, **graph.summary()},
        "node_type": result.node_type,
        "spec": spec.to_json(),
        "batch_size": options.batch_size,
        "num_batches": options.num_batches,
        "feature_formats": list(options.feature_formats),
        "mapped": options.mapped,
        "results": [row.to_json() for row in result.rows],
        "notes": result.notes,
    }
    rows: list[list[object]] = [
        [
            row.side,
            row.threads,
            round(row.batches_per_second, 1),
            round(row.edges / row.seconds.median / 1e6, 2),
            round(row.rows / row.seconds.median / 1e6, 2),
            round(row.rows_per_random_row, 3),
            f"{row.seconds.spread:.1%}",
        ]
        for row in result.rows
    ]
    notes = [
        f"random row: {row_rate.median / 1e6:.1f} M float32 feature rows/s copied from random places, one thread, "
        f"without sampling; copy: {copy.median / 1e9:.1f} GB/s read and written",
        f"medians of {options.repeats} measurements of {options.num_batches} batches; "
        "spread: half the distance between the quartiles; threads are worker processes for torch-geometric",
        *result.notes,
        *machine_notes(result.machine),
    ]
    header = ["side", "threads", "batches/s", "M edges/s", "M rows/s", "rows/random row", "spread"]
    return Report(title, document, header, rows, lambda figure: _draw(figure, title, result), notes)


def _draw(figure: "Figure", title: str, result: LoadingResult) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, color="#5b6770")
    axes = figure.subplots()
    sides = list(dict.fromkeys(row.side for row in result.rows))
    threads = sorted({row.threads for row in result.rows})
    series = []
    for side, color in zip(sides, [*COLORS, "#8fc1d0", "#f0cf9c", "#c9b4da", "#c7ced3"], strict=False):
        found = {row.threads: row for row in result.rows if row.side == side}
        heights = [found[t].batches_per_second if t in found else None for t in threads]
        errors = []
        for t in threads:
            if (row := found.get(t)) is None:
                errors.append((0.0, 0.0))
                continue
            slow, fast = (row.batches / end(row.seconds.values) for end in (max, min))
            errors.append((row.batches_per_second - slow, fast - row.batches_per_second))
        series.append((side, heights, errors, color))
    names = [f"{t} thread{'' if t == 1 else 's'}" for t in threads]
    grouped_bars(axes, names, series, lambda v: f"{v:,.0f}")
    style(axes, "Batches loaded per second", "batches per second (bars: least to most)")
    figure.legend(frameon=False, loc="outside lower center", fontsize=9, ncols=3)
